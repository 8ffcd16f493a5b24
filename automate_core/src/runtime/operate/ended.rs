//! The event of an execution that ended while no worker had it: it was cancelled while it waited,
//! or set aside as poison. The end and a queue item for its event are one transaction; the event is
//! published when a worker takes the item, once however often that is tried.

use std::sync::Arc;
use std::time::Duration;

use super::super::Engine;
use super::super::about::{About, end_event};
use super::super::active::Held;
use super::OperateError;
use crate::ids::{ExecutionId, TenantId};
use crate::outbox::ClaimedItem;
use crate::store::{DeliveryKey, ExecutionRecord, StoreError};

/// How long an end that cannot be told of now is kept back.
const LATER: Duration = Duration::from_secs(1);

impl Engine {
    /// Publishes `core.workflow.*` for an item of [`crate::outbox::ENDED_KIND`].
    pub(in crate::runtime) async fn publish_end(&self, held: Arc<Held>, claimed: ClaimedItem) {
        let store = &self.ports().store;
        let done = match claimed.item.key.parse::<ExecutionId>() {
            Ok(id) => self.tell_of_end(claimed.item.tenant_id, id).await,
            Err(error) => Err(StoreError::Corrupt(format!("the key of item {}: {error}", claimed.item.id)).into()),
        };
        let marked = match done {
            // Retention may have been faster.
            Ok(()) | Err(OperateError::Store(StoreError::NotFound(_))) => {
                store.mark_success(&[held.claim]).await.map(|_| ())
            }
            Err(error) if error.is_transient() => {
                tracing::debug!(item = %claimed.item.id, %error, "the end of an execution is told later");
                tokio::select! {
                    () = self.inner.active.draining.cancelled() => {}
                    () = tokio::time::sleep(LATER) => {}
                }
                store.release(&[held.claim]).await.map(|_| ())
            }
            Err(error) => store.mark_failed(held.claim, error.code(), &error.to_string()).await.map(|_| ()),
        };
        if let Err(error) = marked {
            tracing::warn!(item = %claimed.item.id, %error, "an item could not be marked; its lease will run out");
        }
        self.inner.active.let_go(&held);
    }

    async fn tell_of_end(&self, tenant: TenantId, id: ExecutionId) -> Result<(), OperateError> {
        let store = &self.ports().store;
        let execution = store.execution(tenant, id).await?;
        if !execution.status.is_terminal() {
            // It was requeued in the meantime, and its next end tells of itself.
            return Ok(());
        }
        // The cache may be older than the workflow that listens.
        self.inner.triggers.forget();
        let about = self.about(&execution).await?;
        let event_type = format!("core.workflow.{}", execution.status.as_str());
        let output = execution.output.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let payload = || end_event(&about, execution.status, execution.error.as_ref(), output.as_ref());
        if let Some(mut accept) = self.try_core_event(&about, &event_type, payload).await? {
            let key = format!("{id}:{}:{}", execution.attempt, execution.status);
            accept.delivery = Some(DeliveryKey { scope: "core".to_owned(), key });
            store.accept(accept).await?;
            self.inner.active.wake.notify_one();
        }
        Ok(())
    }

    /// What of an execution does not change while it runs.
    pub(in crate::runtime) async fn about(&self, execution: &ExecutionRecord) -> Result<About, StoreError> {
        let event = match execution.event_id {
            Some(event) => Some(self.ports().store.event(execution.tenant_id, event).await?),
            None => None,
        };
        Ok(About::of(execution, event.as_ref()))
    }
}
