//! The list of a model.

mod columns;
mod dates;
mod edit;
mod facets;
mod filters;
mod params;

use std::sync::Arc;

use askama::Template;
use automate_core::limits;
use automate_store::resource::{ColumnKind, Comparison, ListQuery, Ordering, ResourceError, Row};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::json;

use self::columns::{Head, Texts};
use self::dates::Drill;
use self::edit::{EditCell, Editing};
use self::facets::Facets;
use self::filters::FilterView;
use self::params::{Active, Params};
use super::{Here, narrowed, trashed};
use crate::column::{Cell, ListColumn};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Prefs, Reply, Shell};
use crate::spec::{Spec, Verb};
use crate::views::ViewBar;

pub(super) use columns::{judged, named, read_of, rows_of, sees, visible};
pub(super) use edit::{submit as submit_edits, why};
pub(super) use params::{CURSOR, VIEW, plain};

/// The name of a model's list, for views.
pub(super) fn page_name(spec: &Spec) -> String {
    format!("{}.{}", spec.model.app, spec.model.permission)
}

/// Parameters as an address has them; where there are none, so that the list does not begin with a
/// view.
pub(super) fn or_all(query: &Fields) -> String {
    if query.pairs().is_empty() { format!("?{VIEW}=all") } else { query.to_query() }
}

/// Whether rows of the model can be named one by one.
pub(super) fn has_ids(spec: &Spec) -> bool {
    spec.model.keys.len() == 1 && spec.model.column(spec.model.key).is_some_and(|key| key.kind == ColumnKind::Uuid)
}

/// The rows that an address asks for: what lists, exports and actions all go by.
pub(super) struct Asked {
    pub(super) params: Params,
    pub(super) columns: Vec<ListColumn>,
    /// With the admin's own conditions.
    pub(super) query: ListQuery,
}

impl Asked {
    /// Reads the parameters of an address.
    ///
    /// # Errors
    /// `Query`.
    pub(super) fn of(cx: &Cx, admin: &Arc<dyn AnyAdmin>, fields: &Fields) -> Result<Self, AdminError> {
        let spec = admin.spec();
        let columns = visible(cx, admin);
        let params = params::read(cx, spec, &columns, fields)?;
        let mut query = Self::rows(cx, admin, params.clone());
        query.fields = read_of(spec, &columns);
        Ok(Self { params, columns, query })
    }

    /// The rows of these parameters, with the admin's own conditions.
    fn rows(cx: &Cx, admin: &Arc<dyn AnyAdmin>, params: Params) -> ListQuery {
        let narrow = if params.trash { trashed } else { narrowed };
        narrow(admin.as_ref(), cx, params.query)
    }
}

/// A cell as the page shows it.
struct CellView {
    label: String,
    number: bool,
    cell: Cell,
    edit: Option<EditCell>,
}

struct RowView {
    id: String,
    url: String,
    name: String,
    version: Option<i64>,
    cells: Vec<CellView>,
    links: Vec<(String, String)>,
}

impl ListPage {
    fn has_links(&self) -> bool {
        self.rows.iter().any(|row| !row.links.is_empty())
    }
}

struct Chip {
    label: String,
    remove: String,
}

struct Crumbed {
    label: String,
    url: String,
    current: bool,
}

/// What there is instead of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nothing {
    Rows,
    FirstUse,
    NoMatch,
    EmptyTrash,
    TooMuch,
}

#[derive(Template)]
#[template(path = "admin/model/list.html")]
struct ListPage {
    shell: Shell,
    views: ViewBar,
    plural: String,
    noun: String,
    path: String,
    search: Option<String>,
    kept: Vec<(String, String)>,
    chips: Vec<Chip>,
    clear: String,
    filters: Vec<FilterView>,
    facets: Facets,
    drill: Vec<Crumbed>,
    heads: Vec<Head>,
    rows: Vec<RowView>,
    selectable: bool,
    editable: bool,
    actions: Vec<(String, String)>,
    query: String,
    count: String,
    across: String,
    next: String,
    previous: String,
    nothing: Nothing,
    add: String,
    import: String,
    exports: Vec<(&'static str, String)>,
    trash: bool,
    more: Vec<(&'static str, String)>,
    /// When its rows were read, for what is done with all of them.
    drawn: String,
}

#[derive(Template)]
#[template(path = "admin/model/list_refused.html")]
struct RefusedPage {
    shell: Shell,
    what: String,
    reset: String,
}

pub(super) async fn show(cx: Cx, here: Here) -> Reply {
    let admin = &here.0;
    let spec = admin.spec();
    if !spec.allows(&cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    let views = ViewBar::of(&cx, &page_name(spec)).await?;
    if let Some(url) = views.begins_with(&cx) {
        return cx.go(&url);
    }
    let asked = match Asked::of(&cx, admin, cx.query()) {
        Ok(asked) => asked,
        Err(error) => return refused(&cx, spec, error),
    };
    let resources = cx.state().resources();
    let writer = cx.writer();
    // Before they are read: a row that comes between is on the page, but in no selection of all.
    let drawn = cx.now();
    let listed = tokio::time::timeout(limits::LIST_TIME, resources.list(spec.model, &writer, &asked.query)).await;
    let page = match listed {
        Err(_) => None,
        Ok(Ok(page)) => Some(page),
        Ok(Err(error)) => return refused(&cx, spec, error.into()),
    };
    let too_much = page.is_none();
    let page = page.unwrap_or_default();
    let (next, previous) = (page.next.clone(), page.previous.clone());
    let rows = rows_of(&cx, spec, page);
    let is_all = next.is_none() && previous.is_none() && asked.query.cursor.is_none();
    let count = if too_much {
        None
    } else if is_all {
        // Of a page that is all there is, without those rows that they do not see.
        Some(rows.len() as u64)
    } else {
        counted(&cx, spec, &asked).await?
    };
    let drill = if too_much { Vec::new() } else { drilled(&cx, admin, &asked.params).await? };
    let texts = columns::texts(&cx, spec, &asked.columns, &rows).await?;
    let mut params = asked.params;
    name_related(&cx, spec, &mut params.active).await?;
    let mut filters = filters::views(&cx, spec, &params, cx.query());
    let counts = params.facets && !too_much;
    let facets = facets::put(&cx, admin, &asked.columns, counts, &mut filters).await?;
    let page = ListPage {
        nothing: match rows.is_empty() {
            _ if too_much => Nothing::TooMuch,
            false => Nothing::Rows,
            true if !params.active.is_empty() || !params.search.is_empty() || params.query.cursor.is_some() => {
                Nothing::NoMatch
            }
            true if params.trash => Nothing::EmptyTrash,
            true => Nothing::FirstUse,
        },
        drawn: crate::http::iso(&drawn),
        ..list_page(
            &cx,
            admin,
            Parts { columns: asked.columns, params, rows, next, previous, texts, count, drill, views, filters, facets },
        )
    };
    cx.page(&page)
}

/// A page that says what is wrong with the address, with a way to the list without parameters.
fn refused(cx: &Cx, spec: &Spec, error: AdminError) -> Reply {
    let what = match &error {
        AdminError::Query(what) => what.clone(),
        AdminError::Resource(ResourceError::Query(problems)) => {
            let all: Vec<String> = problems.iter().map(|p| format!("`{}` {}", p.path, p.message)).collect();
            all.join("; ")
        }
        _ => return Err(error),
    };
    let shell = cx.shell("This is no address of the list").crumb(&spec.plural, format!("{}?{VIEW}=all", spec.url()));
    let page = RefusedPage { shell, what, reset: format!("{}?{VIEW}=all", spec.url()) };
    cx.page_with(StatusCode::BAD_REQUEST, &page)
}

/// How many rows match, as far as they are counted; none where that took too long.
async fn counted(cx: &Cx, spec: &Spec, asked: &Asked) -> Result<Option<u64>, AdminError> {
    let (resources, writer) = (cx.state().resources(), cx.writer());
    let counting = resources.count_up_to(spec.model, &writer, &asked.query, limits::LISTED_ROWS + 1);
    match tokio::time::timeout(limits::COUNT_TIME, counting).await {
        Ok(Ok(count)) => Ok(Some(count)),
        Ok(Err(ResourceError::Store(error))) if error.is_transient() => Ok(None),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// A number of rows in words.
pub(super) fn count_text(count: Option<u64>) -> String {
    match count {
        None => "…".to_owned(),
        Some(count) if count > limits::LISTED_ROWS => format!("{}k+", limits::LISTED_ROWS / 1_000),
        Some(count) => count.to_string(),
    }
}

/// A time of a cell in the zone of whoever looks.
pub(crate) fn shown_time(prefs: &Prefs, time: &str) -> String {
    time.parse::<DateTime<Utc>>().map_or_else(|_| time.to_owned(), |time| prefs.time(time))
}

/// Puts the names of related rows into the chips.
async fn name_related(cx: &Cx, spec: &Spec, active: &mut [Active]) -> Result<(), AdminError> {
    for one in active {
        let Some(column) = one.related else { continue };
        let Some(target) = spec.model.column(column).and_then(|column| column.references) else { continue };
        let id = cx.query().text(&one.name).to_owned();
        if let Some((text, _)) = named(cx, target, vec![json!(id)]).await?.remove(&id) {
            one.said = text;
        }
    }
    Ok(())
}

/// The years, months or days below where one is, and those above.
async fn drilled(cx: &Cx, admin: &Arc<dyn AnyAdmin>, params: &Params) -> Result<Vec<Crumbed>, AdminError> {
    let spec = admin.spec();
    let Some(column) = spec.date_hierarchy.filter(|column| sees(cx, spec, column)) else { return Ok(Vec::new()) };
    let rest = cx.query().without(&[CURSOR, params::DRILL]);
    let url = |drill: Option<Drill>| match drill {
        Some(drill) => format!("{}{}", cx.path(), rest.with(params::DRILL, drill.text()).to_query()),
        None => format!("{}{}", cx.path(), or_all(&rest)),
    };
    let mut all = Vec::new();
    if let Some(drill) = params.drill {
        all.push(Crumbed { label: "All dates".to_owned(), url: url(None), current: false });
        let mut above: Vec<Drill> = std::iter::successors(drill.above(), |drill| drill.above()).collect();
        above.reverse();
        all.extend(above.into_iter().map(|d| Crumbed { label: d.label(), url: url(Some(d)), current: false }));
        all.push(Crumbed { label: drill.label(), url: url(Some(drill)), current: true });
    }
    let (Some(oldest), Some(newest)) =
        (edge(cx, admin, params, column, false).await?, edge(cx, admin, params, column, true).await?)
    else {
        return Ok(all);
    };
    let below = Drill::below(params.drill, oldest, newest, cx.prefs().zone);
    all.extend(below.into_iter().map(|d| Crumbed { label: d.label(), url: url(Some(d)), current: false }));
    Ok(all)
}

/// The oldest or the newest time of the rows that match: one look at the end of an index.
async fn edge(
    cx: &Cx,
    admin: &Arc<dyn AnyAdmin>,
    params: &Params,
    column: &'static str,
    descending: bool,
) -> Result<Option<DateTime<Utc>>, AdminError> {
    let spec = admin.spec();
    let mut query = ListQuery {
        ordering: vec![Ordering { column, descending }],
        cursor: None,
        limit: 1,
        fields: vec![column],
        ..params.query.clone()
    };
    if spec.model.column(column).is_some_and(|column| column.nullable) {
        query = query.filter(column, Comparison::IsNull, vec![json!(false)]);
    }
    let query = if params.trash { trashed(admin.as_ref(), cx, query) } else { narrowed(admin.as_ref(), cx, query) };
    let (resources, writer) = (cx.state().resources(), cx.writer());
    let listing = resources.list(spec.model, &writer, &query);
    let Ok(page) = tokio::time::timeout(limits::COUNT_TIME, listing).await else { return Ok(None) };
    let page = page?;
    let text = plain(page.results.first().and_then(|row| row.get(column)));
    Ok(text.parse().ok())
}

struct Parts {
    columns: Vec<ListColumn>,
    params: Params,
    rows: Vec<Row>,
    next: Option<String>,
    previous: Option<String>,
    texts: Texts,
    count: Option<u64>,
    drill: Vec<Crumbed>,
    views: ViewBar,
    filters: Vec<FilterView>,
    facets: Facets,
}

fn list_page(cx: &Cx, admin: &Arc<dyn AnyAdmin>, parts: Parts) -> ListPage {
    let spec = admin.spec();
    let Parts { columns, params, rows, next, previous, texts, count, drill, views, filters, facets } = parts;
    let query = cx.query();
    let path = cx.path().to_owned();
    let address = |fields: &Fields| format!("{path}{}", or_all(fields));
    let placed = query.without(&[CURSOR]);
    let at = |cursor: Option<String>| {
        cursor.map(|cursor| format!("{path}{}", placed.with(CURSOR, cursor).to_query())).unwrap_or_default()
    };
    let chip = |active: &Active| Chip {
        label: format!("{}: {}", active.label, active.said),
        remove: address(&query.without(&[CURSOR, &active.name])),
    };
    let mut chips: Vec<Chip> = params.active.iter().map(chip).collect();
    if !params.search.is_empty() {
        let remove = address(&query.without(&[CURSOR, params::SEARCH]));
        chips.push(Chip { label: format!("Search: {}", params.search), remove });
    }
    let editing = Editing::of(cx, admin, &columns, params.trash);
    let rows: Vec<RowView> = rows.iter().map(|row| row_view(cx, spec, &columns, row, &texts, &editing)).collect();
    let actions = if params.trash { Vec::new() } else { super::actions::offered(cx, spec) };
    let selectable = !actions.is_empty() && has_ids(spec);
    let mut kept: Vec<(String, String)> = query.without(&[CURSOR, params::SEARCH]).pairs().to_vec();
    if kept.is_empty() {
        kept.push((VIEW.to_owned(), "all".to_owned()));
    }
    let export = query.without(&[CURSOR, VIEW, params::FACETS]);
    let exported = |format: &'static str| format!("{path}export/{}", export.with("format", format).to_query());
    let may_export = spec.export.is_some() && !params.trash;
    let can_add = spec.allows(cx, Verb::Add, None);
    let mut more = Vec::new();
    if cx.can("audit.view_entry") {
        more.push(("History", format!("{path}history/")));
    }
    if has_ids(spec) && (selectable || !spec.actions.is_empty()) {
        more.push(("Runs", format!("{path}runs/")));
    }
    if spec.deleted_at.is_some() && !params.trash {
        more.push(("Trash", format!("{path}?{}=1", params::TRASH)));
    }
    let mut shell = cx.shell(if params.trash { format!("{} in the trash", spec.plural) } else { spec.plural.clone() });
    if params.trash {
        shell = shell.crumb(&spec.plural, format!("{path}?{VIEW}=all"));
    }
    ListPage {
        views,
        plural: spec.plural.clone(),
        noun: spec.noun.clone(),
        search: spec.search.then(|| params.search.clone()),
        kept,
        chips,
        clear: address(&query.only(&[params::TRASH, params::FACETS])),
        filters,
        facets,
        drill,
        heads: columns::heads(cx, spec, &columns, &params, query),
        selectable,
        editable: editing.any(),
        actions,
        query: placed.without(&[VIEW]).to_query(),
        across: if next.is_some() || previous.is_some() { count_text(count) } else { String::new() },
        count: count_text(count),
        next: at(next),
        previous: at(previous),
        nothing: Nothing::Rows,
        add: if can_add { format!("{path}add/") } else { String::new() },
        import: if can_add && spec.import.is_some() { format!("{path}import/") } else { String::new() },
        exports: if may_export {
            vec![("CSV", exported("csv")), ("JSON lines", exported("jsonl"))]
        } else {
            Vec::new()
        },
        trash: params.trash,
        drawn: String::new(),
        more,
        rows,
        shell,
        path,
    }
}

fn row_view(cx: &Cx, spec: &Spec, columns: &[ListColumn], whole: &Row, texts: &Texts, editing: &Editing) -> RowView {
    let row = &whole.fields;
    let id = plain(row.get(spec.model.key));
    let url = spec.row_url(&id);
    let cell = |(index, column): (usize, &ListColumn)| CellView {
        label: column.label.clone(),
        number: matches!(&column.shows, crate::column::Shows::Field(name)
            if spec.model.column(name).is_some_and(|c| matches!(c.kind, ColumnKind::Integer | ColumnKind::Double))),
        cell: match columns::cell(spec, column, row, texts) {
            // The first column leads to the row, and nowhere else.
            Cell::Link { text, .. } if index == 0 => Cell::Text(text),
            cell => cell,
        },
        edit: if index == 0 { None } else { editing.cell(cx, column, whole) },
    };
    let cells: Vec<CellView> = columns.iter().enumerate().map(cell).collect();
    let name = if sees(cx, spec, spec.text) { plain(row.get(spec.text)) } else { String::new() };
    let name = if name.is_empty() { crate::column::short(&id) } else { name };
    let operate = spec.row_link.and_then(|link| link(row)).filter(|(_, url)| crate::nav::may_open(cx, url));
    let mut links: Vec<(String, String)> = operate.into_iter().collect();
    if editing.trash && spec.allows(cx, Verb::Delete, Some(whole)) {
        links.push(("Restore…".to_owned(), format!("{}{id}/restore/", spec.url())));
    }
    let version = whole.version.filter(|_| editing.any());
    RowView { id, url, name, version, cells, links }
}
