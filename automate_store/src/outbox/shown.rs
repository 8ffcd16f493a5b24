//! The queue as people look at it: pages of items by where they stand, groups of dead letters,
//! depths, leases. Each read goes along an index and ends at a bound, however long the queue is.

use std::collections::{BTreeMap, HashMap};

use automate_core::clock;
use automate_core::ids::{OutboxId, TenantId};
use automate_core::limits;
use automate_core::outbox::{ENDED_KIND, EXECUTION_KIND};
use automate_core::status::OutboxStatus;
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult};
use uuid::Uuid;

use super::row::get;
use super::statement::Sql;
use crate::db::Database;

/// Where an item stands, as people ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Ready, or waiting for its time.
    Waiting,
    /// A worker has it.
    InFlight,
    /// A dead letter.
    Dead,
    /// Done, and kept.
    Done,
    /// Any.
    Any,
}

impl Standing {
    /// The condition, word for word that of the index.
    const fn condition(self) -> &'static str {
        match self {
            Self::Waiting => " AND status IN ('PENDING', 'RETRY')",
            Self::InFlight => " AND status = 'RUNNING'",
            Self::Dead => " AND status = 'FAILED'",
            Self::Done => " AND status = 'COMPLETED'",
            Self::Any => "",
        }
    }

    /// The time that such items are ordered by; the id where there is none.
    const fn time(self) -> Option<&'static str> {
        match self {
            Self::Waiting => Some("next_attempt_at"),
            Self::InFlight => Some("lease_expires_at"),
            Self::Dead | Self::Done | Self::Any => None,
        }
    }
}

/// An item without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownItem {
    /// Its id.
    pub id: OutboxId,
    /// Which handler takes it.
    pub kind: String,
    /// What it is about.
    pub key: String,
    /// Where it stands.
    pub status: OutboxStatus,
    /// Lower goes first.
    pub priority: i16,
    /// Attempts that were charged.
    pub attempt_count: i32,
    /// Attempts after which it becomes a dead letter.
    pub max_attempts: i32,
    /// Not before this.
    pub next_attempt_at: DateTime<Utc>,
    /// Who has it.
    pub lease_owner: Option<String>,
    /// Until when, if it is not extended.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Leases that were lost since its last progress.
    pub lost_leases: i32,
    /// The code of the last failure.
    pub last_error_code: Option<String>,
    /// The last failure; in lists, its first `limits::OUTBOX_ERROR_SHOWN_CHARS` characters.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it was last changed: claimed, extended, given back.
    pub updated_at: DateTime<Utc>,
}

impl ShownItem {
    /// The execution that it is about, where it is about one.
    #[must_use]
    pub fn execution(&self) -> Option<Uuid> {
        execution_of(&self.kind, &self.key)
    }
}

fn execution_of(kind: &str, key: &str) -> Option<Uuid> {
    matches!(kind, EXECUTION_KIND | ENDED_KIND).then(|| key.parse().ok()).flatten()
}

/// Where a page of items ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The time that its last item is ordered by.
    pub at: DateTime<Utc>,
    /// Its last item.
    pub id: OutboxId,
}

/// Which items are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemsQuery {
    /// Where they stand.
    pub standing: Standing,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only those behind this place.
    pub after: Option<Place>,
    /// Rows of the page, 200 at most.
    pub limit: u64,
}

/// Items of a tenant: those that wait by when they are due, those in flight by the ends of their
/// leases, others the newest first. With the place where the next page begins, where there is one.
///
/// # Errors
/// Those of the database.
pub async fn items(
    db: &Database,
    tenant: TenantId,
    query: ItemsQuery,
) -> Result<(Vec<ShownItem>, Option<Place>), StoreError> {
    db.run(move |db| async move {
        let limit = query.limit.clamp(1, limits::OUTBOX_PAGE as u64);
        let mut sql = select(&db, &cut_error());
        sql.bind(tenant.0).push(query.standing.condition());
        if let Some(kind) = query.kind {
            sql.push(" AND kind = ").bind(kind);
        }
        match (query.standing.time(), query.after) {
            (Some(time), Some(after)) => {
                sql.push(&format!(" AND ({time}, id) > (")).bind_time(after.at).push(", ").bind(after.id.0).push(")");
            }
            (None, Some(after)) => {
                sql.push(" AND id < ").bind(after.id.0);
            }
            (_, None) => {}
        }
        match query.standing.time() {
            Some(time) => sql.push(&format!(" ORDER BY {time}, id")),
            None => sql.push(" ORDER BY id DESC"),
        };
        sql.push(&format!(" LIMIT {}", limit + 1));
        let mut items = sql.rows(db.orm_reader()).await?.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() as u64 > limit;
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = items.last().filter(|_| more).map(|last| Place {
            at: match query.standing {
                Standing::InFlight => last.lease_expires_at.unwrap_or(last.next_attempt_at),
                _ => last.next_attempt_at,
            },
            id: last.id,
        });
        Ok((items, next))
    })
    .await
}

/// An item of a tenant, with the whole of its error; `None` where the tenant has none of that id.
///
/// # Errors
/// Those of the database.
pub async fn item(db: &Database, tenant: TenantId, id: OutboxId) -> Result<Option<ShownItem>, StoreError> {
    db.run(move |db| async move {
        let mut sql = select(&db, "last_error");
        sql.bind(tenant.0).push(" AND id = ").bind(id.0);
        sql.row(db.orm_reader()).await?.as_ref().map(shown).transpose()
    })
    .await
}

fn cut_error() -> String {
    format!("substr(last_error, 1, {}) AS last_error", limits::OUTBOX_ERROR_SHOWN_CHARS)
}

fn select(db: &Database, error: &str) -> Sql {
    let mut sql = Sql::new(db.orm_reader().get_database_backend(), clock::now(), "SELECT ");
    sql.push("id, kind, key, status, priority, attempt_count, max_attempts, next_attempt_at, lease_owner, ");
    sql.push("lease_expires_at, lost_leases, last_error_code, created_at, updated_at, ").push(error);
    sql.push(" FROM outbox WHERE tenant_id = ");
    sql
}

fn shown(row: &QueryResult) -> Result<ShownItem, StoreError> {
    let id = OutboxId(get(row, "id")?);
    let status: String = get(row, "status")?;
    Ok(ShownItem {
        id,
        kind: get(row, "kind")?,
        key: get(row, "key")?,
        status: status.parse().map_err(|error| StoreError::Corrupt(format!("the outbox item {id}: {error}")))?,
        priority: get(row, "priority")?,
        attempt_count: get(row, "attempt_count")?,
        max_attempts: get(row, "max_attempts")?,
        next_attempt_at: get(row, "next_attempt_at")?,
        lease_owner: get(row, "lease_owner")?,
        lease_expires_at: get(row, "lease_expires_at")?,
        lost_leases: get(row, "lost_leases")?,
        last_error_code: get(row, "last_error_code")?,
        last_error: get(row, "last_error")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}

/// A dead letter, for grouping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id.
    pub id: OutboxId,
    /// Which handler took it.
    pub kind: String,
    /// What it is about.
    pub key: String,
    /// The code of the failure; empty where there is none.
    pub code: String,
    /// The first `limits::OUTBOX_ERROR_SHOWN_CHARS` characters of the failure.
    pub error: String,
    /// The workflow whose execution it is, where it is one's.
    pub workflow: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it became one.
    pub updated_at: DateTime<Utc>,
}

impl DeadLetter {
    /// The execution that it is about, where it is about one.
    #[must_use]
    pub fn execution(&self) -> Option<Uuid> {
        execution_of(&self.kind, &self.key)
    }
}

/// A tenant's dead letters, the newest `most` of them.
///
/// # Errors
/// Those of the database.
pub async fn newest_dead(db: &Database, tenant: TenantId, most: u64) -> Result<Vec<DeadLetter>, StoreError> {
    db.run(move |db| async move {
        let reader = db.orm_reader();
        let mut sql = Sql::new(reader.get_database_backend(), clock::now(), "SELECT id, kind, key, last_error_code, ");
        sql.push(&cut_error()).push(", created_at, updated_at FROM outbox WHERE status = 'FAILED' AND tenant_id = ");
        sql.bind(tenant.0).push(&format!(" ORDER BY id DESC LIMIT {most}"));
        let dead = |row: &QueryResult| {
            Ok(DeadLetter {
                id: OutboxId(get(row, "id")?),
                kind: get(row, "kind")?,
                key: get(row, "key")?,
                code: get::<Option<String>>(row, "last_error_code")?.unwrap_or_default(),
                error: get::<Option<String>>(row, "last_error")?.unwrap_or_default(),
                workflow: None,
                created_at: get(row, "created_at")?,
                updated_at: get(row, "updated_at")?,
            })
        };
        let mut letters: Vec<DeadLetter> =
            sql.rows(reader).await?.iter().map(dead).collect::<Result<_, StoreError>>()?;
        let executions: Vec<Uuid> = letters.iter().filter_map(DeadLetter::execution).collect();
        let workflows = workflows(reader, tenant, &executions).await?;
        for letter in &mut letters {
            letter.workflow = letter.execution().and_then(|id| workflows.get(&id).cloned());
        }
        Ok(letters)
    })
    .await
}

/// The workflows of executions.
async fn workflows<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
    executions: &[Uuid],
) -> Result<HashMap<Uuid, String>, StoreError> {
    let mut known = HashMap::new();
    for page in executions.chunks(limits::OUTBOX_BATCH) {
        let mut sql = Sql::new(connection.get_database_backend(), clock::now(), "SELECT id, workflow FROM executions");
        sql.push(" WHERE tenant_id = ").bind(tenant.0);
        let page: Vec<OutboxId> = page.iter().copied().map(OutboxId).collect();
        super::operate::push_ids(&mut sql, "id", &page);
        for row in sql.rows(connection).await? {
            known.insert(get(&row, "id")?, get(&row, "workflow")?);
        }
    }
    Ok(known)
}

/// How many dead letters a tenant has, counted up to `most`.
///
/// # Errors
/// Those of the database.
pub async fn count_dead(db: &Database, tenant: TenantId, most: u64) -> Result<u64, StoreError> {
    db.run(move |db| async move {
        let reader = db.orm_reader();
        let mut sql = Sql::new(reader.get_database_backend(), clock::now(), "SELECT COUNT(*) AS n FROM (SELECT id");
        sql.push(" FROM outbox WHERE status = 'FAILED' AND tenant_id = ").bind(tenant.0);
        sql.push(&format!(" LIMIT {most}) counted"));
        let row = sql.row(reader).await?.ok_or_else(|| StoreError::Internal("no count".to_owned()))?;
        Ok(u64::try_from(get::<i64>(&row, "n")?).unwrap_or_default())
    })
    .await
}

/// The queue of one kind of work. Each number is counted up to `limits::ADMIN_COUNTED` over all kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueOf {
    /// Ready now.
    pub ready: u64,
    /// Waiting for their time.
    pub scheduled: u64,
    /// In the hands of workers.
    pub running: u64,
    /// In the hands of workers whose lease has run out.
    pub stale: u64,
    /// Dead letters.
    pub dead: u64,
    /// Since when the oldest ready item is ready.
    pub oldest_ready: Option<DateTime<Utc>>,
}

/// The queues of a tenant, by kind.
///
/// # Errors
/// Those of the database.
pub async fn queues(db: &Database, tenant: TenantId) -> Result<BTreeMap<String, QueueOf>, StoreError> {
    db.run(move |db| async move {
        let mut queues: BTreeMap<String, QueueOf> = BTreeMap::new();
        let reader = db.orm_reader();
        let states = [
            (Standing::Waiting, "next_attempt_at", "next_attempt_at"),
            (Standing::InFlight, "lease_expires_at", "lease_expires_at"),
            (Standing::Dead, "next_attempt_at", "id"),
        ];
        for (standing, time, order) in states {
            let mut sql = Sql::new(reader.get_database_backend(), clock::now(), "SELECT kind, COUNT(*) AS n, ");
            // Ready, or past the end of its lease.
            sql.push("COUNT(CASE WHEN at <= ").now().push(" THEN 1 END) AS due, MIN(at) AS oldest FROM (");
            sql.push(&format!("SELECT kind, {time} AS at FROM outbox WHERE tenant_id = ")).bind(tenant.0);
            sql.push(standing.condition());
            sql.push(&format!(" ORDER BY {order} LIMIT {}) counted GROUP BY kind", limits::ADMIN_COUNTED));
            for row in sql.rows(reader).await? {
                let number = |column| get::<i64>(&row, column).map(|n| u64::try_from(n).unwrap_or_default());
                let (all, due) = (number("n")?, number("due")?);
                let queue = queues.entry(get(&row, "kind")?).or_default();
                match standing {
                    Standing::Waiting => {
                        (queue.ready, queue.scheduled) = (due, all - due);
                        queue.oldest_ready = get::<Option<DateTime<Utc>>>(&row, "oldest")?.filter(|_| due > 0);
                    }
                    Standing::InFlight => (queue.running, queue.stale) = (all, due),
                    _ => queue.dead = all,
                }
            }
        }
        Ok(queues)
    })
    .await
}

/// Whether a worker of the installation holds a lease that has not run out: a sign of life. That
/// there is none means nothing where there is no work.
///
/// # Errors
/// Those of the database.
pub async fn somebody_works(db: &Database) -> Result<bool, StoreError> {
    db.run(|db| async move {
        let reader = db.orm_reader();
        let mut sql = Sql::new(reader.get_database_backend(), clock::now(), "SELECT 1 AS one FROM outbox");
        sql.push(" WHERE status = 'RUNNING' AND lease_expires_at > ").now().push(" LIMIT 1");
        Ok(sql.row(reader).await?.is_some())
    })
    .await
}
