//! `/outbox`.

use std::sync::Arc;

use automate_core::ids::OutboxId;
use automate_core::outbox::OutboxFilter;
use automate_core::store::StoreError;
use automate_store::models::outbox::OUTBOX;
use automate_store::outbox::tenant::{DeadLetters, dead_letters, stats};
use automate_store::resource::{Model, Selection};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::nested::{found, row_shape};
use crate::Problem;
use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Content, Faces, Operation, Reply, model_access};

/// The queue.
pub(super) struct Outbox;

impl BaseReadOnlyViewSet for Outbox {
    fn model(&self) -> &'static Model {
        &OUTBOX
    }

    fn get_permissions(&self, action: &Action) -> Access {
        match action.name() {
            "requeue" | "requeue_all" => Access::new("outbox:write", "outbox.requeue"),
            "destroy" => Access::new("outbox:write", "outbox.purge"),
            "stats" => Access::new("outbox:read", "outbox.view_item"),
            _ => model_access(&OUTBOX, action),
        }
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        vec![
            Operation::get("/outbox/stats", Action::custom("stats"))
                .summary("Counts the queue")
                .description("The tenant's items, 100000 of them at most.")
                .answers::<QueueStats>(StatusCode::OK, "How much of what there is.")
                .handler(|call: Call| async move { Reply::ok(queue(&call).await?) }),
            Operation::post("/outbox/requeue", Action::custom("requeue_all"))
                .summary("Puts dead letters back into the queue")
                .description(
                    "The oldest of those that are meant, at most 1000; `more` says whether there are others. With \
                     `dry_run` nothing is changed.",
                )
                .may_read::<RequeueInput>()
                .answers::<Requeued>(StatusCode::OK, "How many.")
                .handler(requeue_all),
            Operation::post("/outbox/{id}/requeue", Action::custom("requeue"))
                .summary("Puts a dead letter back into the queue")
                .description("With fresh attempts; of an execution that was set aside, the execution goes on too.")
                .answers_with(
                    StatusCode::OK,
                    "The item as it is now.",
                    Content::Json(row_shape(&OUTBOX, Faces::columns())),
                )
                .handler(requeue),
            Operation::delete("/outbox/{id}", Action::Destroy)
                .summary("Deletes a dead letter")
                .description("Only dead letters, and done items that were kept, can be deleted.")
                .answers_nothing("It is deleted.")
                .may_fail_with(StatusCode::CONFLICT)
                .handler(purge),
        ]
    }
}

/// How much of what there is in the queue.
#[derive(Serialize, ToSchema)]
pub(super) struct QueueStats {
    /// Ready now.
    #[schema(minimum = 0)]
    ready: i64,
    /// Waiting for their time.
    #[schema(minimum = 0)]
    scheduled: i64,
    /// In the hands of workers.
    #[schema(minimum = 0)]
    running: i64,
    /// In the hands of workers whose lease has run out.
    #[schema(minimum = 0)]
    stale: i64,
    /// Dead letters.
    #[schema(minimum = 0)]
    dead_letters: i64,
    /// Seconds that the oldest ready item has been ready.
    #[schema(minimum = 0)]
    oldest_ready_seconds: f64,
    /// When the next item becomes ready that is not.
    next_due_at: Option<DateTime<Utc>>,
}

/// Counts the queue of the caller's tenant.
pub(super) async fn queue(call: &Call) -> Result<QueueStats, Problem> {
    let counted = stats(call.api.database(), call.tenant()?).await?;
    Ok(QueueStats {
        ready: counted.ready,
        scheduled: counted.scheduled,
        running: counted.running,
        stale: counted.stale,
        dead_letters: counted.failed,
        oldest_ready_seconds: counted.oldest_ready_seconds,
        next_due_at: counted.next_due_at,
    })
}

/// Which dead letters go back.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RequeueInput {
    /// Only those that failed with this code.
    #[schema(max_length = 200)]
    error_code: Option<String>,
    /// Only those of this kind.
    #[schema(max_length = 128)]
    kind: Option<String>,
    /// Only those that were last changed before this.
    before: Option<DateTime<Utc>>,
    /// Whether only to say how many there are.
    dry_run: bool,
}

/// How many dead letters went back.
#[derive(Serialize, ToSchema)]
struct Requeued {
    /// How many went back; with `dry_run`, how many would.
    #[schema(minimum = 0)]
    requeued: u64,
    /// Whether there may be others.
    more: bool,
    /// Whether nothing was changed.
    dry_run: bool,
}

async fn requeue_all(call: Call) -> Result<Reply, Problem> {
    let input: RequeueInput = call.read()?;
    let tenant = call.tenant()?;
    let entry = call.audit("outbox.requeue")?.about("outbox_item", "").with(json!(input));
    let RequeueInput { error_code, kind, before, dry_run } = input;
    let ids = dead_letters(call.api.database(), tenant, DeadLetters { error_code, kind, before }).await?;
    let more = ids.len() >= automate_core::limits::OUTBOX_BATCH;
    let requeued = match (dry_run, ids.is_empty()) {
        (_, true) => 0,
        (true, false) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
        (false, false) => {
            let filter = OutboxFilter { ids, ..OutboxFilter::default() };
            let store = &call.api.engine().ports().store;
            let done: Result<u64, StoreError> =
                call.api.audit().around(entry, async { store.requeue(&filter, false).await }).await;
            done?
        }
    };
    Reply::ok(Requeued { requeued, more, dry_run })
}

/// The item of the path, of the caller's tenant.
async fn only(call: &Call) -> Result<(OutboxId, OutboxFilter), Problem> {
    let id = OutboxId(found(call, &OUTBOX).await?);
    Ok((id, OutboxFilter { ids: vec![id], ..OutboxFilter::default() }))
}

fn no_dead_letter() -> Problem {
    Problem::new(StatusCode::CONFLICT, "NOT_A_DEAD_LETTER", "the item is no dead letter; leave it to the workers")
}

async fn requeue(call: Call) -> Result<Reply, Problem> {
    let (id, filter) = only(&call).await?;
    let entry = call.audit("outbox.requeue")?.about("outbox_item", id);
    let store = &call.api.engine().ports().store;
    let done: Result<u64, StoreError> =
        call.api.audit().around(entry, async { store.requeue(&filter, false).await }).await;
    if done? == 0 {
        return Err(no_dead_letter());
    }
    // A worker may have taken it and be through with it already.
    Reply::ok(call.api.resources().get(&OUTBOX, &call.writer(), id.0, &Selection::default()).await?.fields)
}

async fn purge(call: Call) -> Result<Reply, Problem> {
    let (id, filter) = only(&call).await?;
    let entry = call.audit("outbox.purge")?.about("outbox_item", id);
    let store = &call.api.engine().ports().store;
    let done: Result<u64, StoreError> =
        call.api.audit().around(entry, async { store.purge(&filter, false).await }).await;
    if done? == 0 { Err(no_dead_letter()) } else { Ok(Reply::no_content()) }
}
