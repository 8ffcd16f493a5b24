//! Importing rows from CSV: the columns are matched, a preview says what would happen to each row, and
//! what fails comes back as a file.

mod csv;
mod run;
mod text;

use std::collections::HashMap;

use askama::Template;
use automate_core::limits;
use automate_store::resource::{Column, Row, exact_id};
use axum::body::Body;
use serde_json::json;
use uuid::Uuid;

use super::Here;
use super::fields::{Slot, slot, takes};
use super::form::allowed;
use crate::control::{Choice, Control, Field};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Reply, Shell, Upload, csv_attachment};
use crate::spec::{Spec, Verb};
use run::{Prepared, Told};
use text::Unread;

/// Rows of one import, at most.
const ROWS: usize = 5_000;
/// Rows that a preview tells of one by one.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "admin/model/import.html")]
struct ImportPage {
    shell: Shell,
    plural: String,
    /// The step: `paste`, `map`, `preview`, `done`.
    step: &'static str,
    csv: String,
    columns: String,
    /// What cannot be read, and the field that it came by.
    problem: String,
    from: &'static str,
    most: String,
    fields: Vec<Field>,
    /// The columns that were matched, for the next step.
    matched: Vec<(String, String)>,
    told: Vec<Told>,
    creates: usize,
    updates: usize,
    fails: usize,
    more: usize,
    failed: String,
    list: String,
}

fn blank(cx: &Cx, spec: &Spec, step: &'static str) -> ImportPage {
    ImportPage {
        shell: cx.shell(format!("Import {}", crate::column::in_sentence(&spec.plural))).crumb(&spec.plural, spec.url()),
        plural: crate::column::in_sentence(&spec.plural),
        step,
        csv: String::new(),
        columns: columns(cx, spec).map(|column| column.name).collect::<Vec<_>>().join(", "),
        problem: String::new(),
        from: text::CSV,
        most: format!("{} MiB", limits::IMPORT_BYTES / (1024 * 1024)),
        fields: Vec::new(),
        matched: Vec::new(),
        told: Vec::new(),
        creates: 0,
        updates: 0,
        fails: 0,
        more: 0,
        failed: String::new(),
        list: spec.url(),
    }
}

/// The columns that an import may fill.
fn columns<'s>(cx: &'s Cx, spec: &'s Spec) -> impl Iterator<Item = &'static Column> + 's {
    let named = spec.import.clone().unwrap_or_default();
    let given = move |column: &&'static Column| {
        let may = |verb| takes(cx, spec.model, &spec.sensitive, column, verb);
        let readonly = spec.readonly.contains(&column.name) || spec.deleted_at == Some(column.name);
        (named.is_empty() || named.contains(&column.name)) && !readonly && (may(Verb::Add) || may(Verb::Change))
    };
    spec.model.columns.iter().filter(given)
}

fn ready<'a>(cx: &Cx, here: &'a Here) -> Result<(&'a dyn AnyAdmin, &'a Spec), AdminError> {
    let (admin, spec) = (&*here.0, here.0.spec());
    if spec.import.is_none() {
        return Err(AdminError::NotFound);
    }
    allowed(cx, admin, Verb::Add, None)?;
    Ok((admin, spec))
}

pub(super) async fn show(cx: Cx, here: Here) -> Reply {
    let (_, spec) = ready(&cx, &here)?;
    cx.page(&blank(&cx, spec, "paste"))
}

/// The first page again, with what is wrong.
fn refused(cx: &Cx, spec: &Spec, csv: String, unread: Unread) -> Reply {
    let mut page = blank(cx, spec, "paste");
    (page.csv, page.problem, page.from) = (csv, unread.problem, unread.field);
    page.shell = page.shell.refused(true);
    cx.page_with(unread.status, &page)
}

pub(super) async fn post(cx: Cx, here: Here, upload: Upload, posted: Fields) -> Reply {
    let (admin, spec) = ready(&cx, &here)?;
    if posted.text("step") == "failed" {
        let name = format!("{}-failed.csv", spec.model.name);
        return csv_attachment(
            &name,
            "text/csv; charset=utf-8",
            Body::from(posted.get("failed").unwrap_or_default().to_owned()),
        );
    }
    let text = match text::of(&upload, &posted) {
        Ok(text) => text,
        Err(unread) => return refused(&cx, spec, posted.get(text::CSV).unwrap_or_default().to_owned(), unread),
    };
    let (heads, records) = match csv::read(&text, ROWS) {
        Ok(read) => read,
        Err(problem) => {
            let status = http::StatusCode::UNPROCESSABLE_ENTITY;
            // A file is mended where it is, and sent again.
            let is_file = matches!(upload, Upload::File(_));
            let (field, kept) = if is_file { (text::FILE, String::new()) } else { (text::CSV, text) };
            return refused(&cx, spec, kept, Unread { status, field, problem });
        }
    };
    let mut page = blank(&cx, spec, "map");
    page.csv = text;
    if posted.text("step") == "map" || !posted.has("step") {
        page.fields = heads.iter().enumerate().map(|(at, head)| choice(&cx, spec, at, head)).collect();
        return cx.page(&page);
    }
    let matched: Vec<(usize, String)> = (0..heads.len())
        .map(|at| (at, posted.text(&format!("column-{at}")).to_owned()))
        .filter(|(_, name)| name == spec.model.key || columns(&cx, spec).any(|column| column.name == name))
        .collect();
    page.matched = matched.iter().map(|(at, name)| (format!("column-{at}"), name.clone())).collect();
    let prepared = prepare(&cx, admin, &matched, &records).await?;
    let runs = posted.text("step") == "run";
    let told = run::run(&cx, admin, prepared, runs).await?;
    page.step = if runs { "done" } else { "preview" };
    page.creates = told.iter().filter(|one| one.problem.is_empty() && one.creates).count();
    page.updates = told.iter().filter(|one| one.problem.is_empty() && !one.creates).count();
    page.fails = told.len() - page.creates - page.updates;
    if runs {
        let facts = json!({ "created": page.creates, "updated": page.updates, "failed": page.fails });
        let entry = cx.entry(&format!("{}.import", spec.model.noun)).about(spec.model.noun, "").with(facts);
        cx.state().audit().record(vec![entry]).await?;
        page.failed = failed(&heads, &records, &told);
    }
    // What fails comes first: it is what somebody has to do something about.
    let (bad, good): (Vec<Told>, Vec<Told>) = told.into_iter().partition(|one| !one.problem.is_empty());
    page.more = (bad.len() + good.len()).saturating_sub(SHOWN);
    page.told = bad.into_iter().chain(good).take(SHOWN).collect();
    cx.page(&page)
}

/// The control that says which column a head of the file is.
fn choice(cx: &Cx, spec: &Spec, at: usize, head: &str) -> Field {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let is = |column: &Column| plain(head) == column.name || plain(head) == plain(&spec.label(column.name));
    let mut choices = vec![Choice::new("", "Leave it out", false)];
    choices.push(Choice::new(spec.model.key, "The row to change (its ID)", plain(head) == spec.model.key));
    choices.extend(columns(cx, spec).map(|column| Choice::new(column.name, spec.label(column.name), is(column))));
    let control = Control::Select { choices, more: String::new(), multiple: false, cut: false };
    Field::new(
        format!("column-{at}"),
        if head.is_empty() { format!("Column {}", at + 1) } else { head.to_owned() },
        control,
    )
}

/// What each row of the file means.
async fn prepare(
    cx: &Cx,
    admin: &dyn AnyAdmin,
    matched: &[(usize, String)],
    records: &csv::Records,
) -> Result<Vec<Prepared>, AdminError> {
    let spec = admin.spec();
    let slots = |verb: Verb| -> HashMap<&'static str, Slot> {
        let widgets = |name: &str| spec.widgets.iter().find(|(of, _)| *of == name).map(|(_, widget)| widget.clone());
        let of = columns(cx, spec).filter(|column| takes(cx, spec.model, &spec.sensitive, column, verb));
        of.map(|column| (column.name, slot(column, spec.label(column.name), widgets(column.name), true, verb)))
            .collect()
    };
    let (add, change) = (slots(Verb::Add), slots(Verb::Change));
    let mut prepared = Vec::with_capacity(records.len());
    for (line, record) in records {
        let cell = |at: usize| record.get(at).map_or("", String::as_str);
        let key = matched.iter().find(|(_, name)| name == spec.model.key).map_or("", |(at, _)| cell(*at).trim());
        let mut errors = FieldErrors::default();
        let id: Option<Uuid> = exact_id(key);
        if !key.is_empty() && id.is_none() {
            errors.add_named(spec.model.key, "is no ID");
        }
        let row: Option<Row> = match id {
            None => None,
            Some(id) => match super::row(admin, cx, id).await {
                Ok(row) if spec.allows(cx, Verb::Change, Some(&row)) => Some(row),
                Ok(_) => {
                    errors.add_form("you may not change it");
                    None
                }
                Err(AdminError::NotFound) => {
                    errors.add_named(spec.model.key, "names no row that there is");
                    None
                }
                Err(other) => return Err(other),
            },
        };
        let slots = if id.is_some() { &change } else { &add };
        let given = Fields::of(matched.iter().map(|(at, name)| (name.clone(), plain(cell(*at)))).collect());
        let mut fields = serde_json::Map::new();
        for (_, name) in matched {
            let Some(slot) = slots.get(name.as_str()) else { continue };
            let stored = row.as_ref().and_then(|row| row.fields.get(name));
            if let Some(value) = slot.read(cx, name, &given, stored, &mut errors) {
                fields.insert(name.clone(), value);
            }
        }
        if errors.is_empty() {
            admin.clean(cx, row.as_ref(), &mut fields, &mut errors).await?;
        }
        let problems: Vec<String> = errors
            .all()
            .map(|(field, message)| {
                field.map_or_else(|| message.to_owned(), |field| format!("{}: {message}", spec.label(field)))
            })
            .collect();
        let version = row.as_ref().and_then(|row| row.version);
        prepared.push(Prepared { line: *line, id, version, fields, problem: problems.join("; ") });
    }
    Ok(prepared)
}

/// A cell as a form would hold it.
fn plain(cell: &str) -> String {
    match cell.trim().to_lowercase().as_str() {
        "yes" | "true" => "true".to_owned(),
        "no" | "false" => "false".to_owned(),
        // Exports put it before what a spreadsheet would take for a formula.
        _ => cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(cell).to_owned(),
    }
}

/// The rows that were not stored, as a file with the reasons.
fn failed(heads: &[String], records: &csv::Records, told: &[Told]) -> String {
    let reasons: HashMap<usize, &str> =
        told.iter().filter(|one| !one.problem.is_empty()).map(|one| (one.line, one.problem.as_str())).collect();
    if reasons.is_empty() {
        return String::new();
    }
    let mut file = csv::line(&[heads, &["problem".to_owned()]].concat());
    for (line, record) in records {
        if let Some(reason) = reasons.get(line) {
            file.push_str(&csv::line(&[record.as_slice(), &[(*reason).to_owned()]].concat()));
        }
    }
    file
}
