//! What a connector is made of: the [`Connector`] trait, the descriptions of its actions and
//! triggers, the context an action gets, and the errors it may return.

mod connection;
mod connector;
mod context;
mod error;
pub mod http;
mod outbound;
mod retry_after;
mod scrub;
mod spec;
pub mod sse;
mod typed;

pub use connection::{Connection, ConnectionField, ConnectionResolver, ConnectionSpec, NoConnections};
pub use connector::{Connector, Health, Polled, WebhookSecrets};
pub use context::ActionContext;
pub(crate) use context::ContextParts;
pub use error::{ConnectorError, Result};
pub(crate) use outbound::Outbound;
pub use outbound::StreamedResponse;
pub use retry_after::retry_after;
pub(crate) use scrub::Scrubber;
pub use spec::{ActionSpec, TriggerKind, TriggerSpec};
pub use typed::{ActionFuture, TypedAction, input_schema, output_schema, run_typed};
