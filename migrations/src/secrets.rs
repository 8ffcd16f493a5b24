//! Secrets: only ciphertext and wrapped keys are stored.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Secrets;

impl MigrationName for Secrets {
    fn name(&self) -> &str {
        "m0004_secrets"
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE secrets (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        key text NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX secrets_tenant_key ON secrets (tenant_id, key)",
    "CREATE TABLE secret_versions (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        secret_id {uuid} NOT NULL,
        version {int} NOT NULL,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        nonce {bytes} NOT NULL,
        ciphertext {bytes} NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX secret_versions_number ON secret_versions (secret_id, version)",
];

#[async_trait::async_trait]
impl MigrationTrait for Secrets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["secrets", "secret_versions"]).await
    }
}
