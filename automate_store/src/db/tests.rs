use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn open(folder: &tempfile::TempDir) -> Database {
    let url = format!("sqlite://{}/deep/er/automate.db", folder.path().display());
    Database::connect(&url, &ConnectOptions::default()).await.unwrap()
}

async fn refusal(url: &str) -> String {
    Database::connect(url, &ConnectOptions::default()).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_file_and_its_folder_are_made_and_commits_are_durable() {
    let folder = folder();
    let db = open(&folder).await;
    let writer = db.sqlite_writer().unwrap();
    let pragma = async |name: &'static str| -> String {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}")))
            .fetch_one(writer)
            .await
            .unwrap()
    };
    assert_eq!(pragma("journal_mode").await, "wal");
    assert_eq!(pragma("synchronous").await, "2", "FULL");
    assert_eq!(pragma("foreign_keys").await, "1");
    assert_eq!(db.backend().as_str(), "sqlite");
    db.close().await;
}

#[tokio::test]
async fn a_second_migration_finds_nothing_to_do_and_down_takes_all_back() {
    let folder = folder();
    let db = open(&folder).await;
    assert!(db.migration_status().await.unwrap().iter().all(|state| !state.applied));
    let applied = db.migrate_up(None).await.unwrap();
    assert_eq!(applied.first().map(String::as_str), Some("m0001_workflows"));
    assert!(db.migrate_up(None).await.unwrap().is_empty());
    assert!(db.migration_status().await.unwrap().iter().all(|state| state.applied));
    let taken = db.migrate_down(u32::try_from(applied.len()).unwrap()).await.unwrap();
    assert_eq!(taken.len(), applied.len());
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'automate_migrations'",
    )
    .fetch_one(db.sqlite_writer().unwrap())
    .await
    .unwrap();
    assert_eq!(left, 0);
    assert_eq!(db.migrate_up(None).await.unwrap(), applied);
}

#[tokio::test]
async fn the_default_tenant_is_there() {
    let folder = folder();
    let db = open(&folder).await;
    db.migrate_up(None).await.unwrap();
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM tenants WHERE slug = 'default'")
        .fetch_one(db.sqlite_reader().unwrap())
        .await
        .unwrap();
    assert_eq!(id, automate_core::ids::TenantId::DEFAULT.0);
}

#[tokio::test]
async fn a_wrong_url_is_answered_with_a_hint_and_never_with_the_password() {
    assert!(refusal("mysql://root:hunter2@db/x").await.contains("sqlite://"));
    assert!(refusal("data/automate.db").await.contains("sqlite://"));
    assert!(refusal("sqlite::memory:").await.contains("memory"));
    let text = refusal("postgres://automate:hun/ter#2@db:70000/x").await;
    assert!(text.contains("percent-encoded"), "{text}");
    assert!(!text.contains("hun"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let folder = folder();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "x".repeat(4096)).unwrap();
    let text = refusal(&format!("sqlite://{}", file.display())).await;
    assert!(text.contains("notes.txt"), "{text}");
}

#[tokio::test]
async fn work_goes_on_when_its_caller_is_dropped() {
    let folder = folder();
    let db = open(&folder).await;
    let (done, wait) = tokio::sync::oneshot::channel();
    let call = db.run(move |_| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let _ = done.send(());
        Ok(())
    });
    assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err());
    wait.await.unwrap();
}

#[tokio::test]
async fn a_connection_left_in_a_transaction_is_not_handed_out_again() {
    let folder = folder();
    let db = open(&folder).await;
    let writer = db.sqlite_writer().unwrap();
    let mut connection = writer.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN; CREATE TABLE ghost (id integer)").execute(&mut *connection).await.unwrap();
    drop(connection);
    sqlx::raw_sql("CREATE TABLE kept (id integer)").execute(writer).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master ORDER BY name")
        .fetch_all(db.sqlite_reader().unwrap())
        .await
        .unwrap();
    assert_eq!(names, ["kept"]);
}

#[tokio::test]
async fn a_connection_whose_transaction_sqlite_has_rolled_back_by_itself_is_not_handed_out_again() {
    let folder = folder();
    let db = open(&folder).await;
    let writer = db.sqlite_writer().unwrap();
    sqlx::raw_sql("CREATE TABLE stuff (bytes blob); PRAGMA max_page_count = 20").execute(writer).await.unwrap();
    for round in 0..3 {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        if round == 0 {
            let refused =
                sqlx::raw_sql("INSERT INTO stuff VALUES (zeroblob(1000000))").execute(&mut *transaction).await;
            assert_eq!(store_error(refused.unwrap_err()).code(), "DISK_FULL");
            drop(transaction);
        } else {
            sqlx::raw_sql("INSERT INTO stuff VALUES (zeroblob(1000))").execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM stuff").fetch_one(writer).await.unwrap();
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn a_count_that_takes_too_long_is_given_up_and_the_next_one_is_not() {
    let folder = folder();
    let db = open(&folder).await;
    let count = async |rows: u64, time: Duration| {
        let sql =
            format!("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {rows}) SELECT x FROM c");
        db.run(move |db| async move {
            let txn = db.begin_within(time).await?;
            let found = txn.execute_unprepared(&sql).await.map_err(store_error);
            txn.rollback().await.map_err(store_error)?;
            found
        })
        .await
    };
    for _ in 0..2 {
        let begun = std::time::Instant::now();
        let refused = count(1_000_000_000, Duration::from_millis(30)).await.unwrap_err();
        assert!(refused.is_transient() && begun.elapsed() < Duration::from_secs(5), "{refused}");
        assert!(count(10, Duration::from_secs(5)).await.is_ok());
    }
    db.close().await;
}
