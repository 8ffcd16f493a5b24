//! `/tenants/{id}/policy`.

use automate_core::audit::AuditEntry;
use automate_core::ids::TenantId;
use automate_core::policy::TenantPolicy;
use automate_core::store::StoreError;
use automate_governance::policy::{Governor, load, save};
use automate_store::resource::{FieldProblem, ResourceError};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::of_path;
use crate::Problem;
use crate::v1::base::{Access, Action, Call, Operation, Reply};
use crate::v1::resources::changing::{change, must_be_as_read};

/// The policy of a tenant. What is absent is not limited.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[schema(as = TenantPolicy)]
#[serde(default, deny_unknown_fields)]
struct Policy {
    /// Actions that may be used: `slack.*`, `http.request`. Absent is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000, example = json!(["http.*"]))]
    allowed_actions: Option<Vec<String>>,
    /// Actions that may not be used, whatever is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000, example = json!(["slack.post_message"]))]
    denied_actions: Option<Vec<String>>,
    /// Hosts that outgoing calls may name: `api.example.com`, `*.example.com`. Absent is all that the
    /// installation's own rules let through; nothing here can allow more than those.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000, example = json!(["*.example.com"]))]
    allowed_hosts: Option<Vec<String>>,
    /// Hosts that outgoing calls may not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000, example = json!(["old.example.com"]))]
    denied_hosts: Option<Vec<String>>,
    /// Executions started in a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    executions_per_day: Option<u64>,
    /// Tokens of language models in a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_tokens_per_day: Option<u64>,
    /// Cost of language models in a day of UTC, in millionths of the currency of the price list.
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_cost_micros_per_day: Option<u64>,
    /// Workflows.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_workflows: Option<u64>,
    /// Executions that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_queued_executions: Option<u64>,
    /// Bytes of an event's payload or of an execution's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_payload_bytes: Option<u64>,
    /// Requests to the API in a minute, of all tokens and sessions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<u32>,
    /// Days that ended executions, events and received webhooks are kept, where that is fewer than the
    /// installation keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/tenants/{id}/policy", Action::custom("policy"))
            .summary("Shows what a tenant may do")
            .description("Of one's own tenant; superusers see all of them.")
            .access(Access::new("policies:read", "tenants.view_policy"))
            .answers::<Policy>(StatusCode::OK, "The policy; an empty one limits nothing.")
            .with_etag()
            .handler(show),
        Operation::put("/tenants/{id}/policy", Action::custom("set_policy"))
            .summary("Says what a tenant may do")
            .description("Replaces the whole policy; it counts on all nodes within five seconds.")
            .access(Access::new("policies:write", "tenants.change_policy"))
            .reads::<Policy>()
            .answers::<Policy>(StatusCode::OK, "The policy as it is now.")
            .with_etag()
            .with_if_match()
            .may_fail_with(StatusCode::CONFLICT)
            .handler(set),
    ]
}

fn shown(policy: &TenantPolicy, version: i32) -> Result<Reply, Problem> {
    let body = serde_json::to_value(policy).map_err(|_| Problem::internal())?;
    Ok(Reply::ok(body)?.with_version(version.into()))
}

async fn show(call: Call) -> Result<Reply, Problem> {
    let tenant = TenantId(of_path(&call).await?.id);
    let stored = load(call.api.database(), tenant).await?;
    shown(&stored.policy, stored.version)
}

async fn set(call: Call) -> Result<Reply, Problem> {
    let body: Policy = call.read()?;
    let policy = policy_of(&body)?;
    let tenant = TenantId(of_path(&call).await?.id);
    let stored = load(call.api.database(), tenant).await?;
    must_be_as_read(&call, Some(stored.version.into()))?;
    let api = call.api.clone();
    let conditional = call.if_match.is_some();
    let reply = change(call, move |call, txn| async move {
        let saved = save(&txn, tenant, &policy, Some(stored.version)).await;
        let (before, version) = saved.map_err(|error| match error {
            StoreError::Conflict(_) if conditional => {
                ResourceError::Changed { current: i64::from(stored.version) + 1 }.into()
            }
            other => Problem::from(other),
        })?;
        let entry = AuditEntry::new(tenant, call.principal.actor.clone(), "policy.change")
            .from(call.origin.clone())
            .about("policy", tenant)
            .with(changes(&before.policy, &policy)?);
        call.api.audit().append(&txn, entry).await?;
        Ok((txn, shown(&policy, version)?))
    })
    .await?;
    api.service::<Governor>()?.forget(tenant);
    Ok(reply)
}

/// The policy of a body, where nothing is wrong with it.
fn policy_of(body: &Policy) -> Result<TenantPolicy, Problem> {
    let document = serde_json::to_value(body).map_err(|_| Problem::internal())?;
    let policy: TenantPolicy = serde_json::from_value(document)
        .map_err(|error| ResourceError::Invalid(vec![FieldProblem::new("", "INVALID_INPUT", error.to_string())]))?;
    let problems = policy.problems();
    if problems.is_empty() {
        return Ok(policy);
    }
    let told = |(field, message): (&'static str, String)| FieldProblem::new(field, "INVALID_INPUT", message);
    Err(ResourceError::Invalid(problems.into_iter().take(automate_core::limits::FIELD_PROBLEMS).map(told).collect())
        .into())
}

/// What differs.
fn changes(before: &TenantPolicy, after: &TenantPolicy) -> Result<Value, Problem> {
    let fields = |policy: &TenantPolicy| match serde_json::to_value(policy) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(Problem::internal()),
    };
    let (before, after) = (fields(before)?, fields(after)?);
    let mut changes = Map::new();
    for name in before.keys().chain(after.keys()) {
        let (from, to) = (before.get(name), after.get(name));
        if from != to {
            changes.insert(name.clone(), json!({ "from": from, "to": to }));
        }
    }
    Ok(Value::Object(changes))
}
