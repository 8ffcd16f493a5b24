//! Webhooks from outside: a real server over a real database, spoken to over sockets.

pub(crate) mod site;

mod answering;
mod bounds;
mod payloads;
mod repeating;
mod signing;
mod timing;
