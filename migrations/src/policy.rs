//! What a tenant may do and has done: policies, usage, shared rate limits; connections; answers
//! kept for repeated requests.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Policy;

impl MigrationName for Policy {
    fn name(&self) -> &str {
        "m0007_policy"
    }
}

const TABLES: &[&str] = &["policies", "usage_counters", "rate_buckets", "idempotency_keys", "connections"];

const STATEMENTS: &[&str] = &[
    // The document is JSON; a tenant without a row has the defaults of the configuration.
    "CREATE TABLE policies (
        tenant_id {uuid} PRIMARY KEY NOT NULL,
        document text NOT NULL,
        row_version {int} NOT NULL,
        updated_at {time} NOT NULL
    )",
    // `day` is a date of UTC, as text; `metric` is `executions`, `llm_tokens` or `llm_cost_micros`.
    "CREATE TABLE usage_counters (
        tenant_id {uuid} NOT NULL,
        day text NOT NULL,
        metric text NOT NULL,
        amount {bigint} NOT NULL,
        PRIMARY KEY (tenant_id, day, metric)
    )",
    // `drawn` is what the last statement took out, for that statement to say.
    "CREATE TABLE rate_buckets (
        key text PRIMARY KEY NOT NULL,
        tokens {double} NOT NULL,
        drawn {double} NOT NULL,
        updated_at {time} NOT NULL
    )",
    // A request that is under way has no status yet.
    "CREATE TABLE idempotency_keys (
        tenant_id {uuid} NOT NULL,
        principal text NOT NULL,
        key text NOT NULL,
        request_hash {bytes} NOT NULL,
        status {smallint},
        headers text,
        body {bytes},
        created_at {time} NOT NULL,
        PRIMARY KEY (tenant_id, principal, key)
    )",
    "CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)",
    // `fields` is a JSON object; secret fields hold references (`$secret:KEY`), never values.
    "CREATE TABLE connections (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        connector text NOT NULL,
        name text NOT NULL,
        fields text NOT NULL,
        row_version {int} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX connections_name ON connections (tenant_id, name)",
];

#[async_trait::async_trait]
impl MigrationTrait for Policy {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, TABLES).await
    }
}
