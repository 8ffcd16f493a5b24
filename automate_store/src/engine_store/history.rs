//! Reading history: executions, steps, logs, events.

use std::collections::HashMap;

use automate_core::ids::{EventId, ExecutionId, TenantId};
use automate_core::store::{
    EventRecord, ExecutionQuery, ExecutionRecord, LoadedExecution, StepLog, StepRecord, StoreError,
};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::rows;
use crate::db::Database;
use crate::error::store_error;

/// Rows of a page at most.
const PAGE: usize = 200;
/// Rows that one statement asks for by id.
const IDS: usize = 256;

/// Runs a statement that reads.
pub(super) async fn select<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.query_all_raw(statement).await.map_err(store_error)
}

/// Runs a statement that answers one row or none.
pub(super) async fn select_one<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<QueryResult>, StoreError> {
    Ok(select(connection, sql, values).await?.into_iter().next())
}

/// Runs `… IN (…)` over any number of ids, with few different texts: the list is filled up with
/// its last id.
pub(super) async fn select_in<C: ConnectionTrait>(
    connection: &C,
    head: &str,
    ids: &[uuid::Uuid],
    tail: &str,
) -> Result<Vec<QueryResult>, StoreError> {
    let mut found = Vec::new();
    for group in ids.chunks(IDS) {
        let places: Vec<String> = (1..=group.len().next_power_of_two()).map(|place| format!("${place}")).collect();
        let last = group.last().copied().unwrap_or_default();
        let values = (0..places.len()).map(|place| Value::from(group.get(place).copied().unwrap_or(last))).collect();
        found.append(&mut select(connection, &format!("{head} IN ({}){tail}", places.join(",")), values).await?);
    }
    Ok(found)
}

/// One execution.
pub(super) async fn execution(db: Database, tenant: TenantId, id: ExecutionId) -> Result<ExecutionRecord, StoreError> {
    let sql = format!("SELECT {} FROM executions WHERE id = $1 AND tenant_id = $2", rows::EXECUTION);
    let row = select_one(db.orm_reader(), &sql, vec![id.0.into(), tenant.0.into()]).await?;
    rows::execution(&row.ok_or_else(|| no_execution(id))?)
}

/// The error for an execution that is not there, or not this tenant's.
pub(super) fn no_execution(id: ExecutionId) -> StoreError {
    StoreError::NotFound(format!("execution {id}"))
}

fn conditions(tenant: TenantId, query: &ExecutionQuery) -> (String, Vec<Value>) {
    let mut sql = "tenant_id = $1".to_owned();
    let mut values: Vec<Value> = vec![tenant.0.into()];
    if let Some(workflow) = &query.workflow {
        values.push(workflow.as_str().into());
        sql.push_str(&format!(" AND workflow = ${}", values.len()));
    }
    if let Some(status) = query.status {
        // One of our own words, as a literal: a partial index cannot be proven for a parameter.
        sql.push_str(&format!(" AND status = '{}'", status.as_str()));
    }
    (sql, values)
}

/// A page, newest first.
pub(super) async fn executions(
    db: Database,
    tenant: TenantId,
    query: ExecutionQuery,
) -> Result<Vec<ExecutionRecord>, StoreError> {
    let (mut conditions, mut values) = conditions(tenant, &query);
    if let Some(before) = query.before {
        values.push(before.0.into());
        conditions.push_str(&format!(" AND id < ${}", values.len()));
    }
    let limit = query.limit.clamp(1, PAGE);
    let sql = format!("SELECT {} FROM executions WHERE {conditions} ORDER BY id DESC LIMIT {limit}", rows::EXECUTION);
    select(db.orm_reader(), &sql, values).await?.iter().map(rows::execution).collect()
}

/// How many there are.
pub(super) async fn count(db: Database, tenant: TenantId, query: ExecutionQuery) -> Result<u64, StoreError> {
    let (conditions, values) = conditions(tenant, &query);
    let sql = format!("SELECT count(*) AS n FROM executions WHERE {conditions}");
    let row = select_one(db.orm_reader(), &sql, values).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "n")).map_err(store_error)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The steps of an execution, in the order they began.
pub(super) async fn steps(db: Database, tenant: TenantId, id: ExecutionId) -> Result<Vec<StepRecord>, StoreError> {
    let sql = format!("SELECT {} FROM steps WHERE execution_id = $1 AND tenant_id = $2 ORDER BY seq, path", rows::STEP);
    select(db.orm_reader(), &sql, vec![id.0.into(), tenant.0.into()]).await?.iter().map(rows::step).collect()
}

/// The log lines of an execution, oldest first.
pub(super) async fn logs(db: Database, tenant: TenantId, id: ExecutionId) -> Result<Vec<StepLog>, StoreError> {
    let sql = format!("SELECT {} FROM step_logs WHERE execution_id = $1 AND tenant_id = $2 ORDER BY at, id", rows::LOG);
    select(db.orm_reader(), &sql, vec![id.0.into(), tenant.0.into()]).await?.iter().map(rows::log).collect()
}

/// One event.
pub(super) async fn event(db: Database, tenant: TenantId, id: EventId) -> Result<EventRecord, StoreError> {
    let sql = format!("SELECT {} FROM events WHERE id = $1 AND tenant_id = $2", rows::EVENT);
    let row = select_one(db.orm_reader(), &sql, vec![id.0.into(), tenant.0.into()]).await?;
    rows::event(&row.ok_or_else(|| StoreError::NotFound(format!("event {id}")))?)
}

/// Which of these somebody wants cancelled.
pub(super) async fn cancel_requests(db: Database, ids: Vec<ExecutionId>) -> Result<Vec<ExecutionId>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.0).collect();
    let head = "SELECT id FROM executions WHERE cancel_requested_at IS NOT NULL AND id";
    select_in(db.orm_reader(), head, &ids, "").await?.iter().map(|row| rows::id_of(row, "id")).collect()
}

/// Executions with their events and steps, in three queries. On PostgreSQL they read one after the
/// other; nobody but the holder of the claim, who asks, changes what they read.
pub(super) async fn load(
    db: Database,
    ids: Vec<ExecutionId>,
) -> Result<Vec<(ExecutionId, Result<LoadedExecution, StoreError>)>, StoreError> {
    let reader = db.orm_reader();
    let keys: Vec<_> = ids.iter().map(|id| id.0).collect();
    let head = format!("SELECT {} FROM executions WHERE id", rows::EXECUTION);
    let mut found: HashMap<ExecutionId, Result<LoadedExecution, StoreError>> = HashMap::with_capacity(ids.len());
    let mut events = Vec::new();
    for row in select_in(reader, &head, &keys, "").await? {
        let loaded = rows::execution(&row).map(|execution| {
            events.extend(execution.event_id.map(|id| id.0));
            LoadedExecution { execution, event: None, steps: Vec::new() }
        });
        found.insert(rows::id_of(&row, "id")?, loaded);
    }

    events.sort_unstable();
    events.dedup();
    let head = format!("SELECT {} FROM events WHERE id", rows::EVENT);
    let mut events_found: HashMap<EventId, Result<EventRecord, StoreError>> = HashMap::with_capacity(events.len());
    for row in select_in(reader, &head, &events, "").await? {
        let id = EventId(row.try_get("", "id").map_err(store_error)?);
        events_found.insert(id, rows::event(&row));
    }

    let head = format!("SELECT {} FROM steps WHERE execution_id", rows::STEP);
    for row in select_in(reader, &head, &keys, " ORDER BY execution_id, seq, path").await? {
        let Some(place) = found.get_mut(&rows::id_of(&row, "execution_id")?) else { continue };
        if let Ok(loaded) = place {
            match rows::step(&row) {
                Ok(step) => loaded.steps.push(step),
                Err(error) => *place = Err(error),
            }
        }
    }

    Ok(ids
        .into_iter()
        .map(|id| {
            let loaded = found.remove(&id).unwrap_or_else(|| Err(no_execution(id))).and_then(|mut loaded| {
                if let Some(event) = loaded.execution.event_id {
                    let missing = || Err(StoreError::Corrupt(format!("execution {id}: its event {event} is gone")));
                    loaded.event = Some(events_found.get(&event).cloned().unwrap_or_else(missing)?);
                }
                Ok(loaded)
            });
            (id, loaded)
        })
        .collect())
}
