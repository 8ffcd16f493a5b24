//! The columns of a list: who sees them, what they are sorted by, and what is in their cells.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use automate_store::resource::{Column, ColumnKind, Comparison, ListQuery, Model, Page, Row};
use serde_json::{Map, Value};

use super::params::{CURSOR, ORDER, Params, plain};
use crate::column::{Cell, ListColumn, Shows, short, words};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Fields};
use crate::operations::words::shortened;
use crate::spec::{Spec, Verb};

/// Characters of a text in a cell; the row's own page has the rest.
const CELL_CHARS: usize = 120;

/// Whether somebody sees a column of the model.
pub(crate) fn sees(cx: &Cx, spec: &Spec, name: &str) -> bool {
    let column = spec.model.column(name).filter(|column| column.shown && column.stored);
    !spec.sensitive.contains(&name)
        && column.is_some_and(|column| column.needs.is_none_or(|permission| cx.can(permission)))
}

/// The columns of the list that somebody sees.
pub(crate) fn visible(cx: &Cx, admin: &Arc<dyn AnyAdmin>) -> Vec<ListColumn> {
    let mut columns = admin.list_display(cx);
    columns.retain(|column| column.needs().iter().all(|name| sees(cx, admin.spec(), name)));
    columns
}

/// What is read of each row: all that is short and for everybody, and what the columns are made of.
pub(crate) fn read_of(spec: &Spec, columns: &[ListColumn]) -> Vec<&'static str> {
    let everybody = |column: &&Column| {
        column.shown
            && column.stored
            && !column.detail
            && column.needs.is_none()
            && !spec.sensitive.contains(&column.name)
    };
    let mut all: Vec<&'static str> = spec.model.columns.iter().filter(everybody).map(|column| column.name).collect();
    for name in columns.iter().flat_map(ListColumn::needs).chain([spec.model.key]) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// The column of the model by which a column of the list is sorted.
pub(crate) fn sort_of(cx: &Cx, spec: &Spec, column: &ListColumn) -> Option<&'static str> {
    let name = column.sort?;
    let sorted = spec.model.column(name).filter(|column| column.order)?;
    sees(cx, spec, name).then_some(sorted.name)
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) label: String,
    pub(crate) number: bool,
    /// Where it sorts by this column, or turns that order round; empty where it cannot.
    pub(crate) url: String,
    /// `none`, `ascending` or `descending`.
    pub(crate) sorted: &'static str,
    /// Its place in an order by several columns, from 1; 0 where there are not several.
    pub(crate) place: usize,
    /// Where the list is not sorted by it any more.
    pub(crate) remove: String,
}

/// The headings.
pub(crate) fn heads(cx: &Cx, spec: &Spec, columns: &[ListColumn], params: &Params, query: &Fields) -> Vec<Head> {
    let rest = query.without(&[CURSOR, ORDER]);
    let url = |order: &[(&str, bool)]| {
        if order.is_empty() {
            return format!("{}{}", cx.path(), super::or_all(&rest));
        }
        let words: Vec<String> =
            order.iter().map(|(key, down)| format!("{}{key}", if *down { "-" } else { "" })).collect();
        format!("{}{}", cx.path(), rest.with(ORDER, words.join(",")).to_query())
    };
    let order: Vec<(&str, bool)> = params.order.clone();
    let head = |column: &ListColumn| {
        let at = order.iter().position(|(key, _)| *key == column.key);
        let mut turned = order.clone();
        match at {
            Some(at) => turned[at].1 = !turned[at].1,
            None => turned.push((column.key, false)),
        }
        turned.truncate(automate_core::limits::LIST_ORDERINGS);
        let mut without = order.clone();
        without.retain(|(key, _)| *key != column.key);
        let sortable = sort_of(cx, spec, column).is_some();
        Head {
            label: column.label.clone(),
            number: is_number(spec.model, column),
            url: if sortable { url(&turned) } else { String::new() },
            sorted: match at.map(|at| order[at].1) {
                None => "none",
                Some(false) => "ascending",
                Some(true) => "descending",
            },
            place: if order.len() > 1 { at.map_or(0, |at| at + 1) } else { 0 },
            remove: if at.is_some() { url(&without) } else { String::new() },
        }
    };
    columns.iter().map(head).collect()
}

fn is_number(model: &Model, column: &ListColumn) -> bool {
    let Shows::Field(name) = column.shows else { return false };
    model.column(name).is_some_and(|column| matches!(column.kind, ColumnKind::Integer | ColumnKind::Double))
}

/// Rows of other models by their ids: what they are called, and where they are.
pub(crate) type Texts = BTreeMap<&'static str, HashMap<String, (String, String)>>;

/// What the rows that a page names are called: one statement for each of the columns.
pub(crate) async fn texts(cx: &Cx, spec: &Spec, columns: &[ListColumn], rows: &[Row]) -> Result<Texts, AdminError> {
    let mut all = Texts::new();
    for column in columns {
        let Shows::Related { column: name } = column.shows else { continue };
        let Some(target) = spec.model.column(name).and_then(|column| column.references) else { continue };
        let mut ids: Vec<Value> = Vec::new();
        for id in rows.iter().filter_map(|row| row.fields.get(name)).filter(|id| !id.is_null()) {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        all.insert(name, named(cx, target, ids).await?);
    }
    Ok(all)
}

/// What rows of a model are called, as far as somebody may see them: `id -> (text, address)`.
pub(crate) async fn named(
    cx: &Cx,
    model: &'static Model,
    ids: Vec<Value>,
) -> Result<HashMap<String, (String, String)>, AdminError> {
    let Some(admin) = cx.state().site().of(model.name).filter(|_| !ids.is_empty()) else { return Ok(HashMap::new()) };
    let spec = admin.spec();
    if !spec.allows(cx, Verb::View, None) {
        return Ok(HashMap::new());
    }
    let text = if sees(cx, spec, spec.text) { spec.text } else { model.key };
    let fields = judged(spec, if text == model.key { vec![text] } else { vec![model.key, text] });
    let query = ListQuery { fields, limit: ids.len() as u64, ..ListQuery::default() };
    let query = admin.queryset(cx, query.filter(model.key, Comparison::In, ids));
    let page = cx.state().resources().list(model, &cx.writer(), &query).await?;
    let one = |row: &Map<String, Value>| {
        let id = plain(row.get(model.key));
        let called = plain(row.get(text));
        let called = if called.is_empty() || text == model.key { short(&id) } else { called };
        (id.clone(), (called, spec.row_url(&id)))
    };
    Ok(rows_of(cx, spec, page).iter().map(|row| one(&row.fields)).collect())
}

/// What a cell of a row shows.
pub(crate) fn cell(spec: &Spec, column: &ListColumn, row: &Map<String, Value>, texts: &Texts) -> Cell {
    match &column.shows {
        Shows::Field(name) => spec.model.column(name).map_or(Cell::Empty, |of| by_kind(of, row.get(*name), spec.text)),
        Shows::Related { column: name } => match row.get(*name) {
            None | Some(Value::Null) => Cell::Empty,
            Some(id) => {
                let id = plain(Some(id));
                match texts.get(name).and_then(|texts| texts.get(&id)) {
                    Some((text, url)) => Cell::Link { url: url.clone(), text: text.clone() },
                    None => Cell::Code(id),
                }
            }
        },
        Shows::Computed { cell, .. } => cell(row),
    }
}

fn by_kind(column: &Column, value: Option<&Value>, text_column: &str) -> Cell {
    let value = match value {
        None | Some(Value::Null) => return Cell::Empty,
        Some(value) => value,
    };
    match (column.kind, value) {
        (ColumnKind::Boolean, Value::Bool(yes)) => Cell::Bool(*yes),
        (ColumnKind::Time, Value::String(time)) => Cell::Time(time.clone()),
        (ColumnKind::Integer | ColumnKind::Double, number) => Cell::Number(number.to_string()),
        (ColumnKind::Uuid, Value::String(id)) => Cell::Code(id.clone()),
        (ColumnKind::Text, Value::String(word)) if !column.choices.is_empty() && column.name != text_column => {
            let word = word.to_lowercase();
            if is_state(column) { Cell::State(word) } else { Cell::Text(words(&word)) }
        }
        (ColumnKind::Text, Value::String(text)) if text.is_empty() => Cell::Empty,
        (ColumnKind::Text, Value::String(text)) if is_code(text) && column.name != text_column => {
            Cell::Code(text.clone())
        }
        (ColumnKind::Text, Value::String(text)) => Cell::Text(shortened(text, CELL_CHARS)),
        (ColumnKind::Bytes, Value::String(text)) => Cell::Muted(format!("{} bytes", text.len() / 4 * 3)),
        (_, Value::Array(items)) if items.is_empty() => Cell::Empty,
        (_, Value::Array(items)) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Cell::Text(shortened(&texts.join(", "), CELL_CHARS))
        }
        (_, other) => Cell::Code(shortened(&other.to_string(), CELL_CHARS)),
    }
}

/// Whether what a column may hold says how something is, and not what it is: a word of it has an icon.
fn is_state(column: &Column) -> bool {
    const OF_STATES: [&str; 12] = [
        "active",
        "pending",
        "running",
        "completed",
        "failed",
        "enabled",
        "done",
        "draft",
        "open",
        "ok",
        "delivered",
        "verified",
    ];
    column.choices.iter().any(|word| OF_STATES.contains(&word.to_lowercase().as_str()))
}

/// An id or a hash: one long word that nobody reads, and that would make its column as wide.
fn is_code(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The rows of a page that somebody may see, with their versions.
pub(crate) fn rows_of(cx: &Cx, spec: &Spec, page: Page) -> Vec<Row> {
    let versions = page.versions.into_iter().chain(std::iter::repeat(None));
    let rows = page.results.into_iter().zip(versions).map(|(fields, version)| Row { fields, version });
    rows.filter(|row| spec.may.is_none() || spec.allows(cx, Verb::View, Some(row))).collect()
}

/// Some fields, and those by which is decided whether somebody may see a row.
pub(crate) fn judged(spec: &Spec, mut fields: Vec<&'static str>) -> Vec<&'static str> {
    if spec.may.is_some() {
        let more = read_of(spec, &[]).into_iter().filter(|name| !fields.contains(name)).collect::<Vec<_>>();
        fields.extend(more);
    }
    fields
}
