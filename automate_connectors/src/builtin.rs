//! The connectors that come with Automate.

mod data;
mod http;
mod jmes;
mod llm;
mod log;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;

pub use data::Data;
pub use http::Http;
pub use llm::Llm;
pub use log::Log;
pub use slack::Slack;
pub use webhook::Webhook;

use crate::base::Connector;

crate::register_connector!(Data);
crate::register_connector!(Http);
crate::register_connector!(Llm);
crate::register_connector!(Log);
crate::register_connector!(Slack);
crate::register_connector!(Webhook);

/// All of them, for a registry that is put together by hand.
#[must_use]
pub fn all() -> Vec<Arc<dyn Connector>> {
    vec![Arc::new(Data), Arc::new(Http), Arc::new(Llm), Arc::new(Log), Arc::new(Slack), Arc::new(Webhook)]
}
