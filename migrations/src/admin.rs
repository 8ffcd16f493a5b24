//! The admin: lists that people keep, and runs over many rows.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct Admin;

impl MigrationName for Admin {
    fn name(&self) -> &str {
        "m0010_admin"
    }
}

const TABLES: &[&str] = &["saved_views", "saved_view_defaults", "admin_runs", "admin_run_items"];

const STATEMENTS: &[&str] = &[
    // `page` names a list (`books.book`), `query` is what its address has behind the `?`.
    "CREATE TABLE saved_views (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        page text NOT NULL,
        owner_id {uuid} NOT NULL,
        name text NOT NULL,
        query text NOT NULL,
        shared {bool} NOT NULL,
        row_version {int} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX saved_views_name ON saved_views (tenant_id, page, owner_id, name)",
    // Whose list begins with which view. A view that is gone is nobody's default.
    "CREATE TABLE saved_view_defaults (
        tenant_id {uuid} NOT NULL,
        page text NOT NULL,
        user_id {uuid} NOT NULL,
        view_id {uuid} NOT NULL REFERENCES saved_views (id) ON DELETE CASCADE,
        PRIMARY KEY (tenant_id, page, user_id)
    )",
    "CREATE INDEX saved_view_defaults_view ON saved_view_defaults (view_id)",
    // A selection of rows, and what is done with each. It is a `draft` until somebody confirms it;
    // then whoever holds the lease works on it.
    "CREATE TABLE admin_runs (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        model text NOT NULL,
        action text NOT NULL,
        status text NOT NULL,
        rows {int} NOT NULL,
        capped {bool} NOT NULL,
        user_id {uuid} NOT NULL,
        actor text NOT NULL,
        correlation_id text NOT NULL,
        address text NOT NULL,
        error text,
        created_at {time} NOT NULL,
        started_at {time},
        finished_at {time},
        cancel_requested_at {time},
        lease_id {uuid},
        lease_until {time}
    )",
    "CREATE INDEX admin_runs_tenant ON admin_runs (tenant_id, id)",
    "CREATE INDEX admin_runs_open ON admin_runs (created_at) WHERE status IN ('queued', 'running')",
    "CREATE INDEX admin_runs_drafts ON admin_runs (created_at) WHERE status = 'draft'",
    "CREATE TABLE admin_run_items (
        run_id {uuid} NOT NULL REFERENCES admin_runs (id) ON DELETE CASCADE,
        position {int} NOT NULL,
        row_id {uuid} NOT NULL,
        status text NOT NULL,
        message text,
        PRIMARY KEY (run_id, position)
    )",
    "CREATE INDEX admin_run_items_open ON admin_run_items (run_id, position) WHERE status IN ('pending', 'begun')",
];

#[async_trait::async_trait]
impl MigrationTrait for Admin {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, TABLES).await
    }
}
