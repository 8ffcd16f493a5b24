//! A form whose row has become another one since it was opened.

use askama::Template;
use automate_store::models::audit::AUDIT;
use automate_store::resource::{ColumnKind, Comparison, ListQuery};
use http::StatusCode;
use serde_json::{Map, Value};

use super::fields::{ROW_VERSION, shown_text};
use super::form::Page;
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell};

/// The field that says that a form is sent again after a conflict.
pub(super) const RESOLVES: &str = "_resolves";
/// The fields of such a form that are to be as whoever sends it has typed them.
pub(super) const MINE: &str = "_mine";

struct Difference {
    name: &'static str,
    label: String,
    theirs: String,
    mine: String,
}

#[derive(Template)]
#[template(path = "admin/model/conflict.html")]
struct ConflictPage {
    shell: Shell,
    noun: String,
    who: String,
    differences: Vec<Difference>,
    rows: bool,
    sent: Vec<(String, String)>,
    version: i64,
    back: String,
}

#[derive(Template)]
#[template(path = "admin/model/gone.html")]
struct GonePage {
    shell: Shell,
    noun: String,
    sent: Vec<(String, String)>,
    list: String,
    adds: bool,
}

/// What somebody else has stored, and what was typed, field by field.
pub(super) async fn show(
    page: &Page<'_>,
    posted: &Fields,
    theirs: &Map<String, Value>,
    mine: &Map<String, Value>,
    version: i64,
) -> Reply {
    let (cx, spec) = (page.cx, page.admin.spec());
    let difference = |slot: &super::fields::Slot| {
        let name = slot.column.name;
        let mine = mine.get(name)?;
        let secret = matches!(slot.widget, Some(crate::form::Widget::Secret));
        let text = |value: &Value| match &slot.widget {
            _ if secret => "(not shown)".to_owned(),
            Some(crate::form::Widget::Checks(groups)) => checked(groups, value),
            _ => shown_text(slot.column.kind, value, cx.prefs()),
        };
        let theirs = theirs.get(name).unwrap_or(&Value::Null);
        (theirs != mine).then(|| Difference { name, label: slot.label.clone(), theirs: text(theirs), mine: text(mine) })
    };
    let differences = page.plan.writable().filter_map(difference).collect();
    let id = page.row.and_then(|row| row.id(spec.model)).map(|id| id.to_string()).unwrap_or_default();
    let sent = posted.without(&[ROW_VERSION, RESOLVES, MINE, "_save", "_continue", "_addanother", "_saveasnew"]);
    let conflict = ConflictPage {
        shell: cx
            .shell(format!(
                "Changed meanwhile: {}",
                page.row.map_or_else(String::new, |row| super::form::title(page.admin, row))
            ))
            .crumb(&spec.plural, spec.url())
            .refused(true),
        noun: spec.noun.clone(),
        who: who(cx, spec.model.noun, &id).await?,
        differences,
        rows: !page.blocks.is_empty(),
        sent: sent.pairs().to_vec(),
        version,
        back: spec.row_url(&id),
    };
    cx.page_with(StatusCode::CONFLICT, &conflict)
}

/// The words that are checked, as the form says them.
fn checked(groups: &[(String, Vec<crate::control::Choice>)], value: &Value) -> String {
    let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let label = |word: &str| {
        let choice = groups.iter().flat_map(|(_, choices)| choices).find(|choice| choice.value == word);
        choice.map_or_else(|| word.to_owned(), |choice| choice.label.clone())
    };
    words.map(label).collect::<Vec<_>>().join(", ")
}

/// Who changed a row last, and when; empty for whoever may not read the log.
async fn who(cx: &Cx, noun: &str, id: &str) -> Result<String, AdminError> {
    if !cx.can("audit.view_entry") || cx.tenant().is_err() {
        return Ok(String::new());
    }
    let query = ListQuery { limit: 1, fields: vec!["at", "actor"], ..ListQuery::default() }
        .filter("object_type", Comparison::Equal, vec![Value::String(noun.to_owned())])
        .filter("object_id", Comparison::Equal, vec![Value::String(id.to_owned())])
        .filter("action", Comparison::Equal, vec![Value::String(format!("{noun}.update"))]);
    let found = cx.state().resources().list(&AUDIT, &cx.writer(), &query).await?;
    let entry = found.results.first();
    Ok(entry.map_or_else(String::new, |entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = shown_text(ColumnKind::Time, entry.get("at").unwrap_or(&Value::Null), cx.prefs());
        format!("{} changed it at {at}.", text("actor"))
    }))
}

/// The row was deleted while somebody changed it: what they typed is shown, so that it is not lost.
pub(super) fn gone(cx: &Cx, admin: &dyn AnyAdmin, posted: &Fields) -> Reply {
    let spec = admin.spec();
    let typed = |(name, value): &&(String, String)| {
        !value.is_empty()
            && spec.model.column(name).is_some_and(|column| column.shown)
            && !spec.sensitive.contains(&name.as_str())
    };
    let sent = posted.pairs().iter().filter(typed);
    let page = GonePage {
        shell: cx.shell(format!("The {} is gone", spec.noun)).crumb(&spec.plural, spec.url()).refused(true),
        noun: spec.noun.clone(),
        sent: sent.map(|(name, value)| (spec.label(name), value.clone())).collect(),
        list: spec.url(),
        adds: spec.allows(cx, crate::spec::Verb::Add, None),
    };
    cx.page_with(StatusCode::NOT_FOUND, &page)
}
