//! The schema of Automate, as migrations for PostgreSQL and SQLite.
//!
//! [`up`], [`down`] and [`status`] are what the command line calls. Several processes may call
//! [`up`] at the same moment: on PostgreSQL an advisory lock lets one of them work at a time, on
//! SQLite the write lock does, and whoever comes second finds nothing to do.
//!
//! Names of migrations are written by hand and never change, because they are stored.

mod admin;
mod audit;
mod dialect;
mod drafts;
mod executions;
mod migrate;
mod operating;
mod outbox;
mod partitions;
mod people;
mod policy;
mod processes;
mod recovery;
mod secrets;
mod workflows;

pub use migrate::{MigrationState, Migrator, down, pending, status, up};
pub use partitions::{
    PARTITIONED_TABLES, PartitionReport, drop_partitions_before, ensure_partitions, first_uuid_at, month_after,
    month_start,
};
