//! Delivering a received request again.

use automate_core::runtime::{IntakeError, Received, RedeliveredBy, RedeliveryError, dedupe_of};
use automate_core::store::NewWebhookRequest;
use automate_store::inbox;
use automate_store::resource::exact_id;
use axum::extract::Path;
use serde_json::json;

use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply};
use crate::operations::confirm::{Asked, Confirm};
use crate::operations::words::many;

async fn found(cx: &Cx, id: &str) -> Result<NewWebhookRequest, AdminError> {
    cx.require("webhook.redeliver")?;
    let id = exact_id(id).ok_or(AdminError::NotFound)?;
    inbox::request(cx.state().database(), cx.tenant()?, id).await?.ok_or(AdminError::NotFound)
}

fn by(cx: &Cx, accept_unverified: bool, key: Option<String>) -> RedeliveredBy {
    let origin = cx.origin();
    RedeliveredBy {
        accept_unverified,
        key,
        address: origin.address.clone(),
        correlation_id: origin.correlation_id.clone(),
    }
}

/// The page, with why it cannot be done where it cannot.
async fn page(cx: &Cx, id: &str, request: &NewWebhookRequest) -> Result<Confirm, AdminError> {
    let here = format!("/admin/webhooks/{id}/");
    let shell =
        cx.shell("Deliver again").crumb("Webhook inbox", "/admin/webhooks/").crumb(format!("/{}", request.path), &here);
    let page = Confirm::new(shell, "Deliver again", here);
    // Whether anything else than the missing signature stands against it.
    let engine = cx.state().engine();
    let redelivery = match engine.redelivery(cx.tenant()?, request.clone(), by(cx, true, None)).await {
        Ok(redelivery) => redelivery,
        Err(RedeliveryError::Store(error)) => return Err(error.into()),
        Err(error) => return Ok(page.blocked(format!("It cannot be delivered again: {error}."))),
    };
    let workflows = redelivery.workflows();
    let page = page
        .says(format!(
            "The stored body goes to what listens at /{} now, {}: {}. Filters decide as always.",
            request.path,
            many(workflows.len(), "workflow"),
            workflows.join(", ")
        ))
        .says("It is a new delivery with an id of its own: what the first one started is started once more.")
        .carries_nonce();
    if dedupe_of(&request.signature).is_some() {
        return Ok(page);
    }
    Ok(page.says(format!("It was refused ({}): nobody has proven who sent it.", request.signature)).danger().asks(
        Asked {
            name: "accept_unverified",
            label: "Take it nevertheless",
            help: "You answer for what the request says.".to_owned(),
            kind: "checkbox",
            value: String::new(),
            required: false,
        },
    ))
}

pub(in crate::operations) async fn ask(cx: Cx, Path(id): Path<String>) -> Reply {
    let request = found(&cx, &id).await?;
    page(&cx, &id, &request).await?.show(&cx)
}

pub(in crate::operations) async fn redeliver(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    let request = found(&cx, &id).await?;
    let accept_unverified = fields.has("accept_unverified");
    let entry = cx.entry("webhook.redeliver").about("webhook", &id);
    let entry = entry.with(json!({ "path": request.path, "accept_unverified": accept_unverified }));
    let engine = cx.state().engine();
    // A form that is sent twice, by a double click, is one redelivery.
    let key = exact_id(fields.text("nonce")).map(|nonce| format!("redelivery:{id}:{nonce}"));
    let redelivery = match engine.redelivery(cx.tenant()?, request.clone(), by(&cx, accept_unverified, key)).await {
        Ok(redelivery) => redelivery,
        Err(RedeliveryError::NotVerified) => {
            let message = "must be chosen: the request was refused";
            return page(&cx, &id, &request).await?.refuse(&cx, "accept_unverified", message);
        }
        Err(RedeliveryError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(AdminError::Conflict(error.to_string())),
    };
    let delivered: Result<Received, IntakeError> = cx.state().audit().around(entry, engine.redeliver(redelivery)).await;
    let received = delivered.map_err(refused)?;
    let started = received.execution_ids.len();
    let page =
        received.event_id.map_or_else(|| format!("/admin/webhooks/{id}/"), |id| format!("/admin/webhooks/{id}/"));
    cx.done(&page, Flash::success(format!("Delivered again; it started {}.", many(started, "execution"))))
}

fn refused(error: IntakeError) -> AdminError {
    match error {
        IntakeError::Store(error) => error.into(),
        IntakeError::Overloaded { retry_after, .. } => AdminError::Busy(retry_after),
        other => AdminError::Conflict(other.to_string()),
    }
}
