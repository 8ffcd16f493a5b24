//! Secrets: values go in and never come out.

mod changing;

use askama::Template;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::{BackendHealth, Purpose, SecretError, SecretResolver as _, is_valid_key};
use automate_core::store::StoreError;
use automate_governance::models::SECRETS;
use automate_governance::secrets::DatabaseBackend;
use automate_store::resource::ListQuery;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::confirm::takes_only;
use super::referring::{self, Referring};
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

/// The permission to see that secrets are there.
const NAMES: &str = "secret.reveal_metadata";
/// Versions that the page of a secret shows.
const VERSIONS: usize = 20;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/secrets/", get(list))
        .route("/admin/secrets/new/", get(changing::ask_new).post(changing::create))
        .route("/admin/secrets/key/{key}/", get(show))
        .route("/admin/secrets/key/{key}/set/", get(changing::ask_set).post(changing::set))
        .route("/admin/secrets/key/{key}/delete/", get(changing::ask_delete).post(changing::delete))
}

fn url_of(key: &str) -> String {
    format!("/admin/secrets/key/{key}/")
}

struct SecretRow {
    key: String,
    version: String,
    updated: Option<DateTime<Utc>>,
}

struct BackendRow {
    name: String,
    state: &'static str,
    found: String,
    advice: String,
}

#[derive(Template)]
#[template(path = "admin/secrets/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<SecretRow>,
    backends: Vec<BackendRow>,
    q: String,
    next: String,
    previous: String,
    may_add: bool,
}

async fn list(cx: Cx) -> Reply {
    cx.require("secrets.view_secret")?;
    cx.require(NAMES)?;
    takes_only(&cx, &["q", "cursor"])?;
    let text = |name: &str| cx.query().text(name).to_owned();
    let (q, cursor) = (text("q"), text("cursor"));
    let query = ListQuery {
        search: Some(q.clone()).filter(|q| !q.is_empty()),
        cursor: Some(cursor).filter(|cursor| !cursor.is_empty()),
        ..ListQuery::default()
    };
    let page = cx.state().resources().list(&SECRETS, &cx.writer(), &query).await?;
    let id = |row: &Map<String, Value>| row.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
    let ids = page.results.iter().filter_map(id).collect();
    let parts = cx.state().parts();
    let newest =
        parts.secrets.newest(cx.tenant()?, ids).await.map_err(|error| AdminError::Internal(error.to_string()))?;
    let row = |row: &Map<String, Value>| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        SecretRow {
            key: text("key").to_owned(),
            version: id(row).and_then(|id| newest.get(&id)).map(ToString::to_string).unwrap_or_default(),
            updated: DateTime::parse_from_rfc3339(text("updated_at")).ok().map(|at| at.with_timezone(&Utc)),
        }
    };
    let backend = |(name, health): (String, BackendHealth)| {
        let (state, found, advice) = match health {
            BackendHealth::Ok(found) => ("ok", found, String::new()),
            BackendHealth::Warn(found, advice) => ("waiting", found, advice),
            BackendHealth::Fail(found, advice) => ("failed", found, advice),
        };
        BackendRow { name, state, found, advice }
    };
    let link = |cursor: Option<String>| {
        let to = |cursor| format!("/admin/secrets/{}", cx.query().with("cursor", cursor).to_query());
        cursor.map(to).unwrap_or_default()
    };
    cx.page(&ListPage {
        shell: cx.shell("Secrets"),
        rows: page.results.iter().map(row).collect(),
        backends: parts.secret_chain.health().await.into_iter().map(backend).collect(),
        next: link(page.next.clone()),
        previous: link(page.previous.clone()),
        q,
        may_add: cx.can("secrets.add_secret"),
    })
}

struct VersionRow {
    version: i32,
    key_id: String,
    created: DateTime<Utc>,
}

/// What one backend of the chain says of a key.
struct Answer {
    backend: String,
    state: &'static str,
    said: String,
}

#[derive(Template)]
#[template(path = "admin/secrets/show.html")]
struct ShowPage {
    shell: Shell,
    key: String,
    /// It is stored in the database, where it can be changed.
    stored: bool,
    updated: Option<DateTime<Utc>>,
    versions: Vec<VersionRow>,
    more_versions: usize,
    answers: Vec<Answer>,
    /// The backend whose value workflows get; empty where none has one.
    resolves: String,
    used: Referring,
    may_set: bool,
    may_delete: bool,
}

/// The stored secret of a key, where there is one.
type Stored =
    Option<(automate_governance::secrets::entity::secret::Model, Vec<automate_governance::secrets::SecretVersion>)>;

async fn described(cx: &Cx, key: &str) -> Result<Stored, AdminError> {
    let (tenant, key) = (cx.tenant()?, key.to_owned());
    let work = move |db: automate_store::db::Database| async move {
        Ok::<_, StoreError>(DatabaseBackend::describe(db.orm_reader(), tenant, &key).await)
    };
    let found = cx.state().database().run(work).await?;
    found.map_err(|error| AdminError::Internal(error.to_string()))
}

async fn show(cx: Cx, Path(key): Path<String>) -> Reply {
    cx.require("secrets.view_secret")?;
    cx.require(NAMES)?;
    takes_only(&cx, &[])?;
    if !is_valid_key(&key) {
        return Err(AdminError::NotFound);
    }
    let stored = described(&cx, &key).await?;
    let answers = answers(&cx, cx.tenant()?, &key).await;
    let found = answers.iter().find(|answer| answer.state != "skipped");
    let resolves = found.filter(|answer| answer.state == "ok").map(|answer| answer.backend.clone());
    let used = referring::to_secret(&cx, &key).await?;
    if stored.is_none() && resolves.is_none() && used.is_empty() && found.is_none() {
        return Err(AdminError::NotFound);
    }
    let (updated, versions) = stored.map_or((None, Vec::new()), |(row, versions)| (Some(row.updated_at), versions));
    let more_versions = versions.len().saturating_sub(VERSIONS);
    let version = |one: automate_governance::secrets::SecretVersion| VersionRow {
        version: one.version,
        key_id: one.key_id,
        created: one.created_at,
    };
    cx.page(&ShowPage {
        shell: cx.shell(&key).crumb("Secrets", "/admin/secrets/"),
        stored: updated.is_some(),
        updated,
        versions: versions.into_iter().take(VERSIONS).map(version).collect(),
        more_versions,
        answers,
        resolves: resolves.unwrap_or_default(),
        used,
        may_set: if updated.is_some() { cx.can("secrets.change_secret") } else { cx.can("secrets.add_secret") },
        may_delete: updated.is_some() && cx.can("secrets.delete_secret"),
        key,
    })
}

/// Asks each backend of the chain in its order, up to the first that has the key or fails: as a
/// workflow would. What they answer is dropped at once.
async fn answers(cx: &Cx, tenant: TenantId, key: &str) -> Vec<Answer> {
    let (chain, purpose) = (&cx.state().parts().secret_chain, Purpose::Check);
    let mut answers = Vec::new();
    let mut ended = false;
    for backend in chain.backends() {
        if ended {
            answers.push(Answer { backend, state: "skipped", said: "not asked: one before it answered".to_owned() });
            continue;
        }
        let reference = format!("{backend}/{key}");
        let asked = chain.resolve_for(tenant, &reference, &purpose);
        let (state, said) = match tokio::time::timeout(limits::DATABASE_TIMEOUT, asked).await {
            Ok(Ok(_)) => ("ok", "has a value".to_owned()),
            Ok(Err(SecretError::NotFound { .. })) => ("skipped", "does not have it".to_owned()),
            Ok(Err(error)) => ("failed", error.to_string()),
            Err(_) => ("failed", "did not answer in time".to_owned()),
        };
        ended = state != "skipped";
        answers.push(Answer { backend, state, said });
    }
    answers
}
