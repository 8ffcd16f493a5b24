//! Monthly partitions of the history tables on PostgreSQL.
//!
//! The tables are partitioned by a UUID version 7, whose first 48 bits are the milliseconds since
//! 1970 (RFC 9562, section 5.7). So the ids made from an instant on are exactly those that are not
//! below the UUID that has the instant's milliseconds in its first 48 bits and zeros after it: that
//! UUID is below every version 7 UUID of the same millisecond, because those have the version's bits
//! set. A partition holds the ids of one calendar month in UTC, from [`first_uuid_at`] the start of
//! the month (included) to that of the next (excluded).
//!
//! Rows whose month has no partition, and ids that are not of version 7, go to the default
//! partition; [`ensure_partitions`] moves them when it makes theirs.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use uuid::Uuid;

use crate::migrate::MIGRATION_LOCK;

/// The partitioned tables, each with the column that it is partitioned by.
pub const PARTITIONED_TABLES: [(&str, &str); 5] = [
    ("events", "id"),
    ("webhook_requests", "id"),
    ("executions", "id"),
    ("steps", "execution_id"),
    ("step_logs", "execution_id"),
];

/// What was done about partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionReport {
    /// The partitions that were made or dropped, by name.
    pub changed: Vec<String>,
    /// Partitions that are old enough to be dropped and hold what unfinished executions need.
    pub kept: Vec<String>,
}

/// The smallest UUID that an id made at `instant` or later can have; see the page above. Instants
/// before 1970 give the nil UUID.
#[must_use]
pub fn first_uuid_at(instant: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(instant.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

/// The first instant of the month of `instant`, in UTC.
#[must_use]
pub fn month_start(instant: DateTime<Utc>) -> DateTime<Utc> {
    let first = instant.date_naive().with_day(1).unwrap_or_else(|| instant.date_naive());
    first.and_time(NaiveTime::MIN).and_utc()
}

/// The first instant of the month after that of `instant`, in UTC.
#[must_use]
pub fn month_after(instant: DateTime<Utc>) -> DateTime<Utc> {
    month_start(instant).checked_add_months(Months::new(1)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Makes the partitions of the month of `from` and of the `months_ahead` following ones where they
/// are missing, and moves there what the default partition had taken in for them. Does nothing on
/// SQLite. Call it in a transaction; several processes may do so at once.
///
/// # Errors
/// Those of the database.
pub async fn ensure_partitions<C: ConnectionTrait>(
    connection: &C,
    from: DateTime<Utc>,
    months_ahead: u32,
) -> Result<PartitionReport, DbErr> {
    let mut report = PartitionReport::default();
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(report);
    }
    let mut locked = false;
    let mut month = month_start(from);
    for _ in 0..=months_ahead {
        let next = month_after(month);
        for (table, column) in PARTITIONED_TABLES {
            let partition = partition_name(table, month);
            if exists(connection, &partition).await? {
                continue;
            }
            if !locked {
                lock(connection).await?;
                locked = true;
                if exists(connection, &partition).await? {
                    continue;
                }
            }
            let (first, end) = (first_uuid_at(month), first_uuid_at(next));
            // Attaching takes a weaker lock on the table than `CREATE TABLE … PARTITION OF`: readers
            // and writers of other partitions go on.
            connection
                .execute_unprepared(&format!(
                    "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);
                     WITH moved AS (
                        DELETE FROM {table}_default WHERE {column} >= '{first}' AND {column} < '{end}' RETURNING *
                     ) INSERT INTO {partition} SELECT * FROM moved;
                     ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ('{first}') TO ('{end}')"
                ))
                .await?;
            report.changed.push(partition);
        }
        month = next;
    }
    Ok(report)
}

/// Drops the partitions whose last id is before `cutoff`, unless an execution that has not ended
/// needs what they hold: its own rows, or its event. The default partitions lose their rows before
/// the month of `cutoff` by the same rule. Does nothing on SQLite. Call it in a transaction.
///
/// # Errors
/// Those of the database.
pub async fn drop_partitions_before<C: ConnectionTrait>(
    connection: &C,
    cutoff: DateTime<Utc>,
) -> Result<PartitionReport, DbErr> {
    let mut report = PartitionReport::default();
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(report);
    }
    lock(connection).await?;
    let cutoff = month_start(cutoff);
    let needed = oldest_needed(connection).await?;
    let drop_before = needed.map_or(cutoff, |needed| needed.min(cutoff));
    for (table, column) in PARTITIONED_TABLES {
        for (partition, month) in partitions_of(connection, table).await? {
            let end = month_after(month);
            if end <= drop_before {
                connection.execute_unprepared(&format!("DROP TABLE {partition}")).await?;
                report.changed.push(partition);
            } else if end <= cutoff {
                report.kept.push(partition);
            }
        }
        // What is not of version 7 has no time that could be compared; such rows are never ours.
        connection
            .execute_unprepared(&format!(
                "DELETE FROM {table}_default WHERE {column} < '{}'",
                first_uuid_at(month_start(drop_before))
            ))
            .await?;
    }
    Ok(report)
}

/// The time of the oldest row that an unfinished execution still needs.
async fn oldest_needed<C: ConnectionTrait>(connection: &C) -> Result<Option<DateTime<Utc>>, DbErr> {
    // `running` is not in the partial index of the states, but a running execution has an item. `CASE`,
    // because PostgreSQL may look at the key, which need not be an id, before it looks at the kind.
    let sql = "SELECT LEAST(e.id, e.event_id) AS needed FROM executions e WHERE e.status IN ('pending', 'waiting')
        UNION ALL
        SELECT LEAST(e.id, e.event_id) FROM outbox o JOIN executions e
                ON e.id = CASE WHEN o.kind = 'execution' THEN o.key::uuid END
            WHERE e.status NOT IN ('completed', 'failed', 'cancelled')
        ORDER BY needed LIMIT 1";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let Some(row) = row else { return Ok(None) };
    let id: Uuid = row.try_get_by_index(0)?;
    let milliseconds = i64::try_from(id.as_u128() >> 80).unwrap_or(0);
    Ok(DateTime::from_timestamp_millis(milliseconds))
}

async fn partitions_of<C: ConnectionTrait>(connection: &C, table: &str) -> Result<Vec<(String, DateTime<Utc>)>, DbErr> {
    let rows = connection
        .query_all_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT child.relname::text FROM pg_inherits
                JOIN pg_class child ON child.oid = pg_inherits.inhrelid
                WHERE pg_inherits.inhparent = to_regclass($1) ORDER BY child.relname",
            [table.into()],
        ))
        .await?;
    let mut partitions = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get_by_index(0)?;
        if let Some(month) = month_of_partition(table, &name) {
            partitions.push((name, month));
        }
    }
    Ok(partitions)
}

fn partition_name(table: &str, month: DateTime<Utc>) -> String {
    format!("{table}_p{:04}_{:02}", month.year(), month.month())
}

fn month_of_partition(table: &str, name: &str) -> Option<DateTime<Utc>> {
    let (year, month) = name.strip_prefix(table)?.strip_prefix("_p")?.split_once('_')?;
    let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
    Some(first.and_time(NaiveTime::MIN).and_utc())
}

async fn exists<C: ConnectionTrait>(connection: &C, table: &str) -> Result<bool, DbErr> {
    let row = connection
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT to_regclass($1) IS NOT NULL",
            [table.into()],
        ))
        .await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}

/// Lets one process at a time change the schema; released with the transaction.
async fn lock<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    connection.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    Ok(())
}

/// The current time of the database.
pub(crate) async fn database_now<C: ConnectionTrait>(connection: &C) -> Result<DateTime<Utc>, DbErr> {
    let row = connection
        .query_one_raw(Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp()"))
        .await?
        .ok_or_else(|| DbErr::Custom("the database did not tell the time".to_owned()))?;
    row.try_get_by_index(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_begins_at_midnight_utc_and_december_is_followed_by_january() {
        assert_eq!(month_start(at("2026-11-30T23:59:59.999Z")), at("2026-11-01T00:00:00Z"));
        assert_eq!(month_after(at("2026-12-01T00:00:00Z")), at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn the_boundary_lies_between_the_last_id_of_a_month_and_the_first_of_the_next() {
        let boundary = first_uuid_at(at("2026-12-01T00:00:00Z"));
        let milliseconds = u64::try_from(at("2026-12-01T00:00:00Z").timestamp_millis()).unwrap();
        let last = uuid::Builder::from_unix_timestamp_millis(milliseconds - 1, &[0xff; 10]).into_uuid();
        let first = uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid();
        assert!(last < boundary, "{last} {boundary}");
        assert!(boundary < first, "{boundary} {first}");
    }

    #[test]
    fn the_name_of_a_partition_tells_its_month() {
        let month = at("2026-03-01T00:00:00Z");
        assert_eq!(partition_name("step_logs", month), "step_logs_p2026_03");
        assert_eq!(month_of_partition("step_logs", "step_logs_p2026_03"), Some(month));
        assert_eq!(month_of_partition("steps", "steps_default"), None);
    }
}
