//! A received request, delivered again: as a new delivery with the body that was stored, to the
//! workflows that listen at its path now.

use serde_json::Value;

use super::{Received, WebhookDelivery, WebhookEndpoint};
use crate::body::{self, Format};
use crate::ids::{EventId, TenantId};
use crate::runtime::{Engine, IntakeError};
use crate::store::{NewWebhookRequest, StoreError};

/// The header of a redelivery that names the request.
const OF: &str = "x-automate-redelivery-of";

/// Who delivers again, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedeliveredBy {
    /// Whether to take a request that was refused, whose signature nobody has found right.
    pub accept_unverified: bool,
    /// A second redelivery with the same key is answered with the first one.
    pub key: Option<String>,
    /// The address of who asks; empty where it is not known.
    pub address: String,
    /// Names the request.
    pub correlation_id: String,
}

/// A request that can be delivered again.
#[derive(Debug, Clone)]
pub struct Redelivery {
    endpoint: WebhookEndpoint,
    delivery: WebhookDelivery,
}

impl Redelivery {
    /// The workflows that listen, in order, each once.
    #[must_use]
    pub fn workflows(&self) -> Vec<&str> {
        let mut workflows: Vec<&str> =
            self.endpoint.targets.iter().map(|target| target.trigger.workflow.as_str()).collect();
        workflows.sort_unstable();
        workflows.dedup();
        workflows
    }
}

/// Why a request cannot be delivered again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedeliveryError {
    /// It was refused, and nobody said to take it nevertheless.
    #[error("the request was refused; it is taken only where somebody says so")]
    NotVerified,
    /// Its body is not there, or not all of it.
    #[error("the body was not kept whole, so it cannot be delivered again")]
    BodyNotKept,
    /// No workflow is there for it.
    #[error("no workflow listens at the path of the request any more")]
    NobodyListens,
    /// Its body is not one that webhooks take.
    #[error("the body cannot be read: {0}")]
    BodyNotReadable(String),
    /// The database cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RedeliveryError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotVerified => "NOT_VERIFIED",
            Self::BodyNotKept => "BODY_NOT_KEPT",
            Self::NobodyListens => "NOBODY_LISTENS",
            Self::BodyNotReadable(_) => "BODY_NOT_READABLE",
            Self::Store(error) => error.code(),
        }
    }
}

/// What the result of checking a signature says of repetitions: `first`; `duplicate`; `conflict` of
/// one with the id of an earlier one and another body; nothing of what was refused.
#[must_use]
pub fn dedupe_of(signature: &str) -> Option<&'static str> {
    match signature {
        "ok" => Some("first"),
        "DUPLICATE" => Some("duplicate"),
        "DELIVERY_CONFLICT" => Some("conflict"),
        _ => None,
    }
}

impl Engine {
    /// What delivering a received request again takes. Changes nothing.
    ///
    /// # Errors
    /// Why it cannot be delivered again.
    pub async fn redelivery(
        &self,
        tenant: TenantId,
        request: NewWebhookRequest,
        by: RedeliveredBy,
    ) -> Result<Redelivery, RedeliveryError> {
        if dedupe_of(&request.signature).is_none() && !by.accept_unverified {
            return Err(RedeliveryError::NotVerified);
        }
        let bytes = match &request.body {
            Some(body) => body.clone(),
            // It is the payload of the event, byte for byte.
            None => match self.ports().store.event(tenant, request.id).await {
                Ok(event) => event.payload.as_bytes().to_vec(),
                Err(StoreError::NotFound(_)) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
        };
        if i64::try_from(bytes.len()).ok() != Some(request.body_bytes) {
            return Err(RedeliveryError::BodyNotKept);
        }
        let endpoint = self.webhook_endpoint_of(tenant, &request.path).await?;
        let endpoint = endpoint.ok_or(RedeliveryError::NobodyListens)?;
        let mut headers: serde_json::Map<String, Value> = serde_json::from_str(&request.headers).unwrap_or_default();
        let format = Format::of(headers.get("content-type").and_then(Value::as_str))
            .ok_or_else(|| RedeliveryError::BodyNotReadable("its type is neither JSON nor a form".to_owned()))?;
        let payload =
            body::parse(format, &bytes).map_err(|error| RedeliveryError::BodyNotReadable(error.to_string()))?;
        headers.insert(OF.to_owned(), request.id.to_string().into());
        let headers = Value::Object(headers);
        let delivery = WebhookDelivery {
            payload: payload.value,
            payload_text: payload.text,
            request: NewWebhookRequest {
                id: EventId::new(),
                headers: headers.to_string().into(),
                body: (!payload.is_body).then_some(bytes),
                signature: "ok".to_owned(),
                http_status: 202,
                remote_addr: Some(by.address).filter(|address| !address.is_empty()),
                received_at: self.ports().clock.now(),
                ..request
            },
            headers,
            delivery_id: by.key,
            correlation_id: by.correlation_id,
        };
        Ok(Redelivery { endpoint, delivery })
    }

    /// Delivers a request again. Whoever may do so answers for all workflows that listen.
    ///
    /// # Errors
    /// As [`Engine::deliver`].
    pub async fn redeliver(&self, redelivery: Redelivery) -> Result<Received, IntakeError> {
        let targets: Vec<usize> = (0..redelivery.endpoint.targets.len()).collect();
        self.deliver(&redelivery.endpoint, &targets, redelivery.delivery).await
    }
}
