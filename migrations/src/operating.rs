//! Operating executions: signals that were sent to them, and operations over many of them.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Operating;

impl MigrationName for Operating {
    fn name(&self) -> &str {
        "m0008_operating"
    }
}

const STATEMENTS: &[&str] = &[
    // Which step took a signal is recorded with the step; a signal's row never changes.
    "CREATE TABLE execution_signals (
        execution_id {uuid} NOT NULL,
        seq {int} NOT NULL,
        id {uuid} NOT NULL,
        tenant_id {uuid} NOT NULL,
        name text NOT NULL,
        payload text NOT NULL,
        dedupe_key text,
        source text NOT NULL,
        received_at {time} NOT NULL,
        PRIMARY KEY (execution_id, seq)
    )",
    "CREATE UNIQUE INDEX execution_signals_dedupe ON execution_signals (execution_id, dedupe_key)
        WHERE dedupe_key IS NOT NULL",
    "CREATE TABLE bulk_operations (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        operation text NOT NULL,
        selection text NOT NULL,
        parameters text NOT NULL,
        rate {int} NOT NULL,
        status text NOT NULL,
        created_by text NOT NULL,
        created_at {time} NOT NULL,
        started_at {time},
        finished_at {time},
        cancel_requested_at {time}
    )",
    "CREATE INDEX bulk_operations_tenant ON bulk_operations (tenant_id, id)",
    "CREATE TABLE bulk_items (
        bulk_id {uuid} NOT NULL,
        position {int} NOT NULL,
        execution_id {uuid} NOT NULL,
        status text NOT NULL,
        code text,
        message text,
        result_id {uuid},
        finished_at {time},
        PRIMARY KEY (bulk_id, position)
    )",
    "CREATE INDEX bulk_items_pending ON bulk_items (bulk_id, position) WHERE status = 'pending'",
];

#[async_trait::async_trait]
impl MigrationTrait for Operating {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["execution_signals", "bulk_operations", "bulk_items"]).await
    }
}
