//! The processes of an installation.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Processes;

impl MigrationName for Processes {
    fn name(&self) -> &str {
        "m0012_processes"
    }
}

// One row a process, written over every few seconds. No index on the time: each beat would have to
// change it, and there are few rows.
const STATEMENTS: &[&str] = &["CREATE TABLE processes (
        owner text PRIMARY KEY NOT NULL,
        role text NOT NULL,
        version text NOT NULL,
        queues text NOT NULL,
        concurrency {int} NOT NULL,
        running {int} NOT NULL,
        draining {bool} NOT NULL,
        started_at {time} NOT NULL,
        beat_at {time} NOT NULL
    )"];

#[async_trait::async_trait]
impl MigrationTrait for Processes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["processes"]).await
    }
}
