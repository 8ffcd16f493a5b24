//! The state of the database, and the chores that keep it fit.

use std::collections::BTreeMap;
use std::time::Duration;

use automate_core::clock;
use automate_core::ids::TenantId;
use automate_core::store::{StoreError, StoreHealth};
use automate_migrations::{drop_partitions_before, ensure_partitions, first_uuid_at};
use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, TransactionTrait};
use uuid::Uuid;

use super::drafts;
use super::history::{select, select_one};
use super::operate::execute;
use crate::db::{Backend, Database};
use crate::error::store_error;

/// How long the keys of deliveries and starts are kept.
const DEDUPE_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Months ahead that have partitions.
const MONTHS_AHEAD: u32 = 3;
/// Rows deleted in one transaction.
const DELETED_AT_ONCE: u64 = 1_000;
/// Transactions of one kind in one run; what is left waits for the next run.
const PASSES: usize = 1_000;

/// The state of the database.
pub(super) async fn health(db: Database) -> Result<StoreHealth, StoreError> {
    let pending: Vec<String> =
        db.migration_status().await?.into_iter().filter(|state| !state.applied).map(|state| state.name).collect();
    let mut health = StoreHealth {
        backend: db.backend().as_str().to_owned(),
        pending_migrations: pending,
        ..StoreHealth::default()
    };
    match db.backend() {
        Backend::Postgres => postgres(&db, &mut health).await?,
        Backend::Sqlite => sqlite(&db, &mut health).await?,
    }
    Ok(health)
}

fn fact(facts: &mut BTreeMap<String, String>, row: &QueryResult, name: &str) -> Result<(), StoreError> {
    if let Some(value) = row.try_get::<Option<i64>>("", name).map_err(store_error)? {
        facts.insert(name.to_owned(), value.to_string());
    }
    Ok(())
}

async fn postgres(db: &Database, health: &mut StoreHealth) -> Result<(), StoreError> {
    let before = clock::now();
    let sql = "SELECT current_setting('server_version') AS version, clock_timestamp() AS now";
    let row = select_one(db.orm_reader(), sql, Vec::new()).await?;
    let after = clock::now();
    if let Some(row) = row {
        health.version = row.try_get("", "version").map_err(store_error)?;
        let theirs: DateTime<Utc> = row.try_get("", "now").map_err(store_error)?;
        let ours = before + (after - before) / 2;
        health.clock_skew_seconds = (ours - theirs).as_seconds_f64();
    }
    // What slows a claim down: old snapshots that keep dead rows, and the dead rows themselves.
    let sql = "SELECT \
        (SELECT max(age(backend_xmin))::bigint FROM pg_stat_activity) AS oldest_xmin_age, \
        (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::bigint FROM pg_stat_activity \
            WHERE datname = current_database() AND state <> 'idle') AS oldest_transaction_seconds, \
        (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = to_regclass('outbox')) AS outbox_dead_rows, \
        (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections, \
        current_setting('max_connections')::bigint AS max_connections, \
        pg_database_size(current_database()) AS size_bytes";
    if let Some(row) = select_one(db.orm_reader(), sql, Vec::new()).await? {
        for name in [
            "oldest_xmin_age",
            "oldest_transaction_seconds",
            "outbox_dead_rows",
            "connections",
            "max_connections",
            "size_bytes",
        ] {
            fact(&mut health.facts, &row, name)?;
        }
    }
    Ok(())
}

async fn sqlite(db: &Database, health: &mut StoreHealth) -> Result<(), StoreError> {
    let sql = "SELECT sqlite_version() AS version, \
        (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()) AS size_bytes, \
        (SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()) AS free_bytes";
    if let Some(row) = select_one(db.orm_reader(), sql, Vec::new()).await? {
        health.version = row.try_get("", "version").map_err(store_error)?;
        fact(&mut health.facts, &row, "size_bytes")?;
        fact(&mut health.facts, &row, "free_bytes")?;
    }
    if let Some(pool) = db.sqlite_writer() {
        let options = pool.connect_options();
        let file = options.get_filename();
        let log = tokio::fs::metadata(file.with_extension(log_extension(file))).await;
        if let Ok(log) = log {
            health.facts.insert("log_bytes".to_owned(), log.len().to_string());
        }
        health.disk_free_bytes = disk_free(file).await;
    }
    Ok(())
}

/// `x.db` has its log in `x.db-wal`.
fn log_extension(file: &std::path::Path) -> String {
    file.extension().map_or_else(|| "-wal".to_owned(), |extension| format!("{}-wal", extension.to_string_lossy()))
}

/// Bytes free where a file lies, for those who are not root; nothing where the system does not say.
async fn disk_free(file: &std::path::Path) -> Option<u64> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(std::path::Path::new(".")).to_owned();
    // A file system may hang.
    let look = tokio::task::spawn_blocking(move || free_in(&folder));
    tokio::time::timeout(Duration::from_secs(2), look).await.ok()?.ok()?
}

#[cfg(unix)]
fn free_in(folder: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn free_in(_: &std::path::Path) -> Option<u64> {
    None
}

/// Makes partitions ahead, deletes old keys, history older than `retention`, and tested drafts that nothing
/// in the history ran.
pub(super) async fn maintain(db: Database, now: DateTime<Utc>, retention: Option<Duration>) -> Result<(), StoreError> {
    delete_old_keys(&db, now).await?;
    if let Some(retention) = retention {
        delete_operations(&db, now - retention).await?;
    }
    match (db.backend(), retention) {
        (Backend::Postgres, _) => partitions(&db, now, retention).await?,
        (Backend::Sqlite, Some(retention)) => delete_history(&db, None, now - retention).await?,
        (Backend::Sqlite, None) => {}
    }
    drafts::forget_unneeded(&db, now).await
}

async fn partitions(db: &Database, ours: DateTime<Utc>, retention: Option<Duration>) -> Result<(), StoreError> {
    let row = select_one(db.orm(), "SELECT clock_timestamp() AS now", Vec::new()).await?;
    let now: DateTime<Utc> = row.map_or(Ok(ours), |row| row.try_get("", "now")).map_err(store_error)?;
    let txn = db.orm().begin().await.map_err(store_error)?;
    let made = ensure_partitions(&txn, now, MONTHS_AHEAD).await.map_err(store_error)?;
    txn.commit().await.map_err(store_error)?;
    if !made.changed.is_empty() {
        tracing::info!(partitions = made.changed.len(), "partitions were made ahead");
    }
    if let Some(retention) = retention {
        let txn = db.orm().begin().await.map_err(store_error)?;
        let dropped = drop_partitions_before(&txn, now - retention).await.map_err(store_error)?;
        txn.commit().await.map_err(store_error)?;
        if !dropped.changed.is_empty() || !dropped.kept.is_empty() {
            tracing::info!(dropped = ?dropped.changed, kept = ?dropped.kept, "old partitions");
        }
    }
    Ok(())
}

async fn delete_old_keys(db: &Database, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = match db.backend() {
        Backend::Postgres => format!(
            "DELETE FROM dedupe_keys WHERE ctid = ANY(ARRAY(SELECT ctid FROM dedupe_keys \
             WHERE created_at < now() - make_interval(secs => {}) LIMIT {DELETED_AT_ONCE} FOR UPDATE SKIP LOCKED))",
            DEDUPE_KEPT.as_secs()
        ),
        Backend::Sqlite => format!(
            "DELETE FROM dedupe_keys WHERE rowid IN (SELECT rowid FROM dedupe_keys WHERE created_at < $1 \
             LIMIT {DELETED_AT_ONCE})"
        ),
    };
    for _ in 0..PASSES {
        let values = match db.backend() {
            Backend::Postgres => Vec::new(),
            Backend::Sqlite => vec![(now - DEDUPE_KEPT).into()],
        };
        if execute(db.orm(), &sql, values).await? < DELETED_AT_ONCE {
            break;
        }
    }
    Ok(())
}

/// Deletes what belongs to operating executions from before `cutoff`: signals whose execution is gone,
/// and ended operations over many executions.
async fn delete_operations(db: &Database, cutoff: DateTime<Utc>) -> Result<(), StoreError> {
    let row = match db.backend() {
        Backend::Postgres => "ctid",
        Backend::Sqlite => "rowid",
    };
    let old = "SELECT id FROM bulk_operations WHERE id < $1 AND status IN ('completed', 'cancelled')";
    for (table, condition) in [
        (
            "execution_signals",
            "execution_id < $1 AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = execution_id)".to_owned(),
        ),
        ("bulk_items", format!("bulk_id IN ({old})")),
        (
            "bulk_operations",
            format!("id IN ({old}) AND NOT EXISTS (SELECT 1 FROM bulk_items i WHERE i.bulk_id = bulk_operations.id)"),
        ),
    ] {
        let found = format!("SELECT {row} FROM {table} WHERE {condition} LIMIT {DELETED_AT_ONCE}");
        let found = match db.backend() {
            Backend::Postgres => format!("= ANY(ARRAY({found}))"),
            Backend::Sqlite => format!("IN ({found})"),
        };
        let sql = format!("DELETE FROM {table} WHERE {row} {found}");
        for _ in 0..PASSES {
            if execute(db.orm(), &sql, vec![first_uuid_at(cutoff).into()]).await? < DELETED_AT_ONCE {
                break;
            }
        }
    }
    Ok(())
}

/// Deletes ended executions from before `cutoff` with what belongs to them, of one tenant or of all,
/// in small transactions, so that the writer is never held for long.
pub(super) async fn delete_history(
    db: &Database,
    tenant: Option<TenantId>,
    cutoff: DateTime<Utc>,
) -> Result<(), StoreError> {
    let end = first_uuid_at(cutoff);
    let (whose, values) = match tenant {
        None => ("", vec![end.into()]),
        Some(tenant) => (" AND tenant_id = $2", vec![end.into(), tenant.0.into()]),
    };
    for _ in 0..PASSES {
        let txn = db.begin().await?;
        let sql = format!(
            "SELECT id FROM executions WHERE id < $1{whose} AND status IN ('completed', 'failed', 'cancelled') \
             ORDER BY id LIMIT {DELETED_AT_ONCE}"
        );
        let rows = select(&txn, &sql, values.clone()).await?;
        for row in &rows {
            let id: Uuid = row.try_get("", "id").map_err(store_error)?;
            for sql in [
                "DELETE FROM steps WHERE execution_id = $1",
                "DELETE FROM step_logs WHERE execution_id = $1",
                "DELETE FROM executions WHERE id = $1",
            ] {
                execute(&txn, sql, vec![id.into()]).await?;
            }
        }
        txn.commit().await.map_err(store_error)?;
        if (rows.len() as u64) < DELETED_AT_ONCE {
            break;
        }
    }
    // What is left from before the cutoff has not ended and needs its event.
    let sql = format!(
        "SELECT event_id AS oldest FROM executions WHERE id < $1{whose} AND event_id IS NOT NULL ORDER BY event_id LIMIT 1"
    );
    let row = select_one(db.orm(), &sql, values.clone()).await?;
    let needed: Option<Uuid> = row.map_or(Ok(None), |row| row.try_get("", "oldest")).map_err(store_error)?;
    let events_end = needed.map_or(end, |needed| needed.min(end));
    delete_before(db, "events", whose, tenant, events_end).await?;
    delete_before(db, "webhook_requests", whose, tenant, end).await
}

async fn delete_before(
    db: &Database,
    table: &'static str,
    whose: &'static str,
    tenant: Option<TenantId>,
    end: Uuid,
) -> Result<(), StoreError> {
    let sql = format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id < $1{whose} ORDER BY id LIMIT {DELETED_AT_ONCE})"
    );
    let mut values = vec![end.into()];
    values.extend(tenant.map(|tenant| tenant.0.into()));
    for _ in 0..PASSES {
        if execute(db.orm(), &sql, values.clone()).await? < DELETED_AT_ONCE {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn free_space_is_what_the_file_system_says() {
        let here = tempfile::tempdir().unwrap();
        let free = disk_free(&here.path().join("automate.db")).await;
        assert!(free.is_some_and(|bytes| bytes > 0), "{free:?}");
        assert_eq!(disk_free(std::path::Path::new("/no/such/folder/automate.db")).await, None);
    }

    #[test]
    fn the_log_lies_beside_the_file() {
        let file = std::path::Path::new("/data/automate.db");
        assert_eq!(file.with_extension(log_extension(file)), std::path::Path::new("/data/automate.db-wal"));
    }
}
