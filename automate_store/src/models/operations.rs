//! Operations over many executions.

use std::sync::LazyLock;

use crate::resource::Model;

/// The operations.
pub static BULK_OPERATIONS: LazyLock<Model> = LazyLock::new(|| {
    use bulk_operation::Column::*;
    Model::of::<bulk_operation::Entity>("bulk-operations", "bulk_operation")
        .permissions("executions", "bulkoperation")
        .doc("Operations over many executions: cancel, retry, replay, requeue.")
        .json([Selection, Parameters])
        .hidden([TenantId])
        .choices(Operation, &["cancel", "retry", "replay", "requeue"])
        .choices(Status, &["pending", "running", "completed", "cancelled"])
        .filters([Operation, Status, CreatedBy, CreatedAt])
        .orderings([Id, CreatedAt])
        .describe(Operation, "What is done.")
        .describe(Selection, "What the executions were selected by.")
        .describe(Parameters, "More about what is done: of a replay, from which step and with which version.")
        .describe(Rate, "Executions a second, at most.")
        .describe(CreatedBy, "Who asked for it.")
        .describe(StartedAt, "When a worker began.")
        .describe(CancelRequestedAt, "Since when somebody wants it ended.")
        .build()
});

/// The entity of operations.
pub mod bulk_operation {
    use sea_orm::entity::prelude::*;

    /// An operation over many executions.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bulk_operations")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub operation: String,
        pub selection: String,
        pub parameters: String,
        pub rate: i32,
        pub status: String,
        pub created_by: String,
        pub created_at: DateTimeUtc,
        pub started_at: Option<DateTimeUtc>,
        pub finished_at: Option<DateTimeUtc>,
        pub cancel_requested_at: Option<DateTimeUtc>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
