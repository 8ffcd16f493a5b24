//! The queue. It holds live work and dead letters only, so it stays small however much has run.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute, postgres_only};

pub(crate) struct Outbox;

impl MigrationName for Outbox {
    fn name(&self) -> &str {
        "m0003_outbox"
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE outbox (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        kind text NOT NULL,
        key text NOT NULL,
        payload text NOT NULL,
        status text NOT NULL,
        priority {smallint} NOT NULL,
        attempt_count {int} NOT NULL,
        max_attempts {int} NOT NULL,
        next_attempt_at {time} NOT NULL,
        lease_owner text,
        lease_token {bigint} NOT NULL DEFAULT 0,
        lease_expires_at {time},
        lost_leases {int} NOT NULL DEFAULT 0,
        last_error_code text,
        last_error text,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    // Partial, so that a row leaves an index with the state that the index is about and a claim
    // never wades through what is leased or dead.
    "CREATE INDEX outbox_ready ON outbox (priority, next_attempt_at, id) WHERE status IN ('PENDING', 'RETRY')",
    "CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE status IN ('PENDING', 'RETRY')",
    "CREATE INDEX outbox_lease ON outbox (lease_expires_at) WHERE status = 'RUNNING'",
    "CREATE INDEX outbox_failed ON outbox (id) WHERE status = 'FAILED'",
    "CREATE INDEX outbox_kind_key ON outbox (kind, key)",
];

// Every row is updated at least once and deleted soon after: room for updates in place, and vacuum
// by the number of dead rows, at full speed.
const STORAGE: &str = "ALTER TABLE outbox SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)";

#[async_trait::async_trait]
impl MigrationTrait for Outbox {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await?;
        postgres_only(manager, &[STORAGE]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["outbox"]).await
    }
}
