//! One entry of the log, with what changed.

use askama::Template;
use automate_store::models::audit::AUDIT;
use automate_store::resource::{Selection, exact_id};
use axum::extract::Path;
use serde_json::Value;

use super::EntryRow;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::operations::confirm::takes_only;

/// A field that changed, or a fact.
#[derive(Debug, PartialEq, Eq)]
struct ChangeRow {
    field: String,
    from: String,
    to: String,
    /// It is a fact, which has no `from`.
    fact: bool,
}

#[derive(Template)]
#[template(path = "admin/audit/entry.html")]
struct EntryPage {
    shell: Shell,
    one: EntryRow,
    changes: Vec<ChangeRow>,
    /// Whether there are changes among them, and not facts alone.
    differs: bool,
}

pub(in crate::operations) async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("audit.view_entry")?;
    takes_only(&cx, &[])?;
    let id = exact_id(&id).ok_or(AdminError::NotFound)?;
    let row = cx.state().resources().get(&AUDIT, &cx.writer(), id, &Selection::default()).await?;
    let one = EntryRow::of(&row.fields);
    let changes = row.fields.get("changes").map(changes).unwrap_or_default();
    cx.page(&EntryPage {
        shell: cx.shell(&one.action).crumb("Audit log", "/admin/audit/"),
        differs: changes.iter().any(|change| !change.fact),
        one,
        changes,
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        Value::Object(_) | Value::Array(_) => crate::schema_form::pretty(value),
        other => other.to_string(),
    }
}

/// What changed: `{"field": {"from": …, "to": …}}`, or facts by name.
fn changes(changes: &Value) -> Vec<ChangeRow> {
    let Some(members) = changes.as_object() else {
        let none = changes.is_null();
        let fact = ChangeRow { field: "fact".to_owned(), from: String::new(), to: text(changes), fact: true };
        return if none { Vec::new() } else { vec![fact] };
    };
    let row = |(field, value): (&String, &Value)| {
        let pair = value
            .as_object()
            .filter(|pair| pair.len() == 2)
            .and_then(|pair| Some((pair.get("from")?, pair.get("to")?)));
        match pair {
            Some((from, to)) => ChangeRow { field: field.clone(), from: text(from), to: text(to), fact: false },
            None => ChangeRow { field: field.clone(), from: String::new(), to: text(value), fact: true },
        }
    };
    members.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_and_facts_are_told_apart() {
        let told = changes(&json!({"name": {"from": "a", "to": null}, "items": 3, "odd": {"from": 1}}));
        let row = |field: &str, from: &str, to: &str, fact| ChangeRow {
            field: field.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            fact,
        };
        assert_eq!(told[0], row("name", "a", "–", false));
        assert_eq!(told[1], row("items", "", "3", true));
        assert!(told[2].fact);
        assert_eq!(changes(&json!(null)), []);
        assert_eq!(changes(&json!("x")), [row("fact", "", "x", true)]);
    }
}
