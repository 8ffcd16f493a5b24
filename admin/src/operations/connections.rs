//! Connections: named credentials of connectors, for steps to use.

mod changing;
mod form;

use askama::Template;
use automate_connectors::base::{ConnectionSpec, Health};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_governance::models::CONNECTIONS;
use automate_store::resource::{Comparison, ListQuery, Row, Selection, exact_id};
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::confirm::takes_only;
use super::referring::{self, Referring};
use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply, Shell};
use crate::state::AdminState;

pub(super) use changing::secret_error;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/connections/", get(list))
        .route("/admin/connections/new/", get(changing::ask_new).post(changing::create))
        .route("/admin/connections/{id}/", get(show))
        .route("/admin/connections/{id}/change/", get(changing::ask_change).post(changing::change))
        .route("/admin/connections/{id}/delete/", get(changing::ask_delete).post(changing::delete))
        .route("/admin/connections/{id}/test/", post(test))
}

/// A connection as pages show it.
struct Shown {
    id: String,
    name: String,
    connector: String,
    updated: Option<DateTime<Utc>>,
    fields: Map<String, Value>,
    version: Option<i64>,
}

impl Shown {
    fn of(fields: &Map<String, Value>, version: Option<i64>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            name: text("name"),
            connector: text("connector"),
            updated: DateTime::parse_from_rfc3339(&text("updated_at")).ok().map(|at| at.with_timezone(&Utc)),
            fields: fields.get("fields").and_then(Value::as_object).cloned().unwrap_or_default(),
            version,
        }
    }

    fn url(&self) -> String {
        format!("/admin/connections/{}/", self.id)
    }

    fn spec<'c>(&self, cx: &'c Cx) -> Option<&'c ConnectionSpec> {
        cx.state().parts().connectors.connection_spec(&self.connector)
    }
}

async fn found(cx: &Cx, id: &str) -> Result<Shown, AdminError> {
    let id = exact_id(id).ok_or(AdminError::NotFound)?;
    let row: Row = cx.state().resources().get(&CONNECTIONS, &cx.writer(), id, &Selection::default()).await?;
    Ok(Shown::of(&row.fields, row.version))
}

#[derive(Template)]
#[template(path = "admin/connections/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Shown>,
    q: String,
    connector: String,
    next: String,
    previous: String,
    may_add: bool,
}

async fn list(cx: Cx) -> Reply {
    cx.require("connectors.view_connection")?;
    takes_only(&cx, &["q", "connector", "cursor"])?;
    let text = |name: &str| cx.query().text(name).to_owned();
    let (q, connector, cursor) = (text("q"), text("connector"), text("cursor"));
    let mut query = ListQuery {
        search: Some(q.clone()).filter(|q| !q.is_empty()),
        cursor: Some(cursor).filter(|cursor| !cursor.is_empty()),
        ..ListQuery::default()
    };
    if !connector.is_empty() {
        query = query.filter("connector", Comparison::Equal, vec![json!(connector)]);
    }
    let page = cx.state().resources().list(&CONNECTIONS, &cx.writer(), &query).await?;
    let link = |cursor: Option<String>| {
        let to = |cursor| format!("/admin/connections/{}", cx.query().with("cursor", cursor).to_query());
        cursor.map(to).unwrap_or_default()
    };
    cx.page(&ListPage {
        shell: cx.shell("Connections"),
        next: link(page.next.clone()),
        previous: link(page.previous.clone()),
        rows: page.results.iter().map(|row| Shown::of(row, None)).collect(),
        q,
        connector,
        may_add: cx.can("connectors.add_connection"),
    })
}

struct FieldRow {
    name: String,
    title: String,
    /// The reference, or the value of what is no secret.
    value: String,
    secret: bool,
    /// The page of the secret that it names; empty where there is none to see.
    secret_url: String,
}

#[derive(Template)]
#[template(path = "admin/connections/show.html")]
struct ShowPage {
    shell: Shell,
    one: Shown,
    fields: Vec<FieldRow>,
    used: Referring,
    connector_known: bool,
    may_change: bool,
    may_delete: bool,
    may_test: bool,
}

async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("connectors.view_connection")?;
    takes_only(&cx, &[])?;
    let one = found(&cx, &id).await?;
    let used = referring::to_connection(&cx, &one.connector, &one.name).await?;
    let spec = one.spec(&cx);
    let sees_secrets = cx.can("secret.reveal_metadata") && cx.can("secrets.view_secret");
    let field = |(name, value): (&String, &Value)| {
        let known = spec.and_then(|spec| spec.fields.iter().find(|field| field.name == name));
        let value = value.as_str().unwrap_or_default();
        let reference = value.strip_prefix(referring::REFERENCE);
        let key = reference.and_then(automate_core::secrets::SecretRef::read).map(|reference| reference.key.to_owned());
        FieldRow {
            name: name.clone(),
            title: known.map(|field| field.title.to_owned()).unwrap_or_default(),
            secret: known.is_some_and(|field| field.secret) || reference.is_some(),
            // A field that became secret after it was stored is not shown either.
            value: match (known.is_some_and(|field| field.secret), reference) {
                (true, None) => "set".to_owned(),
                _ => value.to_owned(),
            },
            secret_url: key
                .filter(|_| sees_secrets)
                .map(|key| format!("/admin/secrets/key/{key}/"))
                .unwrap_or_default(),
        }
    };
    let fields = one.fields.iter().map(field).collect();
    cx.page(&ShowPage {
        shell: cx.shell(&one.name).crumb("Connections", "/admin/connections/"),
        fields,
        used,
        connector_known: spec.is_some(),
        may_change: spec.is_some() && cx.can("connectors.change_connection"),
        may_delete: cx.can("connectors.delete_connection"),
        may_test: spec.is_some() && cx.can("connection.test"),
        one,
    })
}

async fn test(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("connection.test")?;
    let one = found(&cx, &id).await?;
    let tenant: TenantId = cx.tenant()?;
    let entry = cx.entry("connection.test").about("connection", &one.id).with(json!({ "name": one.name }));
    cx.state().audit().record(vec![entry]).await?;
    let connectors = &cx.state().parts().connectors;
    let correlation = &cx.origin().correlation_id;
    let outcome =
        connectors.test_connection(tenant, &one.connector, &one.name, correlation, limits::CONNECTION_TEST).await;
    let flash = match outcome {
        Ok(Health::Ok) => Flash::success(format!("“{}” works: the other side answered.", one.name)),
        Ok(Health::Unknown) => {
            Flash::info(format!("All fields of “{}” are there; more the connector cannot try.", one.name))
        }
        Ok(Health::Failing { reason }) => Flash::error(format!("“{}” does not work: {reason}", one.name)),
        Err(error) => Flash::error(format!("“{}” does not work: {error}", one.name)),
    };
    cx.done(&one.url(), flash)
}
