//! The audit log: append-only, a chain of hashes per tenant.

use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute, postgres_only};

pub(crate) struct Audit;

impl MigrationName for Audit {
    fn name(&self) -> &str {
        "m0006_audit"
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE audit_log (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        seq {bigint} NOT NULL,
        at {time} NOT NULL,
        actor_kind text NOT NULL,
        actor_id text NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        object_type text NOT NULL,
        object_id text NOT NULL,
        outcome text NOT NULL,
        changes text NOT NULL,
        correlation_id text NOT NULL,
        address text NOT NULL,
        agent text NOT NULL,
        hash {bytes} NOT NULL
    )",
    "CREATE UNIQUE INDEX audit_log_seq ON audit_log (tenant_id, seq)",
    "CREATE INDEX audit_log_object ON audit_log (tenant_id, object_type, object_id, seq)",
    // The end of each chain. Its code is made with a key that is not in the database, so that who
    // can write the tables still cannot make a shorter or another chain look whole.
    "CREATE TABLE audit_heads (
        tenant_id {uuid} PRIMARY KEY NOT NULL,
        seq {bigint} NOT NULL,
        hash {bytes} NOT NULL,
        key_id text NOT NULL,
        mac {bytes} NOT NULL
    )",
];

const POSTGRES: &[&str] = &[
    "CREATE FUNCTION automate_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'audit_log is append-only'; END $$",
    "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
     FOR EACH STATEMENT EXECUTE FUNCTION automate_audit_append_only()",
];

const SQLITE: &[&str] = &[
    "CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
     BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END",
    "CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
     BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END",
];

#[async_trait::async_trait]
impl MigrationTrait for Audit {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await?;
        postgres_only(manager, POSTGRES).await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            execute(manager, SQLITE).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["audit_log", "audit_heads"]).await?;
        postgres_only(manager, &["DROP FUNCTION IF EXISTS automate_audit_append_only()"]).await
    }
}
