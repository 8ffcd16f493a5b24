//! Connectors: what a third party's crate plugs into, and the connectors that come with Automate.

pub mod base;
