//! The form of a connection, made of the fields that its connector has.

use std::collections::BTreeMap;

use askama::Template;
use automate_connectors::base::ConnectionSpec;
use automate_governance::models::SECRETS;
use automate_store::resource::{FieldProblem, ListQuery};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::operations::referring::REFERENCE;

/// A field of the form. What was typed as a secret's value is never in it.
pub(super) struct FormField {
    /// Its name in the form: `field-token`.
    pub(super) name: String,
    pub(super) title: &'static str,
    pub(super) secret: bool,
    pub(super) required: bool,
    /// What it holds; of a secret, the key that it names.
    pub(super) value: String,
    /// It has a value that can be kept as it is.
    pub(super) kept: bool,
}

/// The form's page.
#[derive(Template)]
#[template(path = "admin/connections/form.html")]
pub(super) struct FormPage {
    pub(super) shell: Shell,
    /// What the connection is to be called; none where it exists and keeps its name.
    pub(super) name: Option<String>,
    pub(super) connector: String,
    pub(super) fields: Vec<FormField>,
    /// Keys of stored secrets, as far as they may be seen.
    pub(super) keys: Vec<String>,
    pub(super) version: String,
    pub(super) cancel: String,
    pub(super) may_store: bool,
    pub(super) errors: FieldErrors,
}

impl FormPage {
    pub(super) fn show(self, cx: &Cx) -> Reply {
        let status = if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        cx.page_with(status, &self)
    }
}

/// Whether values of secrets may be typed in.
pub(super) fn may_store(cx: &Cx) -> bool {
    cx.can("secrets.add_secret") && cx.can("secrets.change_secret")
}

/// Keys of stored secrets to choose from; none for who may not see them.
pub(super) async fn keys(cx: &Cx) -> Result<Vec<String>, AdminError> {
    if !cx.can("secret.reveal_metadata") {
        return Ok(Vec::new());
    }
    let query = ListQuery { fields: vec!["key"], limit: automate_core::limits::LIST_LIMIT_MAX, ..ListQuery::default() };
    let page = cx.state().resources().list(&SECRETS, &cx.writer(), &query).await?;
    let key = |row: &Map<String, Value>| row.get("key").and_then(Value::as_str).map(str::to_owned);
    Ok(page.results.iter().filter_map(key).collect())
}

/// The name of a field in the form.
fn name_of(field: &str) -> String {
    format!("field-{field}")
}

/// The fields of the form: with what was typed, or with what is stored.
pub(super) fn fields(spec: &ConnectionSpec, stored: &Map<String, Value>, typed: Option<&Fields>) -> Vec<FormField> {
    let field = |field: &automate_connectors::base::ConnectionField| {
        let name = name_of(field.name);
        let stored = stored.get(field.name).and_then(Value::as_str).unwrap_or_default();
        let value = match typed {
            Some(typed) => typed.text(&name).to_owned(),
            None if field.secret => stored.strip_prefix(REFERENCE).unwrap_or_default().to_owned(),
            None => stored.to_owned(),
        };
        FormField {
            title: field.title,
            secret: field.secret,
            required: field.required,
            kept: field.secret && !stored.is_empty(),
            value,
            name,
        }
    };
    spec.fields.iter().map(field).collect()
}

/// What is to be stored. Of a secret: the value that was typed, else the key that is named, else what
/// is stored already. Fields that are empty are left out.
pub(super) fn given(spec: &ConnectionSpec, stored: &Map<String, Value>, typed: &Fields) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    for field in &spec.fields {
        let name = name_of(field.name);
        let text = typed.text(&name);
        let value = if field.secret {
            let value = typed.get(&format!("{name}-value")).unwrap_or_default();
            let stored = stored.get(field.name).and_then(Value::as_str).unwrap_or_default();
            match (value, text) {
                ("", "") => stored.to_owned(),
                ("", key) => format!("{REFERENCE}{}", key.strip_prefix(REFERENCE).unwrap_or(key)),
                // A value that looks like a reference is meant as a value, which no field takes.
                (value, _) => value.to_owned(),
            }
        } else {
            text.to_owned()
        };
        if !value.is_empty() {
            given.insert(field.name.to_owned(), value);
        }
    }
    given
}

/// What is wrong, by the form's fields.
pub(super) fn told(problems: &[FieldProblem], errors: &mut FieldErrors) {
    for problem in problems {
        match problem.path.strip_prefix("fields/") {
            Some(field) => errors.add_named(&name_of(field), problem.message.clone()),
            None => errors.add_named(&problem.path, problem.message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use automate_connectors::base::ConnectionField;
    use serde_json::json;

    use super::*;

    fn spec() -> ConnectionSpec {
        ConnectionSpec::new([
            ConnectionField::secret("token", "Token").required(),
            ConnectionField::plain("team", "Team"),
        ])
    }

    fn typed(pairs: &[(&str, &str)]) -> Fields {
        Fields::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_secret_is_a_new_value_or_a_key_or_stays_as_it_is() {
        let stored = json!({"token": "$secret:OLD", "team": "red"});
        let stored = stored.as_object().cloned().unwrap_or_default();
        let token = |pairs: &[(&str, &str)]| given(&spec(), &stored, &typed(pairs)).remove("token");
        assert_eq!(token(&[]).as_deref(), Some("$secret:OLD"));
        assert_eq!(token(&[("field-token", "NEW")]).as_deref(), Some("$secret:NEW"));
        assert_eq!(token(&[("field-token", "$secret:vault/NEW")]).as_deref(), Some("$secret:vault/NEW"));
        assert_eq!(token(&[("field-token", "NEW"), ("field-token-value", " v ")]).as_deref(), Some(" v "));
        let plain = |pairs: &[(&str, &str)]| given(&spec(), &stored, &typed(pairs)).remove("team");
        assert_eq!(plain(&[("field-team", "blue")]).as_deref(), Some("blue"));
        assert_eq!(plain(&[]), None);
    }

    #[test]
    fn a_form_never_holds_the_value_of_a_secret() {
        let stored = json!({"token": "stored before the field was secret"});
        let stored = stored.as_object().cloned().unwrap_or_default();
        let shown = fields(&spec(), &stored, None);
        assert_eq!((shown[0].value.as_str(), shown[0].kept), ("", true));
        let shown = fields(&spec(), &stored, Some(&typed(&[("field-token-value", "hunter2")])));
        assert!(shown.iter().all(|field| !field.value.contains("hunter2")));
    }
}
