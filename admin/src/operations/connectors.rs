//! The catalogue of connectors: what the steps of workflows can call, and what was refused when the
//! program began.

mod schema;

use askama::Template;
use automate_connectors::ConnectorRegistry;
use automate_connectors::base::TriggerKind;
use automate_core::actions::Catalog as _;
use automate_core::registry::Loaded;
use automate_core::status::Effect;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;

use super::confirm::takes_only;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::schema_form::pretty;
use crate::state::AdminState;
use schema::{Member, members};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/connectors/", get(list)).route("/admin/connectors/{key}/", get(show))
}

struct Entry {
    key: String,
    title: String,
    origin: String,
    actions: usize,
    triggers: usize,
    connects: bool,
}

struct RefusedEntry {
    kind: &'static str,
    key: String,
    origin: String,
    why: String,
}

struct LoadedEntry {
    kind: &'static str,
    key: String,
    origin: String,
}

#[derive(Template)]
#[template(path = "admin/connectors/list.html")]
struct CataloguePage {
    shell: Shell,
    rows: Vec<Entry>,
    refused: Vec<RefusedEntry>,
    /// What was loaded besides connectors.
    others: Vec<LoadedEntry>,
    q: String,
}

async fn list(cx: Cx) -> Reply {
    cx.require("connectors.view_connector")?;
    takes_only(&cx, &["q"])?;
    let parts = cx.state().parts();
    let registry = parts.connectors.as_ref();
    let q = cx.query().text("q").to_lowercase();
    let report = registry.load_report();
    let usable = report.entries.iter().filter(|loaded| loaded.kind == "connector" && loaded.refused.is_none());
    let rows = usable.map(|loaded| entry(registry, loaded)).filter(|entry| {
        let mut actions = registry.actions(&entry.key).into_iter();
        let fits = |text: &str| text.to_lowercase().contains(&q);
        fits(&entry.key) || fits(&entry.title) || actions.any(|action| fits(&action))
    });
    let reports = || report.entries.iter().chain(&parts.providers.load_report().entries);
    let refused = reports().filter_map(|loaded| {
        let why = loaded.refused.clone()?;
        Some(RefusedEntry { kind: loaded.kind, key: loaded.key.clone(), origin: loaded.origin.clone(), why })
    });
    let others = reports().filter(|loaded| loaded.kind != "connector" && loaded.refused.is_none());
    let others =
        others.map(|loaded| LoadedEntry { kind: loaded.kind, key: loaded.key.clone(), origin: loaded.origin.clone() });
    cx.page(&CataloguePage {
        shell: cx.shell("Connectors"),
        rows: rows.collect(),
        refused: refused.collect(),
        others: others.collect(),
        q: cx.query().text("q").to_owned(),
    })
}

fn entry(registry: &ConnectorRegistry, loaded: &Loaded) -> Entry {
    let title = registry.connector(&loaded.key).map(|connector| connector.display_name().to_owned());
    Entry {
        key: loaded.key.clone(),
        title: title.unwrap_or_default(),
        origin: loaded.origin.clone(),
        actions: registry.actions(&loaded.key).len(),
        triggers: registry.triggers(&loaded.key).len(),
        connects: registry.connection_spec(&loaded.key).is_some(),
    }
}

struct ActionShown {
    uses: String,
    title: String,
    effect: String,
    /// What the class means to whoever retries.
    means: &'static str,
    timeout: String,
    takes_connection: bool,
    input: Vec<Member>,
    output: Vec<Member>,
    input_schema: String,
    output_schema: String,
    example: String,
}

struct TriggerShown {
    name: String,
    title: String,
    kind: &'static str,
    verification: &'static str,
    payload: Vec<Member>,
    payload_schema: String,
}

struct FieldShown {
    name: &'static str,
    title: &'static str,
    secret: bool,
    required: bool,
}

#[derive(Template)]
#[template(path = "admin/connectors/show.html")]
struct ConnectorPage {
    shell: Shell,
    key: String,
    origin: String,
    /// Why it cannot be used; empty where it can.
    refused: String,
    fields: Vec<FieldShown>,
    uses_default: bool,
    actions: Vec<ActionShown>,
    triggers: Vec<TriggerShown>,
    may_add: bool,
}

const fn means(effect: Effect) -> &'static str {
    match effect {
        Effect::Pure => "changes nothing outside; repeated freely",
        Effect::Idempotent => "may be repeated: the other side recognises it by its key",
        Effect::Once => "is never repeated by itself; after a crash somebody decides",
    }
}

async fn show(cx: Cx, Path(key): Path<String>) -> Reply {
    cx.require("connectors.view_connector")?;
    takes_only(&cx, &[])?;
    let registry = cx.state().parts().connectors.as_ref();
    let entries = registry.load_report().entries.iter();
    let mut found: Vec<&Loaded> = entries.filter(|loaded| loaded.kind == "connector" && loaded.key == key).collect();
    // Of two with one key, the one that is used.
    found.sort_by_key(|loaded| loaded.refused.is_some());
    let Some(loaded) = found.first() else { return Err(AdminError::NotFound) };
    let usable = loaded.refused.is_none();
    let title = registry.connector(&key).filter(|_| usable).map(|connector| connector.display_name().to_owned());
    let names = if usable { registry.actions(&key) } else { Vec::new() };
    let action = |name: &String| {
        let meta = registry.action(&format!("{key}.{name}"))?;
        Some(ActionShown {
            title: meta.title.clone(),
            effect: meta.effect.to_string(),
            means: means(meta.effect),
            timeout: meta.timeout.map(|timeout| format!("{} s", timeout.as_secs_f64())).unwrap_or_default(),
            takes_connection: meta.takes_connection,
            input: members(&meta.input_schema),
            output: members(&meta.output_schema),
            input_schema: pretty(&meta.input_schema),
            output_schema: pretty(&meta.output_schema),
            example: registry.example(&meta.uses).map(pretty).unwrap_or_default(),
            uses: meta.uses.clone(),
        })
    };
    let triggers = registry.triggers(&key).iter().filter(|_| usable).map(|trigger| TriggerShown {
        name: trigger.name.clone(),
        title: trigger.title.clone(),
        kind: match trigger.kind {
            TriggerKind::Webhook => "webhook",
            TriggerKind::Polling => "polling",
        },
        verification: trigger.verification.map(|scheme| scheme.as_str()).unwrap_or_default(),
        payload: members(&trigger.payload_schema),
        payload_schema: pretty(&trigger.payload_schema),
    });
    let spec = registry.connection_spec(&key).filter(|_| usable);
    let fields = spec.into_iter().flat_map(|spec| &spec.fields).map(|field| FieldShown {
        name: field.name,
        title: field.title,
        secret: field.secret,
        required: field.required,
    });
    cx.page(&ConnectorPage {
        shell: cx.shell(title.unwrap_or_else(|| key.clone())).crumb("Connectors", "/admin/connectors/"),
        origin: loaded.origin.clone(),
        refused: loaded.refused.clone().unwrap_or_default(),
        fields: fields.collect(),
        uses_default: spec.is_some_and(|spec| spec.uses_default),
        actions: names.iter().filter_map(action).collect(),
        triggers: triggers.collect(),
        may_add: spec.is_some() && cx.can("connectors.add_connection"),
        key,
    })
}
