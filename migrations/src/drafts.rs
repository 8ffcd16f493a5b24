//! Drafts that were tested.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Drafts;

impl MigrationName for Drafts {
    fn name(&self) -> &str {
        "m0011_drafts"
    }
}

// What an execution of a draft runs, under the execution's `version_id`. Not among the versions: nothing
// that asks for versions can come upon one.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE tested_drafts (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        workflow_id {uuid} NOT NULL,
        document text NOT NULL,
        source text NOT NULL,
        sha256 text NOT NULL,
        author text NOT NULL,
        created_at {time} NOT NULL,
        used_at {time} NOT NULL
    )",
    "CREATE INDEX tested_drafts_workflow ON tested_drafts (workflow_id, used_at)",
    "CREATE INDEX tested_drafts_used ON tested_drafts (used_at)",
    // Who still needs a draft; other executions do not pay for it.
    "CREATE INDEX executions_drafts ON executions (version_id) WHERE version = 0",
];

#[async_trait::async_trait]
impl MigrationTrait for Drafts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &["DROP INDEX IF EXISTS executions_drafts"]).await?;
        drop_tables(manager, &["tested_drafts"]).await
    }
}
