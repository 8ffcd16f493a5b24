//! Tenants, workflows, their versions and their triggers.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute, postgres_only};

pub(crate) struct Workflows;

impl MigrationName for Workflows {
    fn name(&self) -> &str {
        "m0001_workflows"
    }
}

const TABLES: &[&str] = &["tenants", "workflows", "workflow_versions", "triggers"];

const STATEMENTS: &[&str] = &[
    "CREATE TABLE tenants (
        id {uuid} PRIMARY KEY NOT NULL,
        slug text NOT NULL,
        name text NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX tenants_slug ON tenants (slug)",
    "CREATE TABLE workflows (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        slug text NOT NULL,
        title text NOT NULL,
        description text NOT NULL,
        live_version {int},
        live_version_id {uuid},
        draft text,
        row_version {int} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX workflows_tenant_slug ON workflows (tenant_id, slug)",
    "CREATE TABLE workflow_versions (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        workflow_id {uuid} NOT NULL,
        number {int} NOT NULL,
        document text NOT NULL,
        source text NOT NULL,
        sha256 text NOT NULL,
        author text NOT NULL,
        note text NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX workflow_versions_number ON workflow_versions (workflow_id, number)",
    "CREATE TABLE triggers (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        workflow_id {uuid} NOT NULL,
        workflow text NOT NULL,
        version_id {uuid} NOT NULL,
        version {int} NOT NULL,
        kind text NOT NULL,
        key text NOT NULL,
        position {int} NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE INDEX triggers_workflow ON triggers (workflow_id)",
];

// The id is `automate_core::ids::TenantId::DEFAULT`; the schema does not depend on the core, so a
// test of the store compares the two.
const DEFAULT_TENANT_POSTGRES: &str = "INSERT INTO tenants (id, slug, name, created_at)
    VALUES ('00000000-0000-7000-8000-000000000001', 'default', 'Default', clock_timestamp())";
const DEFAULT_TENANT_SQLITE: &str = "INSERT INTO tenants (id, slug, name, created_at)
    VALUES (x'00000000000070008000000000000001', 'default', 'Default', strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))";

#[async_trait::async_trait]
impl MigrationTrait for Workflows {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await?;
        postgres_only(manager, &[DEFAULT_TENANT_POSTGRES]).await?;
        if manager.get_database_backend() == sea_orm::DbBackend::Sqlite {
            execute(manager, &[DEFAULT_TENANT_SQLITE]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, TABLES).await
    }
}
