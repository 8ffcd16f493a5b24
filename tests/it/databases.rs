//! Opening databases and the schema, on both of them.

use automate_migrations::{PARTITIONED_TABLES, drop_partitions_before, ensure_partitions, first_uuid_at, month_after};
use automate_store::db::{ConnectOptions, Database};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};
use uuid::Uuid;

both_databases! {
    async fn a_second_migration_finds_nothing_to_do(test: TestDatabase) {
        assert!(test.db.migrate_up(None).await.unwrap().is_empty());
        assert!(test.db.migration_status().await.unwrap().iter().all(|state| state.applied));
    }

    async fn several_processes_may_migrate_at_once(test: TestDatabase) {
        let all = u32::try_from(test.db.migration_status().await.unwrap().len()).unwrap();
        assert_eq!(test.db.migrate_down(all).await.unwrap().len(), all as usize);
        let mut processes = Vec::new();
        for _ in 0..4 {
            let url = test.url.clone();
            processes.push(tokio::spawn(async move {
                let db = Database::connect(&url, &ConnectOptions::default()).await.unwrap();
                let applied = db.migrate_up(None).await.unwrap().len();
                db.close().await;
                applied
            }));
        }
        let mut applied = Vec::new();
        for process in processes {
            applied.push(process.await.unwrap());
        }
        applied.sort_unstable();
        assert_eq!(applied, [0, 0, 0, all as usize]);
    }
    async fn a_connection_left_in_a_transaction_is_not_handed_out_again(test: TestDatabase) {
        assert_eq!(rows_after_a_poisoned_connection(&test, true).await, 1);
    }

    async fn without_the_check_an_acknowledged_row_would_vanish(test: TestDatabase) {
        assert_eq!(rows_after_a_poisoned_connection(&test, false).await, 0);
    }

    async fn partitions_are_asked_for_on_any_database(test: TestDatabase) {
        let transaction = test.db.begin().await.unwrap();
        let report = ensure_partitions(&transaction, at("2031-11-30T23:00:00Z"), 2).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(report.changed.len(), if test.db.postgres().is_some() { 15 } else { 0 });
    }
}

/// Leaves a connection inside a transaction, as a dropped `begin` does, and counts what others see of
/// a row that was acknowledged afterwards.
async fn rows_after_a_poisoned_connection(test: &TestDatabase, check_connections: bool) -> i64 {
    let options = ConnectOptions { max_connections: 1, check_connections, ..ConnectOptions::default() };
    let db = Database::connect(&test.url, &options).await.unwrap();
    db.orm().execute_unprepared("CREATE TABLE orders (id integer)").await.unwrap();
    if let Some(pool) = db.postgres() {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    }
    if let Some(pool) = db.sqlite_writer() {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    }
    let done = db.orm().execute_unprepared("INSERT INTO orders VALUES (1)").await.unwrap();
    assert_eq!(done.rows_affected(), 1, "acknowledged");
    count(test.db.orm_reader(), "orders").await
}

async fn count(connection: &DatabaseConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {table}");
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An event and an execution of a given moment.
async fn insert_history(connection: &DatabaseConnection, moment: DateTime<Utc>, status: &str) -> Uuid {
    let id = Uuid::from_u128(first_uuid_at(moment).as_u128() | 0x7000_8000_0000_0000_0001);
    for sql in [
        "INSERT INTO events VALUES ($1, $1, 't', 's', '{}', NULL, 'c', now(), 0)",
        "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun, idempotency_key)
            VALUES ($1, 'a', $1, 'a', 1, 'set', 'completed', 1, 0, 'k')",
    ] {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
        connection.execute_raw(statement).await.unwrap();
    }
    let sql = "INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, trigger,
        event_id, attempt, created_at, correlation_id) VALUES ($1, $1, $1, 'w', $1, 1, $2, '{}', $1, 1, now(), 'c')";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into(), status.into()]);
    connection.execute_raw(statement).await.unwrap();
    id
}

async fn partition_of(connection: &DatabaseConnection, table: &str, column: &str, id: Uuid) -> Option<String> {
    let sql = format!("SELECT tableoid::regclass::text AS partition FROM {table} WHERE {column} = $1");
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
    connection.query_one_raw(statement).await.unwrap().map(|row| row.try_get("", "partition").unwrap())
}

#[tokio::test]
async fn history_lies_in_the_partition_of_its_month_and_leaves_the_default_one() {
    let Some(test) = TestDatabase::postgres().await else { return };
    let connection = test.db.orm();
    let now = automate_core::clock::now();
    let today = insert_history(connection, now, "completed").await;
    assert_eq!(
        partition_of(connection, "steps", "execution_id", today).await.unwrap(),
        now.format("steps_p%Y_%m").to_string()
    );

    let last = insert_history(connection, at("2031-11-30T23:59:59.999Z"), "completed").await;
    let first = insert_history(connection, at("2031-12-01T00:00:00Z"), "completed").await;
    assert_eq!(partition_of(connection, "events", "id", last).await.unwrap(), "events_default");
    let transaction = connection.begin().await.unwrap();
    ensure_partitions(&transaction, at("2031-11-05T00:00:00Z"), 1).await.unwrap();
    transaction.commit().await.unwrap();
    for (table, column) in
        PARTITIONED_TABLES.into_iter().filter(|(table, _)| !["webhook_requests", "step_logs"].contains(table))
    {
        assert_eq!(partition_of(connection, table, column, last).await.unwrap(), format!("{table}_p2031_11"));
        assert_eq!(partition_of(connection, table, column, first).await.unwrap(), format!("{table}_p2031_12"));
    }
    let transaction = connection.begin().await.unwrap();
    assert!(ensure_partitions(&transaction, at("2031-11-05T00:00:00Z"), 1).await.unwrap().changed.is_empty());
}

#[tokio::test]
async fn old_months_are_dropped_unless_unfinished_work_needs_them() {
    let Some(test) = TestDatabase::postgres().await else { return };
    let connection = test.db.orm();
    let transaction = connection.begin().await.unwrap();
    ensure_partitions(&transaction, at("2021-01-01T00:00:00Z"), 3).await.unwrap();
    transaction.commit().await.unwrap();
    let ancient = insert_history(connection, at("2020-06-15T00:00:00Z"), "completed").await;
    let january = insert_history(connection, at("2021-01-15T00:00:00Z"), "completed").await;
    let waiting = insert_history(connection, at("2021-02-15T00:00:00Z"), "waiting").await;
    let march = insert_history(connection, at("2021-03-15T00:00:00Z"), "completed").await;
    let april = insert_history(connection, at("2021-04-15T00:00:00Z"), "completed").await;
    let drop_old = async || {
        let transaction = connection.begin().await.unwrap();
        let report = drop_partitions_before(&transaction, at("2021-04-30T00:00:00Z")).await.unwrap();
        transaction.commit().await.unwrap();
        report
    };
    let there = async |id| partition_of(connection, "executions", "id", id).await.is_some();

    let report = drop_old().await;
    assert_eq!((report.changed.len(), report.kept.len()), (5, 10), "{report:?}");
    assert!(!there(ancient).await && !there(january).await && there(waiting).await && there(march).await);
    connection.execute_unprepared("UPDATE executions SET status = 'completed'").await.unwrap();
    let report = drop_old().await;
    assert_eq!((report.changed.len(), report.kept.len()), (10, 0), "{report:?}");
    assert!(!there(waiting).await && !there(march).await && there(april).await);
    assert_eq!(partition_of(connection, "events", "id", april).await.unwrap(), "events_p2021_04");
    assert!(month_after(at("2021-04-15T00:00:00Z")) == at("2021-05-01T00:00:00Z"));
}
