//! Setting and deleting secrets.

use askama::Template;
use automate_core::limits;
use automate_core::secrets::{SecretValue, is_valid_key};
use automate_governance::secrets::{SecretStoreError, SecretWrite};
use axum::extract::Path;
use http::StatusCode;

use super::{described, url_of};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::operations::confirm::{Confirm, takes_only};
use crate::operations::connections::secret_error;
use crate::operations::referring;
use crate::operations::words::many;

/// The form. What was typed as a value is never in it.
#[derive(Template)]
#[template(path = "admin/secrets/form.html")]
struct FormPage {
    shell: Shell,
    /// The key that is typed in; none where it is given.
    key: Option<String>,
    cancel: String,
    note: String,
    errors: FieldErrors,
}

impl FormPage {
    fn show(self, cx: &Cx) -> Reply {
        let status = if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        cx.page_with(status, &self)
    }
}

/// Stores a value, in one transaction with its entry in the audit log. Answers with the version.
async fn store(cx: &Cx, key: &str, value: &SecretValue, deed: SecretWrite) -> Result<i32, Refused> {
    let (state, writer) = (cx.state(), cx.writer());
    let tenant = cx.tenant().map_err(Refused::Page)?;
    let secrets = &state.parts().secrets;
    let stored = secrets.write_on_record(state.database(), state.audit(), &writer, tenant, key, value, deed).await;
    stored.map_err(Refused::Secret)
}

/// Why a value was not stored.
enum Refused {
    Secret(SecretStoreError),
    Page(AdminError),
}

impl From<Refused> for AdminError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Secret(error) => secret_error(error),
            Refused::Page(error) => error,
        }
    }
}

/// The value that was typed in; what is wrong with it otherwise, which never repeats it.
fn value_of(fields: &Fields) -> Result<SecretValue, String> {
    let value = fields.get("value").unwrap_or_default();
    if value.is_empty() {
        return Err("is needed".to_owned());
    }
    if value.len() > limits::SECRET_BYTES {
        return Err(format!("must be at most {} bytes", limits::SECRET_BYTES));
    }
    Ok(SecretValue::new(value.to_owned()))
}

fn new_page(cx: &Cx, key: &str, errors: FieldErrors) -> FormPage {
    FormPage {
        shell: cx.shell("Add a secret").crumb("Secrets", "/admin/secrets/").refused(!errors.is_empty()),
        key: Some(key.to_owned()),
        cancel: "/admin/secrets/".to_owned(),
        note: String::new(),
        errors,
    }
}

pub(in crate::operations) async fn ask_new(cx: Cx) -> Reply {
    cx.require("secrets.add_secret")?;
    takes_only(&cx, &["key"])?;
    new_page(&cx, cx.query().text("key"), FieldErrors::default()).show(&cx)
}

pub(in crate::operations) async fn create(cx: Cx, fields: Fields) -> Reply {
    cx.require("secrets.add_secret")?;
    let key = fields.text("key").to_owned();
    let mut errors = FieldErrors::default();
    if !is_valid_key(&key) {
        errors.add_named("key", "must be 1 to 128 letters, digits, “_”, “-” and “.”, and not of dots alone");
    }
    let value = value_of(&fields).map_err(|message| errors.add_named("value", message));
    let (Ok(value), true) = (value, errors.is_empty()) else { return new_page(&cx, &key, errors).show(&cx) };
    match store(&cx, &key, &value, SecretWrite::Create).await {
        Ok(_) if cx.can(super::NAMES) && cx.can("secrets.view_secret") => {
            cx.done(&url_of(&key), Flash::success(format!("The secret {key} was stored.")))
        }
        Ok(_) => cx.done("/admin/", Flash::success(format!("The secret {key} was stored."))),
        Err(Refused::Secret(SecretStoreError::Exists(_))) => {
            errors.add_named("key", "is taken: set a new version of that secret instead");
            new_page(&cx, &key, errors).show(&cx)
        }
        Err(error) => Err(error.into()),
    }
}

/// The form for a key, and whether it is stored already.
async fn set_page(cx: &Cx, key: &str, errors: FieldErrors) -> Result<(FormPage, bool), AdminError> {
    if !is_valid_key(key) {
        return Err(AdminError::NotFound);
    }
    let stored = described(cx, key).await?.is_some();
    cx.require(if stored { "secrets.change_secret" } else { "secrets.add_secret" })?;
    let note = if stored {
        "It becomes the newest version. Attempts that run go on with the version that they began with."
    } else {
        "It is stored in the database under this key for the first time."
    };
    let title = format!("Set {key}");
    let page = FormPage {
        shell: cx.shell(title).crumb("Secrets", "/admin/secrets/").crumb(key, url_of(key)).refused(!errors.is_empty()),
        key: None,
        cancel: url_of(key),
        note: note.to_owned(),
        errors,
    };
    Ok((page, stored))
}

pub(in crate::operations) async fn ask_set(cx: Cx, Path(key): Path<String>) -> Reply {
    cx.require(super::NAMES)?;
    takes_only(&cx, &[])?;
    set_page(&cx, &key, FieldErrors::default()).await?.0.show(&cx)
}

pub(in crate::operations) async fn set(cx: Cx, Path(key): Path<String>, fields: Fields) -> Reply {
    cx.require(super::NAMES)?;
    let mut errors = FieldErrors::default();
    let (_, stored) = set_page(&cx, &key, FieldErrors::default()).await?;
    let value = match value_of(&fields) {
        Ok(value) => value,
        Err(message) => {
            errors.add_named("value", message);
            return set_page(&cx, &key, errors).await?.0.show(&cx);
        }
    };
    let write = if stored { SecretWrite::Rotate } else { SecretWrite::Create };
    let version = store(&cx, &key, &value, write).await?;
    let said = format!("The secret {key} has a new value: version {version}.");
    cx.done(&url_of(&key), Flash::success(said))
}

pub(in crate::operations) async fn ask_delete(cx: Cx, Path(key): Path<String>) -> Reply {
    cx.require(super::NAMES)?;
    cx.require("secrets.delete_secret")?;
    let (_, versions) = described(&cx, &key).await?.ok_or(AdminError::NotFound)?;
    let used = referring::to_secret(&cx, &key).await?;
    let shell = cx.shell("Delete a secret").crumb("Secrets", "/admin/secrets/").crumb(&key, url_of(&key));
    let page = Confirm::new(shell, "Delete", url_of(&key)).danger().says(format!(
        "The secret {key} is deleted with its {}. Nothing brings it back.",
        many(versions.len(), "version")
    ));
    let page = match used.is_empty() {
        true if used.cut => page.says("Nothing of what was looked through names it."),
        true => page.says("No live workflow and no connection names it."),
        false => page.says(format!("Named by {}: steps that need it will fail.", used.told())),
    };
    page.show(&cx)
}

pub(in crate::operations) async fn delete(cx: Cx, Path(key): Path<String>) -> Reply {
    cx.require(super::NAMES)?;
    cx.require("secrets.delete_secret")?;
    let (state, writer) = (cx.state(), cx.writer());
    let secrets = &state.parts().secrets;
    let deleted = secrets.delete_on_record(state.database(), state.audit(), &writer, cx.tenant()?, &key).await;
    if !deleted.map_err(secret_error)? {
        return Err(AdminError::NotFound);
    }
    cx.done("/admin/secrets/", Flash::success(format!("The secret {key} was deleted.")))
}
