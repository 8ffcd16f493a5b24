//! `/stats`.

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_core::limits;
use automate_core::status::ExecutionStatus;
use automate_store::counts;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::outbox::{QueueStats, queue};
use crate::Problem;
use crate::v1::base::{Access, Action, BaseViewSet, Call, Operation, Reply};

/// What a tenant's executions and queue come to.
pub(super) struct Stats;

impl BaseViewSet for Stats {
    fn name(&self) -> &'static str {
        "stats"
    }

    fn doc(&self) -> &'static str {
        "What executions and the queue come to."
    }

    fn get_permissions(&self, _action: &Action) -> Access {
        Access::new("stats:read", "executions.view_execution")
    }

    fn operations(self: Arc<Self>) -> Vec<Operation> {
        let shows = Operation::get("/stats", Action::Retrieve)
            .summary("Counts executions and the queue")
            .description("Counts stop at `counted_to`, so that the answer takes as long with millions of executions.")
            .answers::<StatsShown>(StatusCode::OK, "How many of what.")
            .handler(shown);
        vec![shows]
    }
}

/// How many executions and items there are.
#[derive(Serialize, ToSchema)]
struct StatsShown {
    /// When this was so.
    at: DateTime<Utc>,
    /// Executions by where they stand, whenever they were accepted. Those that ended well are counted
    /// in `last_hour` only; those that run are the ones that workers have.
    executions: StatusCounts,
    /// Executions that were accepted within the last hour.
    last_hour: HourCounts,
    /// Where counting stops: a count of this many means that many or more.
    #[schema(minimum = 1)]
    counted_to: u64,
    /// The queue.
    queue: QueueStats,
}

/// Executions by where they stand.
#[derive(Serialize, ToSchema)]
struct StatusCounts {
    /// Accepted, and no step has begun.
    #[schema(minimum = 0)]
    pending: u64,
    /// In the hands of workers.
    #[schema(minimum = 0)]
    running: u64,
    /// Waiting for a time, a retry, a signal or a person.
    #[schema(minimum = 0)]
    waiting: u64,
    /// Ended with an error.
    #[schema(minimum = 0)]
    failed: u64,
    /// Cancelled.
    #[schema(minimum = 0)]
    cancelled: u64,
}

/// The executions of the last hour, by where they stand now.
#[derive(Serialize, ToSchema)]
struct HourCounts {
    /// All of them.
    #[schema(minimum = 0)]
    accepted: u64,
    /// Ended well.
    #[schema(minimum = 0)]
    completed: u64,
    /// Ended with an error.
    #[schema(minimum = 0)]
    failed: u64,
    /// Cancelled.
    #[schema(minimum = 0)]
    cancelled: u64,
    /// Not ended.
    #[schema(minimum = 0)]
    open: u64,
}

async fn shown(call: Call) -> Result<Reply, Problem> {
    use ExecutionStatus::{Cancelled, Completed, Failed, Pending, Running, Waiting};
    let counted = counts::executions(call.api.database(), call.tenant()?).await?;
    let of = |counts: &BTreeMap<ExecutionStatus, u64>, status| counts.get(&status).copied().unwrap_or(0);
    let (open, hour) = (&counted.open, &counted.last_hour);
    Reply::ok(StatsShown {
        at: counted.at,
        executions: StatusCounts {
            pending: of(open, Pending),
            running: of(open, Running),
            waiting: of(open, Waiting),
            failed: of(open, Failed),
            cancelled: of(open, Cancelled),
        },
        last_hour: HourCounts {
            accepted: hour.values().sum(),
            completed: of(hour, Completed),
            failed: of(hour, Failed),
            cancelled: of(hour, Cancelled),
            open: of(hour, Pending) + of(hour, Running) + of(hour, Waiting),
        },
        counted_to: limits::COUNTED_EXECUTIONS,
        queue: queue(&call).await?,
    })
}
