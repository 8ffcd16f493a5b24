//! What a connector is made of.

pub mod http;
