//! Providers of language models: the [`Provider`] trait, the [`ProviderRegistry`] that finds,
//! sets up and calls them, and the [`Budget`] that every call is charged to.
//!
//! A provider speaks one wire format. An entry of the registry is a provider with its settings:
//! one for each `[providers.NAME]` of the configuration, and one under its own key for each
//! provider that is registered. Configured entries go before registered ones of the same name.
//!
//! Whoever wants an answer calls [`ProviderRegistry::chat`], or [`ProviderRegistry::json`] for
//! JSON by a schema: both resolve credentials, hold the request against the policy, reserve and
//! settle the budget, and take credentials out of whatever comes back.

mod budget;
#[cfg(feature = "builtin-providers")]
pub mod builtin;
mod chat;
mod config;
mod context;
mod json;
mod link;
mod price;
mod registry;
mod run;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use budget::{Budget, BudgetError, Reservation, Spend, Unlimited};
#[cfg(feature = "builtin")]
pub(crate) use chat::as_text;
pub use chat::{
    ChatAnswer, ChatRequest, ChatResponse, FinishReason, JsonAnswer, Message, MessageRole, Tokens, Tool, ToolCall,
    ToolChoice, Usage,
};
pub use config::ProviderSetting;
pub use context::{Credentials, ProviderCall, ProviderContext, ProviderPolicy};
pub use json::{JsonResponse, JsonWanted};
pub use link::ProviderRegistration;
pub use price::{Price, PriceError};
pub use registry::{ProviderInfo, ProviderRegistry};

use crate::base::http::HttpResponse;
use crate::base::{ConnectorError, Result};

/// What a provider can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Capability {
    /// Answers messages.
    Chat,
    /// Gives an answer piece by piece.
    Streaming,
    /// Calls tools that are offered to it.
    Tools,
    /// Can be held to JSON by the wire format. Others are asked in words; the answer is checked
    /// either way.
    Json,
}

impl Capability {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Streaming => "streaming",
            Self::Tools => "tools",
            Self::Json => "json",
        }
    }
}

/// Takes an answer piece by piece.
///
/// The pieces come as the model makes them: nothing is taken out of them, and a secret may be cut
/// in two by them. What is stored or shown is made from the [`ChatResponse`].
pub trait ChatSink: Send + Sync {
    /// Takes the next piece of the text; never blocks.
    fn text(&self, piece: &str);
}

/// One wire format of language models.
///
/// It gets everything in the [`ProviderContext`]; it keeps no state of its own, reads no
/// environment and opens no connection but through the context. Budgets, prices, policy and
/// redaction are the registry's business.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Its kind in `[providers.NAME]`: a lower-case letter, then lower-case letters, digits, `-`
    /// and `_`.
    fn key(&self) -> &'static str;

    /// What people see.
    fn display_name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> &'static [Capability] {
        &[Capability::Chat]
    }

    /// JSON Schema of its own settings in `[providers.NAME]`. Settings that hold credentials are
    /// marked `writeOnly`. Those that every provider has are not named here: `kind`,
    /// `default_model`, `models`, `max_output_tokens`, `prices`.
    fn config_schema(&self) -> Value {
        json!({ "type": "object", "properties": {}, "additionalProperties": false })
    }

    /// The model that is asked where neither the request nor the settings name one.
    fn default_model(&self) -> Option<&'static str> {
        None
    }

    /// The error for an answer outside 2xx: the code as the one mapping has it, unless the body
    /// says more. Nothing of the body that may hold a credential may enter it.
    fn normalize_error(&self, what: &str, response: &HttpResponse, now: DateTime<Utc>) -> ConnectorError {
        let bare = HttpResponse::new(response.status, response.headers.clone(), bytes::Bytes::new());
        ConnectorError::from_response(what, &bare, now)
    }

    /// Answers messages. The request has been checked; its model is set.
    ///
    /// # Errors
    /// [`ConnectorError`], without secrets.
    async fn chat(&self, ctx: &ProviderContext, request: &ChatRequest) -> Result<ChatAnswer>;

    /// As [`Self::chat`], giving the text to the sink as it comes.
    ///
    /// # Errors
    /// As [`Self::chat`]; `TRANSIENT_NETWORK` where the stream ends before the answer does.
    async fn chat_streaming(
        &self,
        ctx: &ProviderContext,
        request: &ChatRequest,
        sink: &dyn ChatSink,
    ) -> Result<ChatAnswer> {
        let answer = self.chat(ctx, request).await?;
        sink.text(&answer.text);
        Ok(answer)
    }
}
