//! History: events, received requests, executions, their steps and logs. It grows for ever, so on
//! PostgreSQL it is partitioned by month and old months are dropped whole. No foreign keys: each
//! would cost a look-up per row on the hot path, and would keep partitions from being dropped.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute, partitioned_by, render};
use crate::partitions::{PARTITIONED_TABLES, database_now, ensure_partitions};

pub(crate) struct Executions;

impl MigrationName for Executions {
    fn name(&self) -> &str {
        "m0002_executions"
    }
}

const TABLES: &[&str] = &["events", "webhook_requests", "dedupe_keys", "executions", "steps", "step_logs"];

/// Months after the current one that have a partition from the start.
const MONTHS_AHEAD: u32 = 3;

const EVENTS: &str = "CREATE TABLE events (
    id {uuid} NOT NULL,
    tenant_id {uuid} NOT NULL,
    event_type text NOT NULL,
    source text NOT NULL,
    payload text NOT NULL,
    headers text,
    correlation_id text NOT NULL,
    received_at {time} NOT NULL,
    depth {int} NOT NULL,
    PRIMARY KEY (id)
)";

const WEBHOOK_REQUESTS: &str = "CREATE TABLE webhook_requests (
    id {uuid} NOT NULL,
    tenant_id {uuid} NOT NULL,
    path text NOT NULL,
    method text NOT NULL,
    headers text NOT NULL,
    body {bytes},
    body_bytes {bigint} NOT NULL,
    remote_addr text,
    signature text NOT NULL,
    http_status {smallint} NOT NULL,
    received_at {time} NOT NULL,
    PRIMARY KEY (id)
)";

const EXECUTIONS: &str = "CREATE TABLE executions (
    id {uuid} NOT NULL,
    tenant_id {uuid} NOT NULL,
    workflow_id {uuid} NOT NULL,
    workflow text NOT NULL,
    version_id {uuid} NOT NULL,
    version {int} NOT NULL,
    status text NOT NULL,
    trigger text NOT NULL,
    event_id {uuid},
    input text,
    output text,
    error text,
    attempt {int} NOT NULL,
    created_at {time} NOT NULL,
    started_at {time},
    finished_at {time},
    parent_id {uuid},
    replay_of {uuid},
    correlation_id text NOT NULL,
    cancel_requested_at {time},
    PRIMARY KEY (id)
)";

const STEPS: &str = "CREATE TABLE steps (
    execution_id {uuid} NOT NULL,
    path text NOT NULL,
    tenant_id {uuid} NOT NULL,
    step_id text NOT NULL,
    seq {int} NOT NULL,
    uses text NOT NULL,
    status text NOT NULL,
    attempt {int} NOT NULL,
    rerun {int} NOT NULL,
    idempotency_key text NOT NULL,
    input text,
    output text,
    error text,
    attempts text,
    wake_at {time},
    started_at {time},
    finished_at {time},
    PRIMARY KEY (execution_id, path)
)";

const STEP_LOGS: &str = "CREATE TABLE step_logs (
    execution_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    tenant_id {uuid} NOT NULL,
    path text NOT NULL,
    attempt {int} NOT NULL,
    at {time} NOT NULL,
    level text NOT NULL,
    message text NOT NULL,
    fields text,
    PRIMARY KEY (execution_id, id)
)";

const UNPARTITIONED: &[&str] = &[
    "CREATE TABLE dedupe_keys (
        tenant_id {uuid} NOT NULL,
        scope text NOT NULL,
        key text NOT NULL,
        event_id {uuid},
        execution_ids text NOT NULL,
        created_at {time} NOT NULL,
        PRIMARY KEY (tenant_id, scope, key)
    )",
    "CREATE INDEX dedupe_keys_created ON dedupe_keys (created_at)",
    "CREATE INDEX executions_tenant ON executions (tenant_id, id)",
    "CREATE INDEX executions_workflow ON executions (tenant_id, workflow, id)",
    // The states that people look for and that few rows have; `running` and `completed` would make
    // every execution pay for the index.
    "CREATE INDEX executions_status ON executions (tenant_id, status, id)
        WHERE status IN ('pending', 'waiting', 'failed', 'cancelled')",
];

#[async_trait::async_trait]
impl MigrationTrait for Executions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let connection = manager.get_connection();
        for ((table, column), text) in
            PARTITIONED_TABLES.iter().zip([EVENTS, WEBHOOK_REQUESTS, EXECUTIONS, STEPS, STEP_LOGS])
        {
            let sql = render(backend, text) + &partitioned_by(backend, column);
            connection.execute_unprepared(&sql).await?;
            if backend == DbBackend::Postgres {
                let sql = format!("CREATE TABLE {table}_default PARTITION OF {table} DEFAULT");
                connection.execute_unprepared(&sql).await?;
            }
        }
        execute(manager, UNPARTITIONED).await?;
        if backend == DbBackend::Postgres {
            let now = database_now(connection).await?;
            ensure_partitions(connection, now, MONTHS_AHEAD).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, TABLES).await
    }
}
