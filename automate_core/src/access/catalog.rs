//! The permissions and scopes that exist, and the groups that every tenant begins with.

use super::{ADMIN_SCOPE, EVERYTHING};

/// The models that have the four permissions, as `(app, model)`.
pub const MODELS: &[(&str, &str)] = &[
    ("workflows", "workflow"),
    ("workflows", "version"),
    ("workflows", "trigger"),
    ("executions", "execution"),
    ("executions", "step"),
    ("executions", "event"),
    ("executions", "webhookrequest"),
    ("executions", "bulkoperation"),
    ("outbox", "item"),
    ("connectors", "connector"),
    ("connectors", "connection"),
    ("connectors", "provider"),
    ("secrets", "secret"),
    ("people", "user"),
    ("people", "group"),
    ("people", "token"),
    ("people", "session"),
    ("tenants", "tenant"),
    ("tenants", "policy"),
    ("audit", "entry"),
];

/// Permissions for single deeds, with what each allows.
pub const NAMED_PERMISSIONS: &[(&str, &str)] = &[
    ("workflow.publish", "publish and roll back workflows"),
    ("workflow.run", "start workflows by hand"),
    ("event.publish", "publish events"),
    ("execution.cancel", "cancel executions"),
    ("execution.retry", "retry failed steps and decide unknown outcomes"),
    ("execution.replay", "run executions again as new ones"),
    ("execution.signal", "send signals to waiting executions"),
    ("execution.view_payload", "see inputs, outputs and payloads; each view is audited"),
    ("webhook.redeliver", "deliver a received webhook again"),
    ("outbox.requeue", "requeue dead letters"),
    ("outbox.purge", "delete dead letters"),
    ("connection.test", "test connections"),
    ("secret.reveal_metadata", "see names and versions of secrets; never values"),
    ("audit.verify", "check the audit log's chain"),
    ("savedview.share", "keep lists of the admin for everybody in the tenant"),
];

/// Scopes besides `{resource}:read` and `{resource}:write`.
pub const SPECIAL_SCOPES: &[&str] = &[ADMIN_SCOPE, "events:publish"];

/// A group that every tenant begins with.
#[derive(Debug)]
pub struct DefaultGroup {
    /// Its name.
    pub name: &'static str,
    /// What its members are for.
    pub description: &'static str,
    grants: fn(&str) -> bool,
}

impl DefaultGroup {
    /// Its permissions.
    #[must_use]
    pub fn permissions(&self) -> Vec<String> {
        if (self.grants)(EVERYTHING) {
            return vec![EVERYTHING.to_owned()];
        }
        all_permissions().into_iter().filter(|permission| (self.grants)(permission)).collect()
    }
}

/// The groups that every tenant begins with, each able to do what the one before it can.
pub const DEFAULT_GROUPS: &[DefaultGroup] = &[
    DefaultGroup { name: "viewer", description: "Sees workflows and executions, without payloads.", grants: viewer },
    DefaultGroup { name: "operator", description: "Runs and repairs executions.", grants: operator },
    DefaultGroup { name: "editor", description: "Changes workflows, connections and secrets.", grants: editor },
    DefaultGroup { name: "admin", description: "Everything in the tenant.", grants: |_| true },
];

/// Apps whose rows are about people and what they did: for admins.
const SENSITIVE: &[&str] = &["people.", "tenants.", "audit.", "secrets."];

fn viewer(permission: &str) -> bool {
    permission.contains(".view_")
        && permission != "execution.view_payload"
        && !SENSITIVE.iter().any(|app| permission.starts_with(app))
}

fn operator(permission: &str) -> bool {
    viewer(permission)
        || matches!(
            permission,
            "workflow.run"
                | "event.publish"
                | "execution.cancel"
                | "execution.retry"
                | "execution.replay"
                | "execution.signal"
                | "execution.view_payload"
                | "webhook.redeliver"
                | "outbox.requeue"
                | "connection.test"
                | "savedview.share"
                | "executions.add_bulkoperation"
                | "executions.change_bulkoperation"
        )
}

fn editor(permission: &str) -> bool {
    operator(permission)
        || permission == "workflow.publish"
        || permission == "secret.reveal_metadata"
        || permission.starts_with("workflows.")
        || permission.starts_with("secrets.")
        || permission.starts_with("connectors.")
}

/// Every permission that exists by itself; an application's models add theirs.
#[must_use]
pub fn all_permissions() -> Vec<String> {
    let of_models = MODELS
        .iter()
        .flat_map(|(app, model)| ["view", "add", "change", "delete"].map(|verb| format!("{app}.{verb}_{model}")));
    of_models.chain(NAMED_PERMISSIONS.iter().map(|(name, _)| (*name).to_owned())).collect()
}
