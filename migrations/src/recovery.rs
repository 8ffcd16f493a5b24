//! Codes for logging in without the second factor.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Recovery;

impl MigrationName for Recovery {
    fn name(&self) -> &str {
        "m0009_recovery"
    }
}

// The codes are not stored, their SHA-256 is. One that was used is deleted.
const STATEMENTS: &[&str] = &["CREATE TABLE recovery_codes (
        user_id {uuid} NOT NULL,
        code_hash {bytes} NOT NULL,
        created_at {time} NOT NULL,
        PRIMARY KEY (user_id, code_hash)
    )"];

#[async_trait::async_trait]
impl MigrationTrait for Recovery {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["recovery_codes"]).await
    }
}
