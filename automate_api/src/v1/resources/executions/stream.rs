//! `GET /executions/{id}/events`: what happened to an execution, and what happens to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use automate_core::ids::{ExecutionId, TenantId};
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::follow::follow;
use futures_util::stream;
use http::StatusCode;

use super::timeline::{ExecutionEvent, Happened, Place};
use super::watching::{Watcher, Watchers};
use crate::Problem;
use crate::v1::base::{Action, Call, Content, Operation, Reply, Shape, StreamEvent};

/// The first pause between two looks at an execution that runs elsewhere; each is half as long again
/// as the one before.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long what happens here is gathered before it is looked at.
const GATHER: Duration = Duration::from_millis(25);

pub(super) fn operation(watchers: &Arc<Watchers>) -> Operation {
    let watchers = Arc::clone(watchers);
    Operation::get("/executions/{id}/events", Action::custom("events"))
        .summary("Follows an execution")
        .description(
            "Server-sent events: first what happened so far, then what happens, until the execution has ended. Each \
             has an id; a client that sends the last one as `Last-Event-ID` is told what came after it, each event \
             once. Inputs and outputs are not among them. Where nothing is left to tell, the answer is 204, and a \
             client need not come again.",
        )
        .answers_with(StatusCode::OK, "What happens.", Content::Events(Shape::of::<ExecutionEvent>()))
        .answers_nothing("The execution has ended, and you know everything.")
        .handler(move |call| events(call, Arc::clone(&watchers)))
}

async fn events(call: Call, watchers: Arc<Watchers>) -> Result<Reply, Problem> {
    let (id, tenant) = (ExecutionId(call.path_id("id")?), call.tenant()?);
    let last = call.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let mut place = last.and_then(Place::read).unwrap_or_default();
    let watcher = watchers.watch(&call.api.engine().ports().signals, id);
    let db = call.api.database().clone();
    let Some(now) = follow(&db, tenant, id).await? else { return Err(Problem::not_found()) };
    let known = place.is_end();
    let ready: VecDeque<Happened> = place.advance(id, &now).into();
    if known && ready.is_empty() {
        return Ok(Reply::no_content());
    }
    let follower = Follower { db, tenant, id, place, ready, watcher, pause: PAUSE };
    Ok(Reply::events(stream::unfold(follower, Follower::next)))
}

/// One who reads the stream of an execution.
struct Follower {
    db: Database,
    tenant: TenantId,
    id: ExecutionId,
    /// Where the reader is when everything that is ready was read.
    place: Place,
    ready: VecDeque<Happened>,
    watcher: Watcher,
    pause: Duration,
}

impl Follower {
    async fn next(mut self) -> Option<(StreamEvent, Self)> {
        loop {
            if let Some(Happened { place, event }) = self.ready.pop_front() {
                let kind = event.kind.clone();
                let event = StreamEvent::new(kind, serde_json::to_value(event).ok()?);
                // A client that cannot name its place begins at the last one that it can.
                let event = if place.len() > limits::STREAM_ID_BYTES { event } else { event.id(place) };
                return Some((event, self));
            }
            if self.place.is_end() {
                return None;
            }
            match tokio::time::timeout(self.pause, self.watcher.woken()).await {
                Ok(()) => {
                    tokio::time::sleep(GATHER).await;
                    self.pause = PAUSE;
                }
                Err(_) => self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE),
            }
            self.look().await?;
        }
    }

    /// Looks what has happened; `None` where there is nothing to look at any more.
    async fn look(&mut self) -> Option<()> {
        match follow(&self.db, self.tenant, self.id).await {
            Ok(Some(now)) => {
                self.ready = self.place.advance(self.id, &now).into();
                if !self.ready.is_empty() {
                    self.pause = PAUSE;
                }
                Some(())
            }
            // It was deleted with what is old.
            Ok(None) => None,
            Err(error) if error.is_transient() => {
                self.pause = LONGEST_PAUSE;
                Some(())
            }
            Err(error) => {
                self.ended(&error);
                None
            }
        }
    }

    fn ended(&self, error: &StoreError) {
        tracing::error!(execution = %self.id, %error, "an execution cannot be followed any further");
    }
}
