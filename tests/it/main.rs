//! Local.
#![expect(clippy::unwrap_used, reason = "x")]
#![allow(dead_code)]
mod engine;
mod rest;
mod webhooks;
