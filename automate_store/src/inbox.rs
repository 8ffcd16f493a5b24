//! The inbox of received requests: looking through it, and one request for delivering it again.

use automate_core::ids::{EventId, TenantId, first_v7_at};
use automate_core::limits;
use automate_core::store::{NewWebhookRequest, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryResult, Statement, TryGetable, Value};
use uuid::Uuid;

use crate::db::Database;
use crate::error::store_error;
use crate::models::events::webhook_request::{Column, Entity};

/// How far around an event its executions are looked for: they are accepted with it.
const AROUND: TimeDelta = TimeDelta::seconds(60);

/// A request as it was recorded; `None` where the tenant has none of that id.
///
/// # Errors
/// Those of the database.
pub async fn request(db: &Database, tenant: TenantId, id: Uuid) -> Result<Option<NewWebhookRequest>, StoreError> {
    db.run(move |db| async move {
        let row = Entity::find_by_id(id).filter(Column::TenantId.eq(tenant.0)).one(db.orm_reader()).await;
        let Some(row) = row.map_err(store_error)? else { return Ok(None) };
        Ok(Some(NewWebhookRequest {
            id: EventId(row.id),
            path: row.path,
            method: row.method,
            headers: row.headers.into(),
            body: row.body,
            body_bytes: row.body_bytes,
            remote_addr: row.remote_addr,
            signature: row.signature,
            http_status: row.http_status,
            received_at: row.received_at,
        }))
    })
    .await
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Whatever.
    Any,
    /// It was taken, for the first time.
    Taken,
    /// It was delivered before, in the same words or in others.
    Repeated,
    /// It was refused.
    Refused,
}

/// Which requests are looked for. Everything that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxQuery {
    /// Only those to this path.
    pub path: Option<String>,
    /// What became of them.
    pub outcome: Outcome,
    /// Only those received at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only those received before this.
    pub before: Option<DateTime<Utc>>,
    /// Only older ones than this.
    pub after: Option<Uuid>,
    /// Rows of the page.
    pub limit: u64,
}

/// A request without its headers and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Its id.
    pub id: Uuid,
    /// The path under the tenant's address.
    pub path: String,
    /// How long its body was.
    pub body_bytes: i64,
    /// Who sent it.
    pub remote_addr: Option<String>,
    /// What checking its signature said.
    pub signature: String,
    /// What was answered.
    pub http_status: i16,
    /// When.
    pub received_at: DateTime<Utc>,
}

/// A look into the inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxPage {
    /// What was found, the newest first.
    pub rows: Vec<InboxRow>,
    /// Where to look on, where there may be older ones.
    pub next: Option<Uuid>,
    /// The look ended at its bound, before the page was full.
    pub cut: bool,
}

/// Looks through a tenant's requests, `limits::INBOX_LOOKED_AT` of the installation's at most: there is
/// no index by what one looks for, since every delivery would pay for it.
///
/// # Errors
/// Those of the database.
pub async fn look(db: &Database, tenant: TenantId, query: InboxQuery) -> Result<InboxPage, StoreError> {
    db.run(move |db| async move {
        let mut values: Vec<Value> = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut range = String::from("1 = 1");
        if let Some(after) = query.after {
            range += &format!(" AND id < {}", bind(after.into()));
        }
        if let Some(from) = query.from {
            range += &format!(" AND id >= {}", bind(first_v7_at(from).into()));
        }
        if let Some(before) = query.before {
            range += &format!(" AND id < {}", bind(first_v7_at(before).into()));
        }
        let most = limits::INBOX_LOOKED_AT;
        let last =
            format!("SELECT id FROM webhook_requests WHERE {range} ORDER BY id DESC LIMIT 1 OFFSET {}", most - 1);
        let range_values = values.clone();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut wanted = format!("tenant_id = {}", bind(tenant.0.into()));
        if let Some(path) = query.path {
            wanted += &format!(" AND path = {}", bind(path.into()));
        }
        wanted += match query.outcome {
            Outcome::Any => "",
            Outcome::Taken => " AND signature = 'ok'",
            Outcome::Repeated => " AND signature IN ('DUPLICATE', 'DELIVERY_CONFLICT')",
            Outcome::Refused => " AND signature NOT IN ('ok', 'DUPLICATE', 'DELIVERY_CONFLICT')",
        };
        let sql = format!(
            "SELECT * FROM (SELECT id, tenant_id, path, body_bytes, remote_addr, signature, http_status, received_at \
             FROM webhook_requests WHERE {range} ORDER BY id DESC LIMIT {most}) looked WHERE {wanted} \
             ORDER BY id DESC LIMIT {}",
            query.limit + 1
        );
        let mut rows = rows(&db, &sql, values).await?.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        if rows.len() as u64 > query.limit {
            rows.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
            let next = rows.last().map(|row| row.id);
            return Ok(InboxPage { rows, next, cut: false });
        }
        let end = self::rows(&db, &last, range_values).await?;
        let next = end.first().map(|row| get::<Uuid>(row, "id")).transpose()?;
        Ok(InboxPage { rows, next, cut: next.is_some() })
    })
    .await
}

/// The executions that an event started: `(id, workflow, status)`, `limits::EVENT_EXECUTIONS` at most.
/// They are accepted with it, so they are looked for around its time.
///
/// # Errors
/// Those of the database.
pub async fn started_by(
    db: &Database,
    tenant: TenantId,
    event: EventId,
    received_at: DateTime<Utc>,
) -> Result<Vec<(Uuid, String, String)>, StoreError> {
    db.run(move |db| async move {
        let sql = format!(
            "SELECT id, workflow, status FROM executions WHERE tenant_id = $1 AND id >= $2 AND id < $3 \
             AND event_id = $4 ORDER BY id LIMIT {}",
            limits::EVENT_EXECUTIONS
        );
        let (first, last) = (first_v7_at(received_at - AROUND), first_v7_at(received_at + AROUND));
        let values = vec![tenant.0.into(), first.into(), last.into(), event.0.into()];
        let started = |row: &QueryResult| Ok((get(row, "id")?, get(row, "workflow")?, get(row, "status")?));
        rows(&db, &sql, values).await?.iter().map(started).collect()
    })
    .await
}

async fn rows(db: &Database, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
    let reader = db.orm_reader();
    let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
    reader.query_all_raw(statement).await.map_err(store_error)
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}

fn row(row: &QueryResult) -> Result<InboxRow, StoreError> {
    Ok(InboxRow {
        id: get(row, "id")?,
        path: get(row, "path")?,
        body_bytes: get(row, "body_bytes")?,
        remote_addr: get(row, "remote_addr")?,
        signature: get(row, "signature")?,
        http_status: get(row, "http_status")?,
        received_at: get(row, "received_at")?,
    })
}
