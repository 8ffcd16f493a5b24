//! `POST /webhooks/{id}/redeliver`.

use automate_core::runtime::{IntakeError, Received, RedeliveredBy, RedeliveryError};
use automate_store::models::events::WEBHOOKS;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::super::events::EventReceived;
use super::super::nested::found;
use crate::Problem;
use crate::v1::base::{Action, Call, Operation, Reply};

/// How a request is delivered again.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Redelivery {
    /// Whether to take a request that was refused, whose signature nobody has found right.
    accept_unverified: bool,
}

pub(super) fn operation() -> Operation {
    Operation::post("/webhooks/{id}/redeliver", Action::custom("redeliver"))
        .summary("Delivers a received request again")
        .description(
            "As a new delivery with the body that was stored: the workflows that listen at the path now are started. \
             Signatures are not kept, so it is not verified again; a request that was refused is taken only with \
             `accept_unverified`. A body that was not kept whole cannot be delivered again.",
        )
        .may_read::<Redelivery>()
        .answers::<EventReceived>(StatusCode::ACCEPTED, "It is stored, with the executions that it started.")
        .handler(redeliver)
}

async fn redeliver(call: Call) -> Result<Reply, Problem> {
    let Redelivery { accept_unverified } = call.read()?;
    let (id, tenant) = (found(&call, &WEBHOOKS).await?, call.tenant()?);
    let request = automate_store::inbox::request(call.api.database(), tenant, id).await?;
    let request = request.ok_or_else(Problem::not_found)?;
    let entry = call.audit("webhook.redeliver")?.about("webhook", id);
    let entry = entry.with(json!({ "path": request.path, "accept_unverified": accept_unverified }));
    let by = RedeliveredBy {
        accept_unverified,
        // With a key, a delivery that was made before the process died is found again.
        key: call.dedupe_key().map(|key| format!("redelivery:{key}")),
        address: call.origin.address.clone(),
        correlation_id: call.origin.correlation_id.clone(),
    };
    let engine = call.api.engine();
    let redelivery = engine.redelivery(tenant, request, by).await?;
    let delivered: Result<Received, IntakeError> = call.api.audit().around(entry, engine.redeliver(redelivery)).await;
    Reply::accepted(EventReceived::from(delivered?))
}

impl From<RedeliveryError> for Problem {
    fn from(error: RedeliveryError) -> Self {
        match error {
            RedeliveryError::Store(error) => error.into(),
            RedeliveryError::NotVerified => Self::new(
                StatusCode::CONFLICT,
                "NOT_VERIFIED",
                "the request was refused; say `accept_unverified` to take it nevertheless",
            ),
            other => Self::new(StatusCode::CONFLICT, other.code(), other.to_string()),
        }
    }
}
