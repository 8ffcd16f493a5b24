//! The queue.

use std::sync::LazyLock;

use automate_core::limits;

use super::executions::PAYLOAD;
use crate::resource::Model;

/// The items of the queue.
pub static OUTBOX: LazyLock<Model> = LazyLock::new(|| {
    use item::Column::*;
    Model::of::<item::Entity>("outbox", "outbox_item")
        .permissions("outbox", "item")
        .doc("Queued work: what is ready, what waits, what a worker has, and dead letters.")
        .json([Payload])
        .needs(PAYLOAD, [Payload])
        .detail([Payload])
        .hidden([TenantId, LeaseToken])
        .choices(Status, &["PENDING", "RUNNING", "RETRY", "COMPLETED", "FAILED"])
        .filters([Status, Kind, Key, LastErrorCode, CreatedAt, UpdatedAt, NextAttemptAt])
        .orderings([Id, Priority, NextAttemptAt, CreatedAt, UpdatedAt])
        .max_length(LastError, limits::OUTBOX_ERROR_BYTES)
        .describe(Kind, "Which handler takes it.")
        .describe(Key, "What it is about; of an execution, its id.")
        .describe(Payload, "What its handler is given; null without the permission `execution.view_payload`.")
        .describe(Status, "`FAILED` are dead letters: kept until they are requeued or deleted.")
        .describe(Priority, "Lower goes first.")
        .describe(AttemptCount, "Attempts that were charged.")
        .describe(MaxAttempts, "Attempts after which it becomes a dead letter.")
        .describe(NextAttemptAt, "Not before this.")
        .describe(LeaseOwner, "The worker that has it.")
        .describe(LeaseExpiresAt, "When the worker's lease ends, if it is not extended.")
        .describe(LostLeases, "Leases that were lost since its last progress.")
        .describe(LastErrorCode, "The code of the last failure.")
        .describe(LastError, "The last failure.")
        .build()
});

/// The entity of items.
pub mod item {
    use sea_orm::entity::prelude::*;

    /// A unit of queued work.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub kind: String,
        pub key: String,
        pub payload: String,
        pub status: String,
        pub priority: i16,
        pub attempt_count: i32,
        pub max_attempts: i32,
        pub next_attempt_at: DateTimeUtc,
        pub lease_owner: Option<String>,
        pub lease_token: i64,
        pub lease_expires_at: Option<DateTimeUtc>,
        pub lost_leases: i32,
        pub last_error_code: Option<String>,
        pub last_error: Option<String>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
