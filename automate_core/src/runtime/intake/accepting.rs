//! The transaction that all ways in share, and what begins after it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::super::Engine;
use super::{IntakeError, MOST_PATIENCE, OVERLOAD_RETRY, PATIENCE, Received, Slot, Start};
use crate::ids::ExecutionId;
use crate::policy::AdmitError;
use crate::signals::{EventSignal, Signal};
use crate::store::{Accept, Accepted, NewLease, StoreError};

impl Engine {
    /// One transaction, then the executions that were born leased run at once. `None` where a
    /// trigger is gone.
    pub(super) async fn accept(
        &self,
        mut accept: Accept,
        mut starts: Vec<Start>,
    ) -> Result<Option<Received>, IntakeError> {
        self.refuse_overload()?;
        self.refuse_by_policy(&accept, &starts).await?;
        for (position, start) in starts.iter_mut().enumerate() {
            if start.permit.is_none() {
                start.permit = self.slot(position == 0).await.map(|permit| Slot { _held: Some(permit) });
            }
            start.new.lease = start
                .permit
                .as_ref()
                .map(|_| NewLease { owner: self.settings().owner.clone(), lease: self.settings().lease });
        }
        accept.starts = starts.iter().map(|start| start.new.clone()).collect();
        let tenant_id = accept.tenant_id;
        let event = accept.event.as_ref().map(|event| (event.id, event.event_type.clone()));
        let claimed_at = Instant::now();
        let accepted = self.ports().store.accept(accept).await.map_err(overloaded)?;
        let (event_id, executions) = match accepted {
            Accepted::StaleTriggers => {
                self.inner.triggers.forget();
                return Ok(None);
            }
            Accepted::Duplicate { event_id, executions } => {
                metrics::counter!("automate_deliveries_duplicate_total").increment(1);
                return Ok(Some(Received { event_id, execution_ids: executions, duplicate: true }));
            }
            Accepted::Stored { event_id, executions } => (event_id, executions),
        };
        let execution_ids: Vec<ExecutionId> = executions.iter().map(|execution| execution.id).collect();
        if let (Some((id, event_type)), false) = (event, self.ports().signals.is_empty()) {
            let signal = EventSignal { tenant_id, event_id: id, event_type, executions: execution_ids.clone() };
            self.ports().signals.send(&Signal::EventReceived(signal));
        }
        let mut queued = false;
        for (start, execution) in starts.into_iter().zip(executions) {
            match (execution.claim, start.permit) {
                (Some(claim), Some(permit)) => {
                    let held = self.hold(claim, Some(execution.id), claimed_at);
                    let run = self.fresh_run(
                        held,
                        start.definition,
                        start.about,
                        &start.new,
                        start.context,
                        start.input.as_ref(),
                    );
                    let engine = self.clone();
                    self.inner.active.tasks.spawn(async move {
                        engine.drive(run).await;
                        drop(permit);
                    });
                }
                _ => queued |= !execution.duplicate,
            }
        }
        if queued {
            self.inner.active.wake.notify_one();
        }
        Ok(Some(Received { event_id, execution_ids, duplicate: false }))
    }

    /// Refuses what the tenant's policy does not allow.
    async fn refuse_by_policy(&self, accept: &Accept, starts: &[Start]) -> Result<(), IntakeError> {
        let payload = accept.event.as_ref().map_or(0, |event| event.payload.len());
        let input = starts.iter().filter_map(|start| start.new.input.as_ref()).map(|input| input.len()).max();
        let bytes = payload.max(input.unwrap_or(0));
        let admitted = self.ports().policies.admit(accept.tenant_id, starts.len() as u64, bytes).await;
        if let Err(AdmitError::Refused(refusal)) = &admitted {
            self.ports().policies.refused(accept.tenant_id, "execution.start", refusal);
        }
        Ok(admitted?)
    }

    /// Refuses before anything is accepted, where the queue is longer than it may be.
    fn refuse_overload(&self) -> Result<(), IntakeError> {
        let most = self.settings().max_depth;
        let depth = self.inner.active.depth.load(Ordering::Relaxed);
        if most > 0 && depth >= most {
            let reason = format!("{depth} items are ready in the queue, {most} may be (outbox.max_depth)");
            return Err(IntakeError::Overloaded { reason, retry_after: OVERLOAD_RETRY });
        }
        Ok(())
    }

    /// A slot to run in, where there is one at once, or soon for whoever may wait.
    async fn slot(&self, may_wait: bool) -> Option<OwnedSemaphorePermit> {
        let active = &self.inner.active;
        if active.draining.is_cancelled() || self.settings().concurrency == 0 {
            return None;
        }
        if let Ok(permit) = active.slots.clone().try_acquire_owned() {
            return Some(permit);
        }
        if !may_wait {
            return None;
        }
        let begun = Instant::now();
        let free = active.slots.clone().acquire_owned();
        tokio::pin!(free);
        loop {
            let ended = active.ended.load(Ordering::Relaxed);
            if let Ok(permit) = tokio::time::timeout(PATIENCE, &mut free).await {
                return permit.ok();
            }
            // Long executions hold the slots: waiting would help nobody.
            let none_ended = active.ended.load(Ordering::Relaxed) == ended;
            if none_ended || begun.elapsed() >= MOST_PATIENCE || active.draining.is_cancelled() {
                return None;
            }
        }
    }
}

/// A full queue is the caller's to wait for.
fn overloaded(error: StoreError) -> IntakeError {
    match error {
        StoreError::Busy(reason) => IntakeError::Overloaded { reason, retry_after: OVERLOAD_RETRY },
        error => IntakeError::Store(error),
    }
}
