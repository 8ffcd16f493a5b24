//! `/connectors`: the catalogue.

use std::sync::Arc;

use automate_connectors::ConnectorRegistry;
use automate_connectors::base::TriggerKind;
use automate_core::actions::Catalog;
use automate_core::registry::Loaded;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::Problem;
use crate::v1::base::{Access, Action, BaseViewSet, Call, Operation, Parameter, Reply};

/// The connectors that the program has.
pub(super) struct Connectors;

impl BaseViewSet for Connectors {
    fn name(&self) -> &'static str {
        "connectors"
    }

    fn doc(&self) -> &'static str {
        "Connectors: what the steps of workflows can call, and what was refused when the program began."
    }

    fn get_permissions(&self, _action: &Action) -> Access {
        Access::new("connectors:read", "connectors.view_connector")
    }

    fn operations(self: Arc<Self>) -> Vec<Operation> {
        vec![
            Operation::get("/connectors", Action::List)
                .summary("Lists connectors")
                .description("All of them, by their keys, also those that were refused. There is one page.")
                .answers::<ConnectorList>(StatusCode::OK, "The connectors.")
                .handler(list),
            Operation::get("/connectors/{key}", Action::Retrieve)
                .summary("Shows one connector")
                .description("With its actions, their schemas and its triggers.")
                .path_parameter(Parameter::of_path("key"))
                .answers::<ConnectorShown>(StatusCode::OK, "The connector.")
                .handler(retrieve),
        ]
    }
}

/// The connectors.
#[derive(Serialize, ToSchema)]
struct ConnectorList {
    /// The connectors, by their keys.
    results: Vec<ConnectorEntry>,
    /// Null: there is one page.
    next: Option<String>,
    /// Null: there is one page.
    previous: Option<String>,
}

/// A connector in the list.
#[derive(Serialize, ToSchema)]
struct ConnectorEntry {
    /// Its key.
    key: String,
    /// What people see; null where it was refused.
    title: Option<String>,
    /// The crate that it came from, and its version.
    origin: String,
    /// Why it cannot be used, where it was refused.
    refused: Option<String>,
    /// The names of its actions.
    actions: Vec<String>,
}

/// A connector with everything of it.
#[derive(Serialize, ToSchema)]
struct ConnectorShown {
    /// Its key.
    key: String,
    /// What people see; null where it was refused.
    title: Option<String>,
    /// The crate that it came from, and its version.
    origin: String,
    /// Why it cannot be used, where it was refused.
    refused: Option<String>,
    /// What it does.
    actions: Vec<ConnectorAction>,
    /// What it learns of.
    triggers: Vec<ConnectorTrigger>,
}

/// Something that a connector does.
#[derive(Serialize, ToSchema)]
struct ConnectorAction {
    /// What a step writes to call it: `connector.action`.
    uses: String,
    /// What people see.
    title: String,
    /// `pure`, `idempotent` or `once`.
    effect: String,
    /// The timeout of one attempt in seconds, where the step names none.
    timeout_seconds: Option<f64>,
    /// Whether it takes a connection.
    takes_connection: bool,
    /// JSON Schema of the input.
    input_schema: Value,
    /// JSON Schema of the output.
    output_schema: Value,
    /// An input that it takes.
    example: Option<Value>,
}

/// Something that a connector learns of.
#[derive(Serialize, ToSchema)]
struct ConnectorTrigger {
    /// Its name within the connector.
    name: String,
    /// What people see.
    title: String,
    /// `webhook` or `polling`.
    kind: String,
    /// JSON Schema of the payload.
    payload_schema: Value,
    /// The scheme by which deliveries are verified, of webhooks.
    verification: Option<String>,
}

/// What the load report says of connectors.
fn loaded(registry: &ConnectorRegistry) -> impl Iterator<Item = &Loaded> {
    registry.load_report().entries.iter().filter(|entry| entry.kind == "connector")
}

fn title(registry: &ConnectorRegistry, loaded: &Loaded) -> Option<String> {
    let connector = registry.connector(&loaded.key).filter(|_| loaded.refused.is_none())?;
    Some(connector.display_name().to_owned())
}

async fn list(call: Call) -> Result<Reply, Problem> {
    let registry = call.api.connectors();
    let entry = |loaded: &Loaded| ConnectorEntry {
        key: loaded.key.clone(),
        title: title(registry, loaded),
        origin: loaded.origin.clone(),
        refused: loaded.refused.clone(),
        // One that was refused has none, whoever has its key.
        actions: if loaded.refused.is_some() { Vec::new() } else { registry.actions(&loaded.key) },
    };
    let results = loaded(registry).map(entry).collect();
    Reply::ok(ConnectorList { results, next: None, previous: None })
}

async fn retrieve(call: Call) -> Result<Reply, Problem> {
    let registry = call.api.connectors();
    let key = call.path("key");
    let mut found: Vec<&Loaded> = loaded(registry).filter(|loaded| loaded.key == key).collect();
    // Of two with one key, the one that is used.
    found.sort_by_key(|loaded| loaded.refused.is_some());
    let Some(loaded) = found.first() else { return Err(Problem::not_found()) };
    let usable = loaded.refused.is_none();
    let names = if usable { registry.actions(key) } else { Vec::new() };
    let action = |name: &String| {
        let meta = registry.action(&format!("{key}.{name}"))?;
        Some(ConnectorAction {
            uses: meta.uses.clone(),
            title: meta.title.clone(),
            effect: meta.effect.to_string(),
            timeout_seconds: meta.timeout.map(|timeout| timeout.as_secs_f64()),
            takes_connection: meta.takes_connection,
            input_schema: meta.input_schema.clone(),
            output_schema: meta.output_schema.clone(),
            example: registry.example(&meta.uses).cloned(),
        })
    };
    let triggers = registry.triggers(key).iter().filter(|_| usable).map(|trigger| ConnectorTrigger {
        name: trigger.name.clone(),
        title: trigger.title.clone(),
        kind: match trigger.kind {
            TriggerKind::Webhook => "webhook".to_owned(),
            TriggerKind::Polling => "polling".to_owned(),
        },
        payload_schema: trigger.payload_schema.clone(),
        verification: trigger.verification.map(|scheme| scheme.as_str().to_owned()),
    });
    Reply::ok(ConnectorShown {
        key: loaded.key.clone(),
        title: title(registry, loaded),
        origin: loaded.origin.clone(),
        refused: loaded.refused.clone(),
        actions: names.iter().filter_map(action).collect(),
        triggers: triggers.collect(),
    })
}
