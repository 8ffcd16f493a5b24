//! One received request, and what became of it.

use askama::Template;
use automate_core::ids::EventId;
use automate_core::runtime::dedupe_of;
use automate_store::inbox;
use automate_store::models::events::{EVENTS, WEBHOOKS};
use automate_store::resource::{ResourceError, Row, Selection, exact_id};
use axum::extract::Path;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::verdict;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};

/// Bytes of a body that the page shows.
const SHOWN: usize = 64 * 1024;
/// The permission to see headers and bodies.
const PAYLOAD: &str = "execution.view_payload";

struct Target {
    workflow: String,
    version: i32,
    scheme: &'static str,
}

struct Started {
    url: String,
    id: String,
    workflow: String,
    status: String,
}

#[derive(Template)]
#[template(path = "admin/webhooks/request.html")]
struct RequestPage {
    shell: Shell,
    id: String,
    path: String,
    method: String,
    at: DateTime<Utc>,
    address: String,
    bytes: i64,
    status: i64,
    state: &'static str,
    verdict: String,
    signature: String,
    dedupe: String,
    /// None without the permission to see them.
    headers: Option<Vec<(String, String)>>,
    body: Option<Body>,
    /// Its event, where it was taken.
    event: bool,
    event_url: String,
    started: Vec<Started>,
    targets: Vec<Target>,
    redelivery_of: String,
    may_redeliver: bool,
}

/// A body as it is shown.
struct Body {
    text: String,
    /// Bytes that are not text.
    base64: bool,
    /// There is more of it.
    cut: bool,
}

impl Body {
    fn of(bytes: Vec<u8>) -> Self {
        let (text, base64) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(bytes) => (STANDARD.encode(bytes.as_bytes()), true),
        };
        let end = (0..=SHOWN.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let cut = end < text.len();
        Self { text: text[..end].to_owned(), base64, cut }
    }
}

pub(in crate::operations) async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("executions.view_webhookrequest")?;
    let (uuid, tenant) = (exact_id(&id).ok_or(AdminError::NotFound)?, cx.tenant()?);
    // Through the service, which puts on record who saw headers and body.
    let row = cx.state().resources().get(&WEBHOOKS, &cx.writer(), uuid, &Selection::default()).await?;
    let text = |name: &str| row.fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| row.fields.get(name).and_then(Value::as_i64).unwrap_or_default();
    let at = DateTime::parse_from_rfc3339(&text("received_at"))
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| AdminError::Internal(format!("the time of the request {id}")))?;
    let (signature, path) = (text("signature"), text("path"));
    let (state, verdict) = verdict(&signature);
    let taken = dedupe_of(&signature) == Some("first");
    let headers = headers(&row);
    let redelivery_of = headers.iter().flatten().find(|(name, _)| name == "x-automate-redelivery-of");
    let redelivery_of = redelivery_of.map(|(_, value)| value.clone()).unwrap_or_default();
    let body = body(&cx, &row, uuid).await?;
    let started = match taken && cx.can("executions.view_execution") {
        true => inbox::started_by(cx.state().database(), tenant, EventId(uuid), at).await?,
        false => Vec::new(),
    };
    let started = started.into_iter().map(|(id, workflow, status)| Started {
        url: format!("/admin/executions/{id}/"),
        id: id.to_string(),
        workflow,
        status,
    });
    let endpoint = cx.state().engine().webhook_endpoint_of(tenant, &path).await?;
    let targets = endpoint.into_iter().flat_map(|endpoint| endpoint.targets).map(|target| Target {
        workflow: target.trigger.workflow.clone(),
        version: target.trigger.version,
        scheme: target.verify.scheme.as_str(),
    });
    let events = cx.state().site().of("events").filter(|admin| admin.spec().allows(&cx, crate::spec::Verb::View, None));
    let dedupe = match dedupe_of(&signature) {
        Some("first") => "the first of its id",
        Some("duplicate") => "a repetition: nothing was started",
        Some(_) => "the id of an earlier delivery with another body: nothing was started",
        None => "not looked at, since it was refused",
    };
    cx.page(&RequestPage {
        shell: cx.shell(format!("/{path}")).crumb("Webhook inbox", "/admin/webhooks/"),
        event: taken,
        event_url: events.filter(|_| taken).map(|admin| admin.spec().row_url(&id)).unwrap_or_default(),
        id,
        method: text("method"),
        path,
        at,
        address: text("remote_addr"),
        bytes: number("body_bytes"),
        status: number("http_status"),
        state,
        verdict,
        signature,
        dedupe: dedupe.to_owned(),
        headers,
        body,
        started: started.collect(),
        targets: targets.collect(),
        redelivery_of,
        may_redeliver: cx.can("webhook.redeliver"),
    })
}

fn headers(row: &Row) -> Option<Vec<(String, String)>> {
    let headers = row.fields.get("headers")?.as_object()?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(headers.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

/// The body: of the request, or of the event whose payload it is, byte for byte.
async fn body(cx: &Cx, row: &Row, id: Uuid) -> Result<Option<Body>, AdminError> {
    if !cx.can(PAYLOAD) {
        return Ok(None);
    }
    if let Some(base64) = row.fields.get("body").and_then(Value::as_str) {
        return Ok(STANDARD.decode(base64).ok().map(Body::of));
    }
    let payload = Selection { fields: vec!["payload"], expand: Vec::new() };
    match cx.state().resources().get(&EVENTS, &cx.writer(), id, &payload).await {
        Ok(_) => {}
        Err(ResourceError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let event = cx.state().engine().ports().store.event(cx.tenant()?, EventId(id)).await?;
    Ok(Some(Body::of(event.payload.as_bytes().to_vec())))
}
