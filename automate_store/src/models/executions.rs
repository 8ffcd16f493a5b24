//! Executions, their steps and their log lines.

use std::sync::LazyLock;

use automate_core::limits;

use crate::resource::{Expansion, Model};
use crate::search::INDEXED_WORDS;

/// The permission that shows inputs and outputs.
pub(super) const PAYLOAD: &str = "execution.view_payload";

/// The states of executions.
const STATES: &[&str] = &["pending", "running", "waiting", "completed", "failed", "cancelled"];
/// The states of steps.
const STEP_STATES: &[&str] =
    &["pending", "running", "waiting", "completed", "failed", "skipped", "cancelled", "outcome_unknown"];

/// The executions.
pub static EXECUTIONS: LazyLock<Model> = LazyLock::new(|| {
    use execution::Column::*;
    Model::of::<execution::Entity>("executions", "execution")
        .permissions("executions", "execution")
        .doc("Runs of workflows.")
        .json([Trigger, Input, Output, Error])
        .needs(PAYLOAD, [Input, Output])
        .detail([Input, Output])
        .hidden([TenantId, WorkflowId, VersionId, CancelRequestedAt])
        .filters([Workflow, Version, Status, CreatedAt, EventId, ParentId, ReplayOf, CorrelationId])
        .orderings([Id, CreatedAt])
        .time_of_key(CreatedAt)
        .choices(Status, STATES)
        .indexed(Status, INDEXED_WORDS)
        .describe(Workflow, "The workflow, by its slug.")
        .describe(Version, "The version that runs; 0 of a draft that is tested.")
        .describe(Trigger, "What made it start.")
        .describe(Input, "What it was started with; null without the permission `execution.view_payload`.")
        .describe(Output, "What it ended with; null without the permission `execution.view_payload`.")
        .describe(Error, "Why it failed: a code, a message, the step.")
        .describe(Attempt, "How often it was begun.")
        .describe(ParentId, "The execution whose step started it.")
        .describe(ReplayOf, "The execution that it repeats.")
        .describe(CorrelationId, "Names the request that led to it, through all that followed from it.")
        .expansion(Expansion { name: "steps", model: &STEPS, on: ("id", "execution_id"), many: true, order: "seq" })
        .build()
});

/// The steps of executions.
pub static STEPS: LazyLock<Model> = LazyLock::new(|| {
    use step::Column::*;
    Model::of::<step::Entity>("steps", "step")
        .permissions("executions", "step")
        .doc("What an execution does, one after the other or at once.")
        .json([Input, Output, Error, Attempts])
        .needs(PAYLOAD, [Input, Output])
        .detail([Input, Output])
        .hidden([TenantId, ExecutionId, Seq, Rerun, Attempts, WakeAt])
        .choices(Status, STEP_STATES)
        .ordering(Seq, false)
        .describe(Path, "Where in the execution it is; with repetitions, which one.")
        .describe(StepId, "Its name in the document.")
        .describe(Uses, "The action.")
        .describe(IdempotencyKey, "What the action was given to have one effect however often it is tried.")
        .build()
});

/// What the steps of executions logged.
pub static LOGS: LazyLock<Model> = LazyLock::new(|| {
    use log::Column::*;
    Model::of::<log::Entity>("logs", "log_line")
        .permissions("executions", "step")
        .doc("What the steps of an execution logged, oldest first.")
        .json([Fields])
        .needs(PAYLOAD, [Fields])
        .hidden([TenantId, ExecutionId])
        .choices(Level, &["debug", "info", "warn", "error"])
        .filters([Level, Path])
        .ordering(Id, false)
        .max_length(Message, limits::FIELD_JSON_BYTES)
        .describe(Path, "The path of the step.")
        .describe(Attempt, "The attempt of the step.")
        .describe(Fields, "What belongs to it; null without the permission `execution.view_payload`.")
        .build()
});

/// The entity of executions.
pub mod execution {
    use sea_orm::entity::prelude::*;

    /// An execution.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "executions")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub workflow_id: Uuid,
        pub workflow: String,
        pub version_id: Uuid,
        pub version: i32,
        pub status: String,
        pub trigger: String,
        pub event_id: Option<Uuid>,
        pub input: Option<String>,
        pub output: Option<String>,
        pub error: Option<String>,
        pub attempt: i32,
        pub created_at: DateTimeUtc,
        pub started_at: Option<DateTimeUtc>,
        pub finished_at: Option<DateTimeUtc>,
        pub parent_id: Option<Uuid>,
        pub replay_of: Option<Uuid>,
        pub correlation_id: String,
        pub cancel_requested_at: Option<DateTimeUtc>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The entity of steps.
pub mod step {
    use sea_orm::entity::prelude::*;

    /// A step of an execution.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "steps")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub execution_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        pub tenant_id: Uuid,
        pub step_id: String,
        pub seq: i32,
        pub uses: String,
        pub status: String,
        pub attempt: i32,
        pub rerun: i32,
        pub idempotency_key: String,
        pub input: Option<String>,
        pub output: Option<String>,
        pub error: Option<String>,
        pub attempts: Option<String>,
        pub wake_at: Option<DateTimeUtc>,
        pub started_at: Option<DateTimeUtc>,
        pub finished_at: Option<DateTimeUtc>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The entity of log lines.
pub mod log {
    use sea_orm::entity::prelude::*;

    /// A log line of a step.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "step_logs")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub execution_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub path: String,
        pub attempt: i32,
        pub at: DateTimeUtc,
        pub level: String,
        pub message: String,
        pub fields: Option<String>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
