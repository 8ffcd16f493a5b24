//! The tests that need several crates, in one binary.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod admin;
mod api;
mod architecture;
mod audit;
mod bad_inputs;
mod canary;
mod chaos;
mod cli;
mod connector_crate;
mod databases;
mod egress;
mod engine;
mod fixtures;
mod identity;
mod llm;
mod matrix;
mod operating;
mod outbox;
mod readme;
mod resource;
mod rest;
mod rest_people;
mod secrets;
mod serving;
mod store;
mod webhooks;
