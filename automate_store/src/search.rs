//! Searching executions. Whatever is asked for, one index is walked from its newest end, and no
//! further than [`limits::SEARCHED_EXECUTIONS`] rows: a search takes as long with a million rows as
//! with a thousand, and says how far it looked.

mod read;

use automate_core::ids::{ExecutionId, TenantId, first_v7_at};
use automate_core::limits;
use automate_core::outbox::EXECUTION_KIND;
use automate_core::status::{ExecutionStatus, OutboxStatus};
use automate_core::store::{ExecutionError, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::db::Database;
use crate::error::store_error;
use crate::like::escaped;
use crate::workflows::of_workflow;

pub use read::{Noted, NotedLine, NotedQuery, logs, one, pulse};

/// How long an item may be due before it counts as stuck.
pub const STUCK_AFTER: TimeDelta = TimeDelta::minutes(5);

/// What a word of text is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Exactly it.
    Is(String),
    /// With `*` for any characters.
    Like(String),
}

/// What the queue says of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// A worker holds it.
    Held,
    /// The worker that holds it has not been heard of, or it is due for longer than [`STUCK_AFTER`].
    Stuck,
    /// Its item is a dead letter.
    Dead,
}

/// What is looked for; everything must fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecutionSearch {
    /// One of these; any where empty.
    pub statuses: Vec<ExecutionStatus>,
    /// What the queue says.
    pub queued: Option<Queued>,
    /// The workflow's slug.
    pub workflow: Option<Name>,
    /// One of these; any where empty.
    pub ids: Vec<Uuid>,
    /// Texts that the error has, code or message.
    pub errors: Vec<String>,
    /// Words of which each is in the workflow's slug, the error or the correlation id.
    pub words: Vec<String>,
    /// Accepted at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Accepted before this.
    pub created_before: Option<DateTime<Utc>>,
    /// As it was at this time: accepted before it, and not ended since.
    pub as_of: Option<DateTime<Utc>>,
    /// The correlation id.
    pub correlation: Option<String>,
    /// The kind of trigger.
    pub trigger: Option<String>,
    /// The event that started it.
    pub event: Option<Uuid>,
    /// The execution that started it.
    pub parent: Option<Uuid>,
    /// The execution that it repeats.
    pub replay_of: Option<Uuid>,
    /// The slowest first instead of the newest.
    pub slowest: bool,
}

/// Which page of what was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageOf {
    /// Only older ones.
    pub before: Option<Uuid>,
    /// Only newer ones, the nearest first; the page is answered newest first all the same.
    pub after: Option<Uuid>,
    /// Rows.
    pub limit: usize,
}

/// An execution without what it works on.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The workflow's slug.
    pub workflow: String,
    /// The number of its version.
    pub version: i32,
    /// That version.
    pub version_id: Uuid,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// What made it start, as it is stored.
    pub trigger: String,
    /// The event that started it.
    pub event_id: Option<Uuid>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// From 1; grows with each retry in place.
    pub attempt: i32,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The execution that started it.
    pub parent_id: Option<Uuid>,
    /// The execution that it repeats.
    pub replay_of: Option<Uuid>,
    /// Carried along.
    pub correlation_id: String,
    /// Since when somebody wants it cancelled.
    pub cancel_requested_at: Option<DateTime<Utc>>,
}

/// A page of what was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundPage {
    /// The newest first, or the slowest.
    pub rows: Vec<FoundExecution>,
    /// There are more behind it.
    pub more: bool,
    /// The search ended before it had a page, because it had looked at as many rows as one search
    /// may: at this one last. Looking on begins there.
    pub looked_to: Option<Uuid>,
}

pub(crate) const COLUMNS: &str = "id, workflow, version, version_id, status, trigger, event_id, error, attempt, \
    created_at, started_at, finished_at, parent_id, replay_of, correlation_id, cancel_requested_at";

/// A statement under construction.
struct Made {
    values: Vec<Value>,
}

impl Made {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn ids(&mut self, ids: &[Uuid]) -> String {
        let places: Vec<String> = ids.iter().map(|id| self.bind(*id)).collect();
        places.join(", ")
    }
}

/// The condition of the index over states, word by word: SQLite takes a partial index only where its
/// condition stands in the statement, and does not conclude it from one state.
pub(crate) const IN_INDEX: &str = "status IN ('pending', 'waiting', 'failed', 'cancelled')";

/// The states that the index knows.
pub(crate) const INDEXED: [ExecutionStatus; 4] =
    [ExecutionStatus::Pending, ExecutionStatus::Waiting, ExecutionStatus::Failed, ExecutionStatus::Cancelled];
/// The same as words.
pub(crate) const INDEXED_WORDS: &[&str] =
    &[INDEXED[0].as_str(), INDEXED[1].as_str(), INDEXED[2].as_str(), INDEXED[3].as_str()];

/// Looks for executions of a tenant.
///
/// # Errors
/// Those of the database.
pub async fn executions(
    db: &Database,
    tenant: TenantId,
    search: ExecutionSearch,
    page: PageOf,
) -> Result<FoundPage, StoreError> {
    db.run(move |db| async move { find(&db, tenant, &search, page).await }).await
}

async fn find(
    db: &Database,
    tenant: TenantId,
    search: &ExecutionSearch,
    page: PageOf,
) -> Result<FoundPage, StoreError> {
    let mut search = search.clone();
    if let Some(queued) = search.queued {
        let ids = queued_ids(db, tenant, queued).await?;
        search.ids =
            if search.ids.is_empty() { ids } else { ids.into_iter().filter(|id| search.ids.contains(id)).collect() };
        if search.ids.is_empty() {
            return Ok(FoundPage::default());
        }
    }
    let wanted = page.limit.saturating_add(1);
    let window = limits::SEARCHED_EXECUTIONS;
    let mut made = Made { values: Vec::new() };
    let walk = Walk::of(&search, page);
    let rest = rest(&search, &walk, &mut made);
    let whole = rest.is_empty() && !search.slowest;
    let inner = walk.sql(tenant, COLUMNS, if whole { wanted as u64 } else { window }, &mut made);
    let order = if search.slowest {
        // Times are text on SQLite.
        match db.orm_reader().get_database_backend() {
            DbBackend::Postgres => "finished_at - created_at DESC".to_owned(),
            _ => "julianday(finished_at) - julianday(created_at) DESC".to_owned(),
        }
    } else {
        format!("id {}", if page.after.is_some() { "ASC" } else { "DESC" })
    };
    let filter = if rest.is_empty() { String::new() } else { format!(" WHERE {}", rest.join(" AND ")) };
    let sql = format!("SELECT * FROM ({inner}) looked{filter} ORDER BY {order} LIMIT {wanted}");
    let mut rows = select(db, &sql, made.values).await?.iter().map(found).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    if page.after.is_some() && !search.slowest {
        rows.reverse();
    }
    let mut looked_to = None;
    if !whole && !more {
        let mut made = Made { values: Vec::new() };
        let inner = walk.sql(tenant, "id", window, &mut made);
        let last = if walk.ascending { "DESC" } else { "ASC" };
        // The last of a full window; a window that is not full ends where the executions end.
        let sql = format!(
            "SELECT id, (SELECT count(*) FROM ({inner}) counted) AS n FROM ({inner}) looked ORDER BY id {last} LIMIT 1"
        );
        let row = select(db, &sql, made.values).await?;
        if let Some(row) = row.first() {
            let n: i64 = get(row, "n")?;
            looked_to = (u64::try_from(n).unwrap_or(0) >= window).then(|| get(row, "id")).transpose()?;
        }
    }
    Ok(FoundPage { rows, more, looked_to })
}

/// Which index is walked, and from where to where.
struct Walk {
    statuses: Vec<ExecutionStatus>,
    workflow: Option<String>,
    ids: Vec<Uuid>,
    /// `id >`, `id >=`, `id <`.
    bounds: Vec<(&'static str, Uuid)>,
    ascending: bool,
}

impl Walk {
    fn of(search: &ExecutionSearch, page: PageOf) -> Self {
        let mut bounds = Vec::new();
        bounds.extend(search.created_from.map(|at| (">=", first_v7_at(at))));
        bounds.extend(search.created_before.map(|at| ("<", first_v7_at(at))));
        bounds.extend(search.as_of.map(|at| ("<", first_v7_at(at))));
        bounds.extend(page.before.map(|id| ("<", id)));
        bounds.extend(page.after.map(|id| (">", id)));
        // What an execution led to was made after it, soon after mostly.
        let source = search.parent.or(search.replay_of).or(search.event);
        bounds.extend(source.map(|id| (">", id)));
        let indexed = !search.statuses.is_empty() && search.statuses.iter().all(|status| INDEXED.contains(status));
        Self {
            statuses: if indexed && search.ids.is_empty() { search.statuses.clone() } else { Vec::new() },
            workflow: match &search.workflow {
                Some(Name::Is(slug)) if !indexed && search.ids.is_empty() => Some(slug.clone()),
                _ => None,
            },
            ids: search.ids.clone(),
            bounds,
            ascending: page.after.is_some() || (source.is_some() && page.before.is_none()),
        }
    }

    fn sql(&self, tenant: TenantId, columns: &str, most: u64, made: &mut Made) -> String {
        let mut conditions = format!("tenant_id = {}", made.bind(tenant.0));
        for (comparison, id) in &self.bounds {
            conditions.push_str(&format!(" AND id {comparison} {}", made.bind(*id)));
        }
        if let Some(workflow) = &self.workflow {
            conditions.push_str(&format!(" AND {}", of_workflow(&made.bind(workflow.as_str()))));
        }
        if !self.ids.is_empty() {
            conditions.push_str(&format!(" AND id IN ({})", made.ids(&self.ids)));
        }
        let order = if self.ascending { "ASC" } else { "DESC" };
        let by_workflow = if self.workflow.is_some() { format!("workflow {order}, ") } else { String::new() };
        let one = |status: &str| {
            format!(
                "SELECT {columns} FROM executions WHERE {conditions}{status} ORDER BY {by_workflow}id {order} LIMIT {most}"
            )
        };
        match self.statuses.as_slice() {
            [] => one(""),
            // Our own words as literals: a partial index cannot be proven for a parameter.
            [status] => one(&format!(" AND status = '{status}' AND {IN_INDEX}")),
            several => {
                let branches: Vec<String> = several
                    .iter()
                    .enumerate()
                    .map(|(n, status)| {
                        format!("SELECT * FROM ({}) s{n}", one(&format!(" AND status = '{status}' AND {IN_INDEX}")))
                    })
                    .collect();
                format!("SELECT * FROM ({}) u ORDER BY id {order} LIMIT {most}", branches.join(" UNION ALL "))
            }
        }
    }
}

/// Conditions that no index answers: they are looked at row by row.
fn rest(search: &ExecutionSearch, walk: &Walk, made: &mut Made) -> Vec<String> {
    let mut rest = Vec::new();
    if !search.statuses.is_empty() && walk.statuses.is_empty() {
        let words: Vec<String> = search.statuses.iter().map(|status| format!("'{status}'")).collect();
        // One that a worker holds runs, whatever was recorded of it last.
        if search.queued != Some(Queued::Held) {
            rest.push(format!("status IN ({})", words.join(", ")));
        }
    }
    match &search.workflow {
        Some(Name::Is(slug)) if walk.workflow.is_none() => {
            rest.push(format!("workflow = {}", made.bind(slug.as_str())));
        }
        Some(Name::Like(pattern)) => {
            rest.push(format!("workflow LIKE {} ESCAPE '!'", made.bind(like(&pattern.to_lowercase()))));
        }
        _ => {}
    }
    for text in &search.errors {
        rest.push(format!("lower(error) LIKE {} ESCAPE '!'", made.bind(inside(&as_stored(text)))));
    }
    for word in &search.words {
        let plain = made.bind(inside(&word.to_lowercase()));
        let stored = made.bind(inside(&as_stored(word)));
        rest.push(format!(
            "(lower(workflow) LIKE {plain} ESCAPE '!' OR lower(error) LIKE {stored} ESCAPE '!' \
             OR lower(correlation_id) LIKE {plain} ESCAPE '!')"
        ));
    }
    if let Some(correlation) = &search.correlation {
        rest.push(format!("correlation_id = {}", made.bind(correlation.as_str())));
    }
    if let Some(kind) = &search.trigger {
        // The trigger is written by this program alone, so its text has the kind like this.
        rest.push(format!("trigger LIKE {} ESCAPE '!'", made.bind(format!("%\"kind\":\"{}\"%", escaped(kind)))));
    }
    for (column, id) in [("event_id", search.event), ("parent_id", search.parent), ("replay_of", search.replay_of)] {
        if let Some(id) = id {
            rest.push(format!("{column} = {}", made.bind(id)));
        }
    }
    if let Some(seen) = search.as_of {
        rest.push(format!("(finished_at IS NULL OR finished_at < {})", made.bind(seen)));
    }
    if search.slowest {
        rest.push("finished_at IS NOT NULL".to_owned());
    }
    rest
}

/// A pattern in which `*` is anything.
fn like(pattern: &str) -> String {
    escaped(pattern).replace('*', "%")
}

fn inside(text: &str) -> String {
    format!("%{}%", escaped(text))
}

/// Text as it stands inside of stored JSON.
fn as_stored(text: &str) -> String {
    let json = serde_json::Value::from(text.to_lowercase()).to_string();
    json.trim_matches('"').to_owned()
}

async fn queued_ids(db: &Database, tenant: TenantId, queued: Queued) -> Result<Vec<Uuid>, StoreError> {
    let now = automate_core::clock::now();
    let mut made = Made { values: Vec::new() };
    let whose = format!("tenant_id = {} AND kind = '{EXECUTION_KIND}'", made.bind(tenant.0));
    let most = limits::LIST_IN;
    let sql = match queued {
        Queued::Held => format!(
            "SELECT key FROM outbox WHERE status = '{}' AND {whose} AND lease_expires_at >= {} LIMIT {most}",
            OutboxStatus::Running,
            made.bind(now)
        ),
        Queued::Dead => format!(
            "SELECT key FROM outbox WHERE status = '{}' AND {whose} ORDER BY id DESC LIMIT {most}",
            OutboxStatus::Failed
        ),
        Queued::Stuck => format!(
            "SELECT key FROM (SELECT key FROM outbox WHERE status = 'RUNNING' AND {whose} AND lease_expires_at < {} \
             ORDER BY lease_expires_at LIMIT {most}) lost \
             UNION ALL SELECT key FROM (SELECT key FROM outbox WHERE status IN ('PENDING', 'RETRY') AND {whose} \
             AND next_attempt_at < {} ORDER BY next_attempt_at LIMIT {most}) late",
            made.bind(now),
            made.bind(now.checked_sub_signed(STUCK_AFTER).unwrap_or(now))
        ),
    };
    let keys = select(db, &sql, made.values).await?;
    keys.iter().filter_map(|row| get::<String>(row, "key").map(|key| key.parse().ok()).transpose()).collect()
}

pub(crate) async fn select(db: &Database, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
    let reader = db.orm_reader();
    let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
    reader.query_all_raw(statement).await.map_err(store_error)
}

pub(crate) fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}

pub(crate) fn found(row: &QueryResult) -> Result<FoundExecution, StoreError> {
    let status: String = get(row, "status")?;
    let status = status.parse().map_err(|error| StoreError::Corrupt(format!("an execution: {error}")))?;
    let error: Option<String> = get(row, "error")?;
    let error = error.map(|text| serde_json::from_str(&text)).transpose();
    Ok(FoundExecution {
        id: ExecutionId(get(row, "id")?),
        workflow: get(row, "workflow")?,
        version: get(row, "version")?,
        version_id: get(row, "version_id")?,
        status,
        trigger: get(row, "trigger")?,
        event_id: get(row, "event_id")?,
        error: error.map_err(|error| StoreError::Corrupt(format!("an execution's error: {error}")))?,
        attempt: get(row, "attempt")?,
        created_at: get(row, "created_at")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
        parent_id: get(row, "parent_id")?,
        replay_of: get(row, "replay_of")?,
        correlation_id: get(row, "correlation_id")?,
        cancel_requested_at: get(row, "cancel_requested_at")?,
    })
}
