//! People: users, groups, permissions, sessions, API tokens.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect::{drop_tables, execute};

pub(crate) struct People;

impl MigrationName for People {
    fn name(&self) -> &str {
        "m0005_people"
    }
}

const TABLES: &[&str] = &[
    "users",
    "groups",
    "group_permissions",
    "user_groups",
    "user_permissions",
    "sessions",
    "api_tokens",
    "login_attempts",
    "identities",
    "login_flows",
];

const STATEMENTS: &[&str] = &[
    "ALTER TABLE tenants ADD COLUMN status text NOT NULL DEFAULT 'active'",
    "ALTER TABLE tenants ADD COLUMN row_version {int} NOT NULL DEFAULT 1",
    // A user without a tenant sees nothing, unless a superuser. `email_key` is the address as it is
    // compared.
    "CREATE TABLE users (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid},
        email text NOT NULL,
        email_key text NOT NULL,
        name text NOT NULL,
        password_hash text,
        is_active {bool} NOT NULL,
        is_staff {bool} NOT NULL,
        is_superuser {bool} NOT NULL,
        totp_secret {bytes},
        totp_confirmed_at {time},
        totp_last_step {bigint},
        last_login_at {time},
        password_changed_at {time},
        row_version {int} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX users_email ON users (email_key)",
    "CREATE INDEX users_tenant ON users (tenant_id, id)",
    "CREATE TABLE groups (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        name text NOT NULL,
        description text NOT NULL,
        row_version {int} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX groups_name ON groups (tenant_id, name)",
    "CREATE TABLE group_permissions (
        group_id {uuid} NOT NULL,
        permission text NOT NULL,
        PRIMARY KEY (group_id, permission)
    )",
    "CREATE TABLE user_groups (
        user_id {uuid} NOT NULL,
        group_id {uuid} NOT NULL,
        PRIMARY KEY (user_id, group_id)
    )",
    "CREATE INDEX user_groups_group ON user_groups (group_id)",
    "CREATE TABLE user_permissions (
        user_id {uuid} NOT NULL,
        permission text NOT NULL,
        PRIMARY KEY (user_id, permission)
    )",
    // The id in the cookie is not stored, its SHA-256 is.
    "CREATE TABLE sessions (
        id_hash {bytes} PRIMARY KEY NOT NULL,
        user_id {uuid} NOT NULL,
        tenant_id {uuid},
        csrf text NOT NULL,
        address text NOT NULL,
        agent text NOT NULL,
        created_at {time} NOT NULL,
        last_seen_at {time} NOT NULL,
        expires_at {time} NOT NULL
    )",
    "CREATE INDEX sessions_user ON sessions (user_id)",
    "CREATE INDEX sessions_expiry ON sessions (expires_at)",
    "CREATE TABLE api_tokens (
        id {uuid} PRIMARY KEY NOT NULL,
        tenant_id {uuid} NOT NULL,
        user_id {uuid} NOT NULL,
        name text NOT NULL,
        prefix text NOT NULL,
        hash {bytes} NOT NULL,
        scopes text NOT NULL,
        rate_per_minute {int},
        expires_at {time},
        last_used_at {time},
        revoked_at {time},
        row_version {int} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE UNIQUE INDEX api_tokens_prefix ON api_tokens (prefix)",
    "CREATE INDEX api_tokens_tenant ON api_tokens (tenant_id, id)",
    "CREATE INDEX api_tokens_user ON api_tokens (user_id)",
    // `account:…` or `address:…`.
    "CREATE TABLE login_attempts (
        key text PRIMARY KEY NOT NULL,
        failures {int} NOT NULL,
        last_failure_at {time} NOT NULL,
        blocked_until {time}
    )",
    "CREATE TABLE identities (
        issuer text NOT NULL,
        subject text NOT NULL,
        user_id {uuid} NOT NULL,
        created_at {time} NOT NULL,
        PRIMARY KEY (issuer, subject)
    )",
    "CREATE INDEX identities_user ON identities (user_id)",
    // A log-in at an identity provider that is under way; the state in the address is not stored,
    // its SHA-256 is.
    "CREATE TABLE login_flows (
        state_hash {bytes} PRIMARY KEY NOT NULL,
        provider text NOT NULL,
        nonce text NOT NULL,
        verifier text NOT NULL,
        next text NOT NULL,
        created_at {time} NOT NULL
    )",
];

#[async_trait::async_trait]
impl MigrationTrait for People {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, STATEMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, TABLES).await?;
        execute(manager, &["ALTER TABLE tenants DROP COLUMN status", "ALTER TABLE tenants DROP COLUMN row_version"])
            .await
    }
}
