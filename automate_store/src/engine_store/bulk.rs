//! Operations over many executions: selecting, starting, looking, ending.

use std::collections::HashMap;

use automate_core::ids::{BulkId, ExecutionId, TenantId, VersionId};
use automate_core::limits;
use automate_core::outbox::{BULK_KIND, NewOutboxItem};
use automate_core::status::{BulkItemStatus, BulkStatus, OutboxStatus};
use automate_core::store::{
    BegunSteps, BulkItem, BulkItemQuery, BulkPage, BulkRecord, ExecutionError, NewBulk, Selected, SelectedExecution,
    Selection, StoreError,
};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Value};
use uuid::Uuid;

use super::facts::count;
use super::history::{select, select_in, select_one};
use super::operate::{execute, for_update, sql_time};
use super::rows;
use crate::db::Database;
use crate::error::store_error;
use crate::outbox::TransactionalOutbox;

/// Rows of a page at most.
const PAGE: usize = 200;
/// Steps of workflows that a preview names at most.
const BEGUN: usize = 200;
/// The columns that [`record`] reads.
pub(super) const BULK: &str = "id, tenant_id, operation, selection, parameters, rate, status, created_by, created_at, \
    started_at, finished_at, cancel_requested_at";
/// The columns that [`one`] reads.
pub(super) const ITEM: &str = "position, execution_id, status, code, message, result_id, finished_at";

/// A selection as the conditions of a statement over `executions e`; its parameters come first.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(backend: DbBackend, tenant: TenantId, selection: &Selection) -> Self {
        let mut made = Self { sql: "e.tenant_id = $1".to_owned(), values: vec![tenant.0.into()] };
        if !selection.ids.is_empty() {
            let places: Vec<String> = selection.ids.iter().map(|id| made.bind(id.0)).collect();
            made.and(&format!("e.id IN ({})", places.join(", ")));
        }
        if let Some(workflow) = &selection.workflow {
            let place = made.bind(workflow.as_str());
            made.and(&format!("e.workflow = {place}"));
        }
        if !selection.statuses.is_empty() {
            // Our own words, as literals: a partial index cannot be proven for a parameter.
            let words: Vec<String> = selection.statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
            made.and(&format!("e.status IN ({})", words.join(", ")));
        }
        if let Some(from) = selection.created_from {
            let place = made.bind(from);
            made.and(&format!("e.created_at >= {place}"));
        }
        if let Some(before) = selection.created_before {
            let place = made.bind(before);
            made.and(&format!("e.created_at < {place}"));
        }
        if let Some(seen) = selection.as_of {
            let place = made.bind(seen);
            made.and(&format!("e.created_at < {place} AND (e.finished_at IS NULL OR e.finished_at < {place})"));
        }
        if let Some(code) = &selection.error_code {
            // The error is written by this program alone, so its text begins so.
            let begins = format!("{{\"code\":{}", super::progress::json(code));
            let length = begins.chars().count();
            let place = made.bind(begins);
            made.and(&format!("substr(e.error, 1, {length}) = {place}"));
        }
        if selection.dead_letters {
            let key = match backend {
                // `CASE`, because PostgreSQL may look at the key before it looks at the kind.
                DbBackend::Postgres => "CASE WHEN o.kind = 'execution' THEN o.key::uuid END",
                _ => "unhex(o.key, '-')",
            };
            made.and(&format!(
                "e.id IN (SELECT {key} FROM outbox o WHERE o.status = 'FAILED' AND o.kind = 'execution')"
            ));
        }
        made
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    async fn count<C: ConnectionTrait>(&self, connection: &C) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT count(*) AS n FROM (SELECT 1 FROM executions e WHERE {} LIMIT {}) q",
            self.sql,
            limits::BULK_EXECUTIONS + 1
        );
        count(connection, &sql, self.values.clone()).await
    }
}

/// What an operation would select.
pub(super) async fn preview(db: Database, tenant: TenantId, selection: Selection) -> Result<Selected, StoreError> {
    let reader = db.orm_reader();
    let conditions = Conditions::of(reader.get_database_backend(), tenant, &selection);
    let count = conditions.count(reader).await?;
    let sql = format!(
        "SELECT e.id, e.workflow, e.version, e.status, e.created_at, e.error FROM executions e WHERE {} \
         ORDER BY e.id DESC LIMIT {}",
        conditions.sql,
        limits::BULK_SAMPLE
    );
    let sample = select(reader, &sql, conditions.values.clone()).await?;
    let sample = sample.iter().map(sampled).collect::<Result<_, _>>()?;
    let sql = format!(
        "SELECT e.workflow, e.version_id, s.path, s.uses, count(*) AS executions, \
         count(CASE WHEN s.status IN ('failed', 'cancelled', 'outcome_unknown') THEN 1 END) AS unfinished \
         FROM (SELECT e.id, e.workflow, e.version_id FROM executions e WHERE {} ORDER BY e.id DESC LIMIT {}) e \
         JOIN steps s ON s.execution_id = e.id \
         WHERE s.uses LIKE '%.%' AND (s.attempt > 0 OR s.rerun > 0) \
         GROUP BY e.workflow, e.version_id, s.path, s.uses ORDER BY e.workflow, executions DESC, s.path LIMIT {BEGUN}",
        conditions.sql,
        limits::BULK_LOOKED_AT
    );
    let begun = select(reader, &sql, conditions.values).await?;
    let begun = begun.iter().map(begun_steps).collect::<Result<_, _>>()?;
    Ok(Selected { count, sample, begun, looked_at: count.min(limits::BULK_LOOKED_AT) })
}

fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(|error| StoreError::Corrupt(format!("column `{column}`: {error}")))
}

fn number(row: &QueryResult, column: &str) -> Result<u64, StoreError> {
    Ok(u64::try_from(get::<i64>(row, column)?).unwrap_or(0))
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    get::<String>(row, column)?.parse().map_err(|error| StoreError::Corrupt(format!("column `{column}`: {error}")))
}

fn sampled(row: &QueryResult) -> Result<SelectedExecution, StoreError> {
    let error: Option<String> = get(row, "error")?;
    // One that cannot be read has no code to show.
    let error = error.and_then(|text| serde_json::from_str::<ExecutionError>(&text).ok());
    Ok(SelectedExecution {
        id: rows::id_of(row, "id")?,
        workflow: get(row, "workflow")?,
        version: get(row, "version")?,
        status: word(row, "status")?,
        created_at: get(row, "created_at")?,
        error_code: error.map(|error| error.code),
    })
}

fn begun_steps(row: &QueryResult) -> Result<BegunSteps, StoreError> {
    Ok(BegunSteps {
        workflow: get(row, "workflow")?,
        version_id: VersionId(get(row, "version_id")?),
        path: get(row, "path")?,
        uses: get(row, "uses")?,
        executions: number(row, "executions")?,
        unfinished: number(row, "unfinished")?,
    })
}

/// Stores an operation with what it selects, and queues it.
pub(super) async fn start(
    db: Database,
    now: DateTime<Utc>,
    tenant: TenantId,
    bulk: NewBulk,
) -> Result<BulkRecord, StoreError> {
    let txn = db.begin().await?;
    let mut conditions = Conditions::of(txn.get_database_backend(), tenant, &bulk.selection);
    let selected = conditions.count(&txn).await?;
    if selected > limits::BULK_EXECUTIONS {
        return Err(StoreError::Conflict(format!(
            "more than {} executions are selected, which is the most of one operation; narrow it down",
            limits::BULK_EXECUTIONS
        )));
    }
    let now = sql_time(txn.get_database_backend(), now);
    let sql = format!(
        "INSERT INTO bulk_operations (id, tenant_id, operation, selection, parameters, rate, status, created_by, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, {now})"
    );
    let values = vec![
        bulk.id.0.into(),
        tenant.0.into(),
        bulk.operation.as_str().into(),
        super::progress::json(&bulk.selection).into(),
        bulk.parameters.as_str().into(),
        bulk.rate.into(),
        bulk.created_by.replace('\0', "\u{fffd}").into(),
    ];
    execute(&txn, &sql, values).await?;
    let place = conditions.bind(bulk.id.0);
    let sql = format!(
        "INSERT INTO bulk_items (bulk_id, position, execution_id, status) \
         SELECT {place}, CAST(row_number() OVER (ORDER BY e.id) AS integer), e.id, 'pending' \
         FROM executions e WHERE {}",
        conditions.sql
    );
    execute(&txn, &sql, conditions.values).await?;
    let item = NewOutboxItem::new(BULK_KIND, bulk.id.to_string(), serde_json::Value::Null);
    txn.enqueue(&[NewOutboxItem { tenant_id: tenant, ..item }]).await?;
    let record = get_counted(&txn, tenant, bulk.id).await?;
    txn.commit().await.map_err(store_error)?;
    Ok(record)
}

/// An operation without its counts.
pub(super) fn record(row: &QueryResult) -> Result<BulkRecord, StoreError> {
    let id = BulkId(get(row, "id")?);
    let json = |column: &str| -> Result<serde_json::Value, StoreError> {
        serde_json::from_str(&get::<String>(row, column)?)
            .map_err(|error| StoreError::Corrupt(format!("bulk operation {id}, column `{column}`: {error}")))
    };
    Ok(BulkRecord {
        id,
        tenant_id: TenantId(get(row, "tenant_id")?),
        operation: word(row, "operation")?,
        selection: serde_json::from_value(json("selection")?)
            .map_err(|error| StoreError::Corrupt(format!("bulk operation {id}, column `selection`: {error}")))?,
        parameters: json("parameters")?,
        rate: get(row, "rate")?,
        status: word(row, "status")?,
        created_by: get(row, "created_by")?,
        created_at: get(row, "created_at")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
        cancel_requested_at: get(row, "cancel_requested_at")?,
        total: 0,
        pending: 0,
        done: 0,
        failed: 0,
        skipped: 0,
    })
}

/// One execution of an operation.
pub(super) fn one(row: &QueryResult) -> Result<BulkItem, StoreError> {
    Ok(BulkItem {
        position: get(row, "position")?,
        execution_id: rows::id_of(row, "execution_id")?,
        status: word(row, "status")?,
        code: get(row, "code")?,
        message: get(row, "message")?,
        result_id: get::<Option<Uuid>>(row, "result_id")?.map(ExecutionId),
        finished_at: get(row, "finished_at")?,
    })
}

fn no_bulk(id: BulkId) -> StoreError {
    StoreError::NotFound(format!("bulk operation {id}"))
}

async fn counted<C: ConnectionTrait>(
    connection: &C,
    mut records: Vec<BulkRecord>,
) -> Result<Vec<BulkRecord>, StoreError> {
    let ids: Vec<Uuid> = records.iter().map(|record| record.id.0).collect();
    let head = "SELECT bulk_id, status, count(*) AS n FROM bulk_items WHERE bulk_id";
    let mut counts: HashMap<(Uuid, BulkItemStatus), u64> = HashMap::new();
    for row in select_in(connection, head, &ids, " GROUP BY bulk_id, status").await? {
        counts.insert((get(&row, "bulk_id")?, word(&row, "status")?), number(&row, "n")?);
    }
    for record in &mut records {
        let of = |status| counts.get(&(record.id.0, status)).copied().unwrap_or(0);
        record.pending = of(BulkItemStatus::Pending);
        record.done = of(BulkItemStatus::Done);
        record.failed = of(BulkItemStatus::Failed);
        record.skipped = of(BulkItemStatus::Skipped);
        record.total = record.pending + record.done + record.failed + record.skipped;
    }
    Ok(records)
}

async fn get_counted<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
    id: BulkId,
) -> Result<BulkRecord, StoreError> {
    let sql = format!("SELECT {BULK} FROM bulk_operations WHERE id = $1 AND tenant_id = $2");
    let row = select_one(connection, &sql, vec![id.0.into(), tenant.0.into()]).await?.ok_or_else(|| no_bulk(id))?;
    counted(connection, vec![record(&row)?]).await?.pop().ok_or_else(|| no_bulk(id))
}

/// One operation, counted.
pub(super) async fn of(db: Database, tenant: TenantId, id: BulkId) -> Result<BulkRecord, StoreError> {
    get_counted(db.orm_reader(), tenant, id).await
}

/// A page of operations, newest first.
pub(super) async fn list(db: Database, tenant: TenantId, page: BulkPage) -> Result<Vec<BulkRecord>, StoreError> {
    let mut values: Vec<Value> = vec![tenant.0.into()];
    let mut before = "";
    if let Some(id) = page.before {
        values.push(id.0.into());
        before = " AND id < $2";
    }
    let limit = page.limit.clamp(1, PAGE);
    let sql = format!("SELECT {BULK} FROM bulk_operations WHERE tenant_id = $1{before} ORDER BY id DESC LIMIT {limit}");
    let records = select(db.orm_reader(), &sql, values).await?.iter().map(record).collect::<Result<_, _>>()?;
    counted(db.orm_reader(), records).await
}

/// A page of what became of its executions.
pub(super) async fn items_of(
    db: Database,
    tenant: TenantId,
    id: BulkId,
    query: BulkItemQuery,
) -> Result<Vec<BulkItem>, StoreError> {
    let reader = db.orm_reader();
    let sql = "SELECT 1 AS there FROM bulk_operations WHERE id = $1 AND tenant_id = $2";
    select_one(reader, sql, vec![id.0.into(), tenant.0.into()]).await?.ok_or_else(|| no_bulk(id))?;
    let status = query.status.map(|status| format!(" AND status = '{}'", status.as_str())).unwrap_or_default();
    let limit = query.limit.clamp(1, PAGE);
    let sql = format!(
        "SELECT {ITEM} FROM bulk_items WHERE bulk_id = $1 AND position > $2{status} ORDER BY position LIMIT {limit}"
    );
    select(reader, &sql, vec![id.0.into(), query.after.into()]).await?.iter().map(one).collect()
}

/// Ends an operation, or asks its worker to.
pub(super) async fn cancel(
    db: Database,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: BulkId,
) -> Result<BulkRecord, StoreError> {
    let txn = db.begin().await?;
    let record = cancel_in(&txn, now, tenant, id).await?;
    txn.commit().await.map_err(store_error)?;
    Ok(record)
}

async fn cancel_in(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: BulkId,
) -> Result<BulkRecord, StoreError> {
    let backend = txn.get_database_backend();
    let sql = format!("SELECT id, status FROM outbox WHERE kind = $1 AND key = $2{}", for_update(backend));
    let item = select_one(txn, &sql, vec![BULK_KIND.into(), id.to_string().into()]).await?;
    let sql = format!("SELECT {BULK} FROM bulk_operations WHERE id = $1 AND tenant_id = $2{}", for_update(backend));
    let row = select_one(txn, &sql, vec![id.0.into(), tenant.0.into()]).await?.ok_or_else(|| no_bulk(id))?;
    match record(&row)?.status {
        BulkStatus::Completed | BulkStatus::Cancelled => return get_counted(txn, tenant, id).await,
        BulkStatus::Pending | BulkStatus::Running => {}
    }
    let now = sql_time(backend, now);
    let held = match &item {
        Some(row) => word::<OutboxStatus>(row, "status")? == OutboxStatus::Running,
        None => false,
    };
    let set = if held { String::new() } else { format!(", status = 'cancelled', finished_at = {now}") };
    let sql = format!(
        "UPDATE bulk_operations SET cancel_requested_at = coalesce(cancel_requested_at, {now}){set} WHERE id = $1"
    );
    execute(txn, &sql, vec![id.0.into()]).await?;
    if let Some(row) = item.filter(|_| !held) {
        execute(txn, "DELETE FROM outbox WHERE id = $1", vec![get::<Uuid>(&row, "id")?.into()]).await?;
    }
    get_counted(txn, tenant, id).await
}
