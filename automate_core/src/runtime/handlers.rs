//! Queue items of embedders' own kinds.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;

use super::Engine;
use super::active::Held;
use crate::document::definition::Retry;
use crate::engine::backoff;
use crate::outbox::{BULK_KIND, ClaimedItem, ENDED_KIND, HandlerError, OutboxHandler};

impl Engine {
    /// Does the work of an item, with its lease kept alive around it.
    pub(super) async fn handle(&self, held: Arc<Held>, claimed: ClaimedItem) {
        match claimed.item.kind.as_str() {
            BULK_KIND => return self.run_bulk(held, claimed).await,
            ENDED_KIND => return self.publish_end(held, claimed).await,
            _ => {}
        }
        let store = &self.ports().store;
        let handler = self.ports().handlers.iter().find(|h| h.kind() == claimed.item.kind).cloned();
        let result = match handler {
            None => Err(HandlerError::Retry {
                code: "NO_HANDLER".to_owned(),
                message: format!("no handler for kind `{}` in this program", claimed.item.kind),
                after: None,
            }),
            Some(handler) => self.guarded(&held, handler, &claimed).await,
        };
        let marked = match result {
            Ok(()) => store.mark_success(&[held.claim]).await.map(|_| ()),
            Err(HandlerError::Retry { code, message, after }) => {
                let attempt = u32::try_from(claimed.item.attempt_count).unwrap_or_default() + 1;
                let delay = backoff(&Retry::default(), attempt, after, rand::random());
                let at = self.ports().clock.now() + TimeDelta::from_std(delay).unwrap_or_default();
                store.mark_retry(held.claim, at, &code, &message).await.map(|_| ())
            }
            Err(HandlerError::Dead { code, message }) => {
                store.mark_failed(held.claim, &code, &message).await.map(|_| ())
            }
        };
        if let Err(error) = marked {
            tracing::warn!(item = %claimed.item.id, kind = %claimed.item.kind, %error,
                "what became of an item could not be recorded; its lease will run out and it is done again");
        }
        self.inner.active.let_go(&held);
    }

    async fn guarded(
        &self,
        held: &Held,
        handler: Arc<dyn OutboxHandler>,
        claimed: &ClaimedItem,
    ) -> Result<(), HandlerError> {
        let work = AssertUnwindSafe(handler.handle(&claimed.item)).catch_unwind();
        tokio::select! {
            result = work => result.unwrap_or_else(|_| {
                Err(HandlerError::Retry {
                    code: "PANIC".to_owned(),
                    message: format!("the handler of kind `{}` panicked", claimed.item.kind),
                    after: None,
                })
            }),
            () = held.lost.cancelled() => Err(HandlerError::Retry {
                code: "LEASE_LOST".to_owned(),
                message: "the lease was lost while the handler ran".to_owned(),
                after: Some(Duration::ZERO),
            }),
        }
    }
}
