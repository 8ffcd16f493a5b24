//! Adding, changing and deleting connections.

use automate_core::store::StoreError;
use automate_governance::connections::{ChangeError, CheckedFields, ConnectionChange, check_fields, check_name};
use automate_governance::models::CONNECTIONS;
use automate_governance::secrets::{DatabaseBackend, SecretStoreError};
use automate_store::db::Database;
use automate_store::error::store_error;
use automate_store::resource::{FieldProblem, ResourceError, Resources, Row, Writer};
use axum::extract::Path;
use sea_orm::DatabaseTransaction;
use serde_json::Map;
use uuid::Uuid;

use super::form::{FormPage, fields, given, keys, may_store, told};
use super::{Shown, found};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply};
use crate::operations::confirm::{Confirm, takes_only};
use crate::operations::referring;

/// Why a secret was not stored: what the form is told, or a page of its own.
pub(in crate::operations) fn secret_error(error: SecretStoreError) -> AdminError {
    use SecretStoreError as S;
    match error {
        S::NotFound(_) => AdminError::NotFound,
        error @ (S::Exists(_) | S::TooMany) => AdminError::Conflict(error.to_string()),
        error @ (S::Key(_) | S::Empty(_) | S::TooLarge(_)) => AdminError::Form(error.to_string()),
        // Names only; the log gets it with the page's error.
        error => AdminError::Internal(format!("a secret could not be stored: {error}")),
    }
}

fn change_error(error: ChangeError) -> AdminError {
    match error {
        ChangeError::Resource(error) => error.into(),
        ChangeError::Secret(error) => secret_error(error),
    }
}

/// What happens to a connection.
enum Deed {
    Create { connector: String, name: String, checked: CheckedFields },
    Update { id: Uuid, version: Option<i64>, checked: CheckedFields },
    Delete { id: Uuid },
}

/// Does it in one transaction, in a task of its own: after an error nothing of it is stored.
async fn carry_out(cx: &Cx, deed: Deed) -> Result<Option<Row>, ChangeError> {
    let parts = cx.state().parts();
    let (resources, secrets, writer) = (parts.resources.clone(), parts.secrets.clone(), cx.writer());
    let work = move |db: Database| async move {
        let txn = db.begin().await?;
        match in_transaction(&txn, &resources, &secrets, &writer, deed).await {
            Ok(row) => {
                txn.commit().await.map_err(store_error)?;
                Ok::<_, StoreError>(Ok(row))
            }
            Err(error) => Ok(Err(error)),
        }
    };
    let done = cx.state().database().run(work).await?;
    if let Some(tenant) = cx.principal().tenant {
        parts.connections.forget(tenant);
    }
    parts.secrets.changed();
    done
}

async fn in_transaction(
    txn: &DatabaseTransaction,
    resources: &Resources,
    secrets: &DatabaseBackend,
    writer: &Writer,
    deed: Deed,
) -> Result<Option<Row>, ChangeError> {
    let change = ConnectionChange { txn, resources, secrets, writer };
    match deed {
        Deed::Create { connector, name, checked } => change.create(&connector, &name, &checked).await.map(Some),
        Deed::Update { id, version, checked } => {
            let old = resources.get_in(txn, &CONNECTIONS, writer, id).await?;
            match (version, old.version) {
                (Some(read), Some(current)) if read != current => Err(ResourceError::Changed { current }.into()),
                _ => change.update(&old, Some(&checked)).await.map(Some),
            }
        }
        Deed::Delete { id } => {
            let old = resources.get_in(txn, &CONNECTIONS, writer, id).await?;
            change.delete(&old).await.map(|()| None)
        }
    }
}

/// The fields that were typed, checked; or what is wrong with them.
fn checked(
    cx: &Cx,
    connector: &str,
    name: &str,
    stored: &Map<String, serde_json::Value>,
    typed: &Fields,
) -> Result<Result<CheckedFields, Vec<FieldProblem>>, AdminError> {
    let Some(spec) = cx.state().parts().connectors.connection_spec(connector) else {
        let problem = FieldProblem::new("connector", "UNKNOWN_CONNECTOR", "takes no connections");
        return Ok(Err(vec![problem]));
    };
    let checked = check_fields(spec, name, &given(spec, stored, typed));
    if checked.as_ref().is_ok_and(|checked| !checked.secrets.is_empty()) {
        cx.require("secrets.add_secret")?;
        cx.require("secrets.change_secret")?;
    }
    Ok(checked)
}

async fn new_page(
    cx: &Cx,
    connector: &str,
    typed: Option<&Fields>,
    errors: FieldErrors,
) -> Result<FormPage, AdminError> {
    let spec = cx.state().parts().connectors.connection_spec(connector).ok_or(AdminError::NotFound)?;
    let shell = cx.shell(format!("Add a connection of {connector}")).crumb("Connections", "/admin/connections/");
    Ok(FormPage {
        shell: shell.refused(!errors.is_empty()),
        name: Some(typed.map_or("", |typed| typed.text("name")).to_owned()),
        connector: connector.to_owned(),
        fields: fields(spec, &Map::new(), typed),
        keys: keys(cx).await?,
        version: String::new(),
        cancel: "/admin/connections/".to_owned(),
        may_store: may_store(cx),
        errors,
    })
}

#[derive(askama::Template)]
#[template(path = "admin/connections/choose.html")]
struct ChoosePage {
    shell: crate::http::Shell,
    /// `(key, title)`.
    connectors: Vec<(String, String)>,
}

pub(in crate::operations) async fn ask_new(cx: Cx) -> Reply {
    cx.require("connectors.add_connection")?;
    takes_only(&cx, &["connector"])?;
    let connector = cx.query().text("connector");
    if !connector.is_empty() {
        return new_page(&cx, connector, None, FieldErrors::default()).await?.show(&cx);
    }
    let registry = &cx.state().parts().connectors;
    let keys = automate_core::actions::Catalog::connectors(registry.as_ref());
    let takes = keys.into_iter().filter(|key| registry.connection_spec(key).is_some());
    let titled = takes.map(|key| {
        let title = registry.connector(&key).map(|connector| connector.display_name().to_owned());
        (key.clone(), title.unwrap_or(key))
    });
    let connectors = titled.collect();
    let shell = cx.shell("Add a connection").crumb("Connections", "/admin/connections/");
    cx.page(&ChoosePage { shell, connectors })
}

pub(in crate::operations) async fn create(cx: Cx, typed: Fields) -> Reply {
    cx.require("connectors.add_connection")?;
    let (connector, name) = (typed.text("connector").to_owned(), typed.text("name").to_owned());
    let mut errors = FieldErrors::default();
    if let Err(problem) = check_name(&name) {
        errors.add_named("name", problem.message);
    }
    let checked = match checked(&cx, &connector, &name, &Map::new(), &typed)? {
        Ok(checked) => checked,
        Err(problems) => {
            told(&problems, &mut errors);
            return new_page(&cx, &connector, Some(&typed), errors).await?.show(&cx);
        }
    };
    if !errors.is_empty() {
        return new_page(&cx, &connector, Some(&typed), errors).await?.show(&cx);
    }
    let deed = Deed::Create { connector: connector.clone(), name: name.clone(), checked };
    match carry_out(&cx, deed).await {
        Ok(row) => {
            let url = row.map(|row| Shown::of(&row.fields, row.version).url());
            let url = url.unwrap_or_else(|| "/admin/connections/".to_owned());
            cx.done(&url, Flash::success(format!("The connection “{name}” was added.")))
        }
        Err(ChangeError::Resource(ResourceError::Conflict(_))) => {
            errors.add_named("name", "is taken by another connection");
            new_page(&cx, &connector, Some(&typed), errors).await?.show(&cx)
        }
        Err(ChangeError::Resource(ResourceError::Invalid(problems))) => {
            told(&problems, &mut errors);
            new_page(&cx, &connector, Some(&typed), errors).await?.show(&cx)
        }
        Err(error) => Err(change_error(error)),
    }
}

async fn change_page(
    cx: &Cx,
    one: &Shown,
    typed: Option<&Fields>,
    errors: FieldErrors,
) -> Result<FormPage, AdminError> {
    let spec = one.spec(cx).ok_or_else(|| {
        AdminError::Conflict(format!("the connector {} takes no connections in this program", one.connector))
    })?;
    let shell = cx.shell(format!("Change {}", one.name)).crumb("Connections", "/admin/connections/");
    Ok(FormPage {
        shell: shell.crumb(&one.name, one.url()).refused(!errors.is_empty()),
        name: None,
        connector: one.connector.clone(),
        fields: fields(spec, &one.fields, typed),
        keys: keys(cx).await?,
        version: one.version.map(|version| version.to_string()).unwrap_or_default(),
        cancel: one.url(),
        may_store: may_store(cx),
        errors,
    })
}

pub(in crate::operations) async fn ask_change(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("connectors.change_connection")?;
    let one = found(&cx, &id).await?;
    change_page(&cx, &one, None, FieldErrors::default()).await?.show(&cx)
}

pub(in crate::operations) async fn change(cx: Cx, Path(id): Path<String>, typed: Fields) -> Reply {
    cx.require("connectors.change_connection")?;
    let one = found(&cx, &id).await?;
    let mut errors = FieldErrors::default();
    let checked = match checked(&cx, &one.connector, &one.name, &one.fields, &typed)? {
        Ok(checked) => checked,
        Err(problems) => {
            told(&problems, &mut errors);
            return change_page(&cx, &one, Some(&typed), errors).await?.show(&cx);
        }
    };
    let version = match typed.text("version") {
        "" => None,
        text => Some(text.parse().map_err(|_| AdminError::Form("its version is no number".to_owned()))?),
    };
    let row_id = automate_store::resource::exact_id(&one.id).ok_or(AdminError::NotFound)?;
    match carry_out(&cx, Deed::Update { id: row_id, version, checked }).await {
        Ok(_) => cx.done(&one.url(), Flash::success(format!("The connection “{}” was changed.", one.name))),
        Err(ChangeError::Resource(ResourceError::Changed { .. })) => {
            errors.add_form(
                "Somebody else has changed it meanwhile. The fields below are yours; send them again to keep them.",
            );
            change_page(&cx, &one, Some(&typed), errors).await?.show(&cx)
        }
        Err(error) => Err(change_error(error)),
    }
}

pub(in crate::operations) async fn ask_delete(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("connectors.delete_connection")?;
    let one = found(&cx, &id).await?;
    let used = referring::to_connection(&cx, &one.connector, &one.name).await?;
    let shell = cx.shell("Delete a connection").crumb("Connections", "/admin/connections/").crumb(&one.name, one.url());
    let page = Confirm::new(shell, "Delete", one.url()).danger().says(format!(
        "The connection “{}” of {} is deleted, with the secrets that were stored for it alone.",
        one.name, one.connector
    ));
    let page = match (used.is_empty(), used.cut) {
        (true, false) => page.says("No live workflow names it."),
        (true, true) => page.says("No live workflow of those that were looked through names it."),
        (false, _) => page.says(format!("Named by {}: steps that use it will fail.", used.told())),
    };
    page.show(&cx)
}

pub(in crate::operations) async fn delete(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("connectors.delete_connection")?;
    let one = found(&cx, &id).await?;
    let row_id = automate_store::resource::exact_id(&one.id).ok_or(AdminError::NotFound)?;
    carry_out(&cx, Deed::Delete { id: row_id }).await.map_err(change_error)?;
    cx.done("/admin/connections/", Flash::success(format!("The connection “{}” was deleted.", one.name)))
}
