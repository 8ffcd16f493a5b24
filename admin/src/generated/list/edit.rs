//! Fields that are changed in the list itself: one form, and for each row the version that it was
//! made of.

use std::sync::Arc;

use askama::Template;
use automate_store::resource::{Column, ColumnKind, Comparison, ListQuery, ResourceError, Row};
use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::{Here, narrowed};
use super::columns::{self, read_of, sees, visible};
use super::params::plain;
use crate::column::{ListColumn, Shows, words};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::spec::{Spec, Verb};

/// How a field is changed in its cell.
pub(super) struct EditCell {
    /// Of the field.
    pub(super) name: String,
    /// Of what the cell held when the page was made.
    pub(super) was: String,
    pub(super) value: String,
    /// `check`, `choice`, `number` or `text`.
    pub(super) kind: &'static str,
    /// `(value, label)`.
    pub(super) choices: Vec<(String, String)>,
}

/// Which fields of a list can be changed by whoever looks.
pub(super) struct Editing<'a> {
    admin: &'a Arc<dyn AnyAdmin>,
    fields: Vec<&'static str>,
    /// Whether it is the trash, where nothing is changed.
    pub(super) trash: bool,
}

impl<'a> Editing<'a> {
    pub(super) fn of(cx: &Cx, admin: &'a Arc<dyn AnyAdmin>, columns: &[ListColumn], trash: bool) -> Self {
        let spec = admin.spec();
        let may = !trash && spec.allows(cx, Verb::Change, None) && super::has_ids(spec);
        let shown = |name: &&'static str| {
            may && columns.iter().any(|column| matches!(column.shows, Shows::Field(field) if field == *name))
        };
        Self { admin, fields: editable(cx, spec).into_iter().filter(shown).collect(), trash }
    }

    pub(super) fn any(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The field of a cell; none where it cannot be changed there.
    pub(super) fn cell(&self, cx: &Cx, column: &ListColumn, row: &Row) -> Option<EditCell> {
        let Shows::Field(name) = column.shows else { return None };
        let spec = self.admin.spec();
        let field = spec.model.column(name).filter(|_| self.fields.contains(&name))?;
        row.version?;
        if !spec.allows(cx, Verb::Change, Some(row)) || self.admin.readonly_fields(cx, Some(row)).contains(&name) {
            return None;
        }
        let id = plain(row.fields.get(spec.model.key));
        let value = plain(row.fields.get(name));
        let mut choices: Vec<(String, String)> =
            field.choices.iter().map(|word| ((*word).to_owned(), words(word))).collect();
        if field.nullable && !choices.is_empty() {
            choices.insert(0, (String::new(), "–".to_owned()));
        }
        let kind = match field.kind {
            ColumnKind::Boolean if !field.nullable => "check",
            ColumnKind::Integer | ColumnKind::Double => "number",
            _ if !choices.is_empty() => "choice",
            _ => "text",
        };
        Some(EditCell { name: format!("{name}.{id}"), was: format!("was.{name}.{id}"), value, kind, choices })
    }
}

fn editable(cx: &Cx, spec: &Spec) -> Vec<&'static str> {
    let writable = |name: &&'static str| {
        sees(cx, spec, name)
            && spec.model.column(name).is_some_and(|column| column.on_update && !column.detail)
            && !spec.readonly.contains(name)
    };
    spec.list_editable.iter().copied().filter(writable).collect()
}

/// A row that was not saved.
struct Unsaved {
    name: String,
    url: String,
    why: String,
    /// What was typed: `(field, value)`.
    typed: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "admin/model/list_unsaved.html")]
struct UnsavedPage {
    shell: Shell,
    noun: String,
    saved: usize,
    unsaved: Vec<Unsaved>,
    back: String,
}

/// What was typed for a row.
struct Typed {
    id: Uuid,
    version: i64,
    fields: Vec<(&'static str, String)>,
}

/// The rows whose fields were changed: what was posted against what the page held.
fn typed(cx: &Cx, spec: &Spec, posted: &Fields) -> Result<Vec<Typed>, AdminError> {
    let fields = editable(cx, spec);
    let mut rows: Vec<Typed> = Vec::new();
    for (name, was) in posted.pairs() {
        let Some((field, id)) = name.strip_prefix("was.").and_then(|rest| rest.split_once('.')) else { continue };
        // What may not be changed is dropped, as forms do.
        let Some(field) = fields.iter().copied().find(|known| *known == field) else { continue };
        let fault = || AdminError::Form("a row's field has another name than ours".to_owned());
        let uuid = automate_store::resource::exact_id(id).ok_or_else(fault)?;
        let token = format!("version.{id}");
        let version: i64 = posted.text(&token).parse().map_err(|_| fault())?;
        let value = posted.get(&format!("{field}.{id}"));
        let is_check = spec.model.column(field).is_some_and(|c| c.kind == ColumnKind::Boolean && !c.nullable);
        let value = match (is_check, value) {
            (true, value) => value.is_some().to_string(),
            (false, Some(value)) => value.trim().to_owned(),
            (false, None) => continue,
        };
        if value == *was {
            continue;
        }
        match rows.iter_mut().find(|row| row.id == uuid) {
            Some(row) => row.fields.push((field, value)),
            None => rows.push(Typed { id: uuid, version, fields: vec![(field, value)] }),
        }
    }
    if rows.len() > automate_core::limits::IDS_PER_REQUEST {
        return Err(AdminError::Form("it has more rows than a page".to_owned()));
    }
    Ok(rows)
}

/// What was typed as the column takes it. The service looks at it again.
fn value_of(column: &Column, text: &str) -> Result<Value, String> {
    if text.is_empty() && column.nullable {
        return Ok(Value::Null);
    }
    match column.kind {
        ColumnKind::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "must be a whole number".to_owned()),
        ColumnKind::Double => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(json!(number)),
            _ => Err("must be a number".to_owned()),
        },
        ColumnKind::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("must be yes or no".to_owned()),
        },
        ColumnKind::Json => serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}")),
        ColumnKind::Uuid | ColumnKind::Text | ColumnKind::Time | ColumnKind::Bytes => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

/// Saves the rows that were changed in the list: each by itself, so that one which somebody else has
/// changed meanwhile does not keep the others back.
pub(crate) async fn submit(cx: Cx, here: Here, posted: Fields) -> Reply {
    let admin = &here.0;
    let spec = admin.spec();
    for verb in [Verb::View, Verb::Change] {
        if !spec.allows(&cx, verb, None) {
            return Err(AdminError::Forbidden(spec.model.permission_for(verb.as_str())));
        }
    }
    let typed = typed(&cx, spec, &posted)?;
    let back = super::super::back_to_list(spec, posted.text("query"));
    let rows = rows_of(&cx, admin, &typed).await?;
    let mut saved = 0;
    let mut unsaved = Vec::new();
    for one in typed {
        let row = rows.iter().find(|row| row.id(spec.model) == Some(one.id));
        let done = match row {
            Some(row) => save(&cx, admin, row, &one).await,
            None => Err(AdminError::NotFound),
        };
        let Err(error) = done else {
            saved += 1;
            continue;
        };
        let name = row.map(|row| plain(row.fields.get(spec.text))).filter(|name| !name.is_empty());
        unsaved.push(Unsaved {
            name: name.unwrap_or_else(|| crate::column::short(&one.id.to_string())),
            url: if row.is_some() { spec.row_url(&one.id.to_string()) } else { String::new() },
            why: why(error)?,
            typed: one.fields.iter().map(|(field, value)| (spec.label(field), value.clone())).collect(),
        });
    }
    if unsaved.is_empty() {
        let said = match saved {
            0 => Flash::info("Nothing was changed."),
            1 => Flash::success("1 row was saved."),
            n => Flash::success(format!("{n} rows were saved.")),
        };
        return cx.done(&back, said);
    }
    let shell = cx.shell("Not everything was saved").crumb(&spec.plural, back.clone()).refused(true);
    let page = UnsavedPage { shell, noun: spec.noun.clone(), saved, unsaved, back };
    cx.page_with(StatusCode::CONFLICT, &page)
}

async fn rows_of(cx: &Cx, admin: &Arc<dyn AnyAdmin>, typed: &[Typed]) -> Result<Vec<Row>, AdminError> {
    if typed.is_empty() {
        return Ok(Vec::new());
    }
    let spec = admin.spec();
    let ids = typed.iter().map(|one| json!(one.id)).collect();
    let fields = read_of(spec, &visible(cx, admin));
    let query = ListQuery { fields, limit: typed.len() as u64, ..ListQuery::default() };
    let query = narrowed(admin.as_ref(), cx, query.filter(spec.model.key, Comparison::In, ids));
    let page = cx.state().resources().list(spec.model, &cx.writer(), &query).await?;
    Ok(columns::rows_of(cx, spec, page))
}

async fn save(cx: &Cx, admin: &Arc<dyn AnyAdmin>, row: &Row, typed: &Typed) -> Result<(), AdminError> {
    let spec = admin.spec();
    if !spec.allows(cx, Verb::Change, Some(row)) {
        return Err(AdminError::Forbidden(spec.model.permission_for("change")));
    }
    let readonly = admin.readonly_fields(cx, Some(row));
    let mut fields = Map::new();
    let mut errors = FieldErrors::default();
    for (name, text) in typed.fields.iter().filter(|(name, _)| !readonly.contains(name)) {
        let Some(column) = spec.model.column(name) else { continue };
        match value_of(column, text) {
            Ok(value) => {
                fields.insert((*name).to_owned(), value);
            }
            Err(message) => errors.add_named(name, message),
        }
    }
    if errors.is_empty() {
        admin.clean(cx, Some(row), &mut fields, &mut errors).await?;
    }
    if !errors.is_empty() {
        let all: Vec<String> = errors
            .all()
            .map(|(field, message)| {
                field.map_or_else(|| message.to_owned(), |f| format!("{}: {message}", spec.label(f)))
            })
            .collect();
        return Err(AdminError::Conflict(all.join("; ")));
    }
    admin.save(cx, spec, Some(row), fields, Some(typed.version)).await.map(|_| ())
}

/// Why a row was not saved, in a sentence.
///
/// # Errors
/// What is no matter of the row.
pub(in crate::generated) fn why(error: AdminError) -> Result<String, AdminError> {
    Ok(match error {
        AdminError::NotFound => "It is not there any more, or not yours to see.".to_owned(),
        AdminError::Resource(ResourceError::Changed { .. }) => {
            "Somebody else has changed it since you opened the list; look at it and decide again.".to_owned()
        }
        AdminError::Resource(ResourceError::Invalid(problems)) => {
            let all: Vec<String> = problems
                .iter()
                .map(|p| {
                    if p.path.is_empty() {
                        p.message.clone()
                    } else {
                        format!("{}: {}", crate::column::label_of(&p.path), p.message)
                    }
                })
                .collect();
            all.join("; ")
        }
        AdminError::Resource(ResourceError::Conflict(_) | ResourceError::Refused(_))
        | AdminError::Conflict(_)
        | AdminError::Forbidden(_) => error.to_string(),
        other => return Err(other),
    })
}
