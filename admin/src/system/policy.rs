//! What a tenant may do: a form made of the schema of policies.

use askama::Template;
use automate_core::audit::AuditEntry;
use automate_core::ids::TenantId;
use automate_core::policy::TenantPolicy;
use automate_core::store::StoreError;
use automate_governance::models::TENANTS;
use automate_governance::policy::{load, save};
use automate_store::error::store_error;
use automate_store::resource::{Row, Selection, exact_id};
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::control::{Field, Wrong, summary};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::schema_form::SchemaForm;
use crate::state::AdminState;

#[derive(Template)]
#[template(path = "admin/model/policy.html")]
struct PolicyPage {
    shell: Shell,
    wrong: Vec<Wrong>,
    fields: Vec<Field>,
    version: String,
    may: bool,
    back: String,
}

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/tenants/tenant/{id}/policy/", get(show).post(store))
}

fn form() -> SchemaForm {
    let words = |doc: &str| json!({ "type": "array", "items": { "type": "string" }, "description": doc });
    let limit = |doc: &str| json!({ "type": "integer", "minimum": 0, "description": doc });
    let schema = json!({
        "type": "object",
        "properties": {
            "allowed_actions": words("Actions that may be used: slack.*, http.request. Empty is all of them."),
            "denied_actions": words("Actions that may not be used, whatever is allowed."),
            "allowed_hosts": words("Hosts that outgoing calls may name: *.example.com. Empty is all that the installation lets through."),
            "denied_hosts": words("Hosts that outgoing calls may not name."),
            "executions_per_day": limit("Executions started in a day of UTC."),
            "llm_tokens_per_day": limit("Tokens of language models in a day of UTC."),
            "llm_cost_micros_per_day": limit("Cost of language models in a day of UTC, in millionths."),
            "max_workflows": limit("Workflows."),
            "max_queued_executions": limit("Executions that have not ended."),
            "max_payload_bytes": limit("Bytes of an event's payload or of an execution's input."),
            "requests_per_minute": limit("Requests to the API in a minute, of all tokens and sessions together."),
            "retention_days": limit("Days that what has ended is kept."),
        }
    });
    SchemaForm::of("policy", &schema)
}

async fn tenant(cx: &Cx, id: &str) -> Result<(Row, TenantId), AdminError> {
    let id = exact_id(id).ok_or(AdminError::NotFound)?;
    Ok((cx.state().resources().get(&TENANTS, &cx.writer(), id, &Selection::default()).await?, TenantId(id)))
}

fn page(cx: &Cx, row: &Row, id: TenantId, fields: Vec<Field>, version: String, errors: &FieldErrors) -> Reply {
    let name = row.fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let back = format!("/admin/tenants/tenant/{id}/change/");
    let shell = cx.shell(format!("Policy of {name}")).crumb("Tenants", "/admin/tenants/tenant/").crumb(name, &back);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may = cx.can("tenants.change_policy");
    let page = PolicyPage {
        shell: shell.refused(!errors.is_empty()),
        wrong: summary(errors, &fields),
        fields,
        version,
        may,
        back,
    };
    cx.page_with(status, &page)
}

async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("tenants.view_policy")?;
    let (row, id) = tenant(&cx, &id).await?;
    let stored = load(cx.state().database(), id).await?;
    let document = serde_json::to_value(&stored.policy).map_err(|error| AdminError::Internal(error.to_string()))?;
    let fields = form().fields(&document, &FieldErrors::default());
    page(&cx, &row, id, fields, stored.version.to_string(), &FieldErrors::default())
}

async fn store(cx: Cx, Path(id): Path<String>, posted: Fields) -> Reply {
    cx.require("tenants.change_policy")?;
    let (row, id) = tenant(&cx, &id).await?;
    let version = posted.text("row_version").to_owned();
    let form = form();
    let policy = match form.read(&posted).map(policy_of) {
        Ok(Ok(policy)) => policy,
        Ok(Err(errors)) | Err(errors) => {
            return page(&cx, &row, id, form.posted(&posted, &errors), version, &errors);
        }
    };
    let expected = version.parse::<i32>().map_err(|_| AdminError::Form("its version is missing".to_owned()))?;
    let audit = cx.state().audit().clone();
    let entry = AuditEntry::new(id, cx.principal().actor.clone(), "policy.change").from(cx.origin().clone());
    let stored = cx.state().database().run(move |db| async move {
        let txn = db.begin().await?;
        let (before, _) = save(&txn, id, &policy, Some(expected)).await?;
        let changes = changes(&before.policy, &policy);
        audit.append(&txn, entry.about("policy", id.to_string()).with(changes)).await?;
        txn.commit().await.map_err(store_error)
    });
    match stored.await {
        Ok(()) => {}
        Err(StoreError::Conflict(_)) => {
            let message = "somebody else has changed the policy since you opened it";
            return Err(AdminError::Conflict(message.to_owned()));
        }
        Err(other) => return Err(other.into()),
    }
    cx.state().parts().governor.forget(id);
    cx.done(&format!("/admin/tenants/tenant/{id}/policy/"), Flash::success("The policy was stored."))
}

fn policy_of(document: Value) -> Result<TenantPolicy, FieldErrors> {
    let mut errors = FieldErrors::default();
    let policy: TenantPolicy = match serde_json::from_value(document) {
        Ok(policy) => policy,
        Err(error) => {
            errors.add_form(error.to_string());
            return Err(errors);
        }
    };
    for (field, message) in policy.problems() {
        errors.add_named(&format!("policy.{field}"), message);
    }
    if errors.is_empty() { Ok(policy) } else { Err(errors) }
}

/// What differs.
fn changes(before: &TenantPolicy, after: &TenantPolicy) -> Value {
    let fields = |policy: &TenantPolicy| serde_json::to_value(policy).unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names = before.as_object().into_iter().chain(after.as_object()).flat_map(Map::keys);
    let differing = names.filter(|name| before.get(name) != after.get(name));
    let change = |name: &String| (name.clone(), json!({ "from": before.get(name), "to": after.get(name) }));
    Value::Object(differing.map(change).collect())
}
