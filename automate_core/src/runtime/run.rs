//! One execution on its way: steps the engine, records, performs, feeds results back. It contains
//! no workflow semantics.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::about::{About, Failing, end_event};
use super::active::Held;
use super::definitions::Definition;
use crate::engine::{Command, Happening, NodeIx, Perform, Phase, Progress, State, step};
use crate::error::{ErrorCode, StepError};
use crate::signals::{Signal, Signals, StepSignal, WorkflowSignal};
use crate::status::{Effect, ExecutionStatus, StepStatus};
use crate::store::{
    Accept, Checkpoint, CheckpointAck, ExecutionError, ExecutionUpdate, StepLog, StepRecord, StoreError, Then,
};

/// An action that runs longer is shown as running in the database.
const SHOW_AFTER: Duration = Duration::from_secs(1);
/// How long an action that was told to stop is still awaited.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(5);

/// An execution that this process holds.
pub(super) struct Run {
    pub(super) held: Arc<Held>,
    pub(super) definition: Arc<Definition>,
    pub(super) about: About,
    pub(super) state: State,
    pub(super) first: Happening,
}

/// Log lines that wait for the next checkpoint.
pub(super) type Logs = Arc<Mutex<Vec<StepLog>>>;

type Acting = Pin<Box<dyn Future<Output = (NodeIx, Result<Value, StepError>)> + Send>>;

/// Why a run stopped before its end.
enum Stop {
    /// The claim is gone; nothing may be recorded.
    LeaseLost,
    /// The process drains; the item was given back.
    Released,
    /// The store will not have it.
    Refused(StoreError),
}

impl Engine {
    /// Runs a held execution until it ends, waits, or the claim is lost.
    pub(super) async fn drive(&self, run: Run) {
        let held = run.held.clone();
        let id = run.about.execution_id;
        held.takes_signals.store(run.definition.plan.takes_signals(), Ordering::Relaxed);
        let mut driver = Driver {
            engine: self,
            held: run.held,
            definition: run.definition,
            about: run.about,
            state: Some(run.state),
            logs: Logs::default(),
            acting: FuturesUnordered::new(),
            stop_actions: CancellationToken::new(),
            acting_since: None,
            shown: false,
        };
        let stopped = driver.drive(run.first).await;
        // What still runs is told to stop, and its result goes nowhere.
        driver.stop_actions.cancel();
        match stopped {
            Ok(()) | Err(Stop::Released) => {}
            Err(Stop::LeaseLost) => {
                metrics::counter!("automate_leases_lost_total").increment(1);
                tracing::warn!(execution = %id, item = %held.claim.id, token = held.claim.token,
                    "lease lost: another worker or the reaper has this execution; nothing of it is recorded here");
            }
            Err(Stop::Refused(error)) => self.set_aside(&driver.about, &held, &error).await,
        }
        self.inner.active.let_go(&held);
        self.inner.active.tell_ended(id);
    }

    /// The store refuses what this run wants to record: it fails with the reason, or, where even
    /// that is refused, its item becomes a dead letter.
    async fn set_aside(&self, about: &About, held: &Held, error: &StoreError) {
        tracing::error!(execution = %about.execution_id, %error, "the store refused a checkpoint; the execution is set aside");
        self.fail_execution(Failing::of(about), held, "INTERNAL", &error.to_string()).await;
    }

    /// Ends an execution from outside of its plan.
    pub(super) async fn fail_execution(&self, failing: Failing<'_>, held: &Held, code: &str, message: &str) {
        let Failing { id, tenant_id, about } = failing;
        let now = self.ports().clock.now();
        let update = ExecutionUpdate {
            status: ExecutionStatus::Failed,
            started_at: None,
            finished_at: Some(now),
            output: None,
            error: Some(ExecutionError { code: code.to_owned(), message: message.to_owned(), step: None }),
        };
        let publish = match about {
            None => Vec::new(),
            Some(about) => {
                let payload = || end_event(about, update.status, update.error.as_ref(), None);
                self.accept_of_core_event(about, "core.workflow.failed", payload).await
            }
        };
        let checkpoint = Checkpoint {
            claim: held.claim,
            execution_id: id,
            tenant_id,
            steps: Vec::new(),
            logs: Vec::new(),
            execution: Some(update),
            then: Then::Finish,
            publish,
        };
        let failed = match self.ports().store.checkpoint(checkpoint).await {
            Ok(_) | Err(StoreError::LeaseLost) => return,
            Err(error) => error,
        };
        if let Err(error) = self.ports().store.mark_failed(held.claim, code, message).await {
            // The lease runs out, the reaper gives it back, and the third time it is quarantined.
            tracing::error!(execution = %id, %failed, %error, "an execution could not be set aside now; the reaper will see to it");
        }
    }
}

struct Driver<'a> {
    engine: &'a Engine,
    held: Arc<Held>,
    definition: Arc<Definition>,
    about: About,
    /// Always there but while the engine has it.
    state: Option<State>,
    logs: Logs,
    acting: FuturesUnordered<Acting>,
    stop_actions: CancellationToken,
    acting_since: Option<Instant>,
    shown: bool,
}

impl Driver<'_> {
    async fn drive(&mut self, first: Happening) -> Result<(), Stop> {
        if self.state().started_at.is_none() {
            self.signal_workflow(None);
        }
        let mut happening = first;
        // Happenings that are known already, before anything is awaited.
        let mut known: VecDeque<Happening> = VecDeque::new();
        loop {
            let mut commands = self.step(happening);
            if let Some(next) = known.pop_front() {
                happening = next;
                continue;
            }
            if self.state().phase == Phase::Ended {
                return self.record(Then::Finish, &[]).await.map(|_| ());
            }
            let draining = self.engine.inner.active.draining.is_cancelled();
            if draining && self.acting.is_empty() {
                self.record(Then::WakeAt(self.now()), &commands).await?;
                return Err(Stop::Released);
            }
            if draining {
                // Nothing new begins; what would have is decided again after the restart.
                commands.retain(|command| matches!(command, Command::StopActions));
            }
            if self.must_record_before(&commands) && self.record(Then::Hold, &[]).await?.cancel_requested {
                self.held.cancel.cancel();
            }
            if self.held.cancel.is_cancelled() && self.state().phase != Phase::Cancelling {
                // Cancelled before these began: they never do.
                known.extend(commands.into_iter().filter_map(never_begun));
                happening = Happening::Cancel;
                continue;
            }
            for command in commands {
                match command {
                    Command::StopActions => self.stop_actions.cancel(),
                    Command::Perform(perform) => self.perform(perform),
                }
            }
            if self.acting.is_empty() {
                // It waits for a time or for a person: nothing is to be done here.
                let then = match self.state().next_wake(&self.definition.plan) {
                    Some(at) => Then::WakeAt(at),
                    None => Then::Finish,
                };
                self.record(then, &[]).await?;
                // The claim loop may be asleep for longer than this wait.
                self.engine.inner.active.wake.notify_one();
                return Ok(());
            }
            happening = self.next().await?;
        }
    }

    fn state(&self) -> &State {
        // `step` puts it back before it returns.
        self.state.as_ref().unwrap_or_else(|| unreachable!("the state is only away inside of step"))
    }

    fn now(&self) -> DateTime<Utc> {
        self.engine.ports().clock.now()
    }

    fn step(&mut self, happening: Happening) -> Vec<Command> {
        let Some(state) = self.state.take() else { return Vec::new() };
        let (state, commands) = step(&self.definition.plan, state, happening, self.now());
        self.state = Some(state);
        commands
    }

    /// A result of an effect is on record before the next effect begins, and the intent of a
    /// `once` action before it does.
    fn must_record_before(&self, commands: &[Command]) -> bool {
        commands.iter().any(|command| match command {
            Command::StopActions => false,
            Command::Perform(perform) => match self.definition.plan.nodes[perform.node].effect() {
                Effect::Once => true,
                Effect::Idempotent => self.state().unrecorded_effect,
                Effect::Pure => false,
            },
        })
    }

    fn perform(&mut self, perform: Perform) {
        let node = &self.definition.plan.nodes[perform.node];
        if let Some(signals) = self.signals() {
            signals.send(&Signal::StepStarted(self.step_signal(&node.path, &node.uses, perform.attempt, None)));
        }
        let ix = perform.node;
        let pure = node.effect() == Effect::Pure;
        let action = super::perform::Action {
            engine: self.engine.clone(),
            definition: self.definition.clone(),
            about: self.about.clone(),
            perform,
            stop: self.stop_actions.child_token(),
            logs: self.logs.clone(),
        };
        self.acting_since.get_or_insert_with(Instant::now);
        if pure {
            self.acting.push(Box::pin(async move { (ix, action.run().await) }));
        } else {
            // In a task of its own it goes on while this one waits for a commit.
            let task = tokio::spawn(action.run());
            self.acting.push(Box::pin(async move {
                let result = task.await.unwrap_or_else(|error| {
                    Err(StepError::new(ErrorCode::Internal, format!("the action's task ended: {error}")))
                });
                (ix, result)
            }));
        }
    }

    /// Waits for the next happening.
    async fn next(&mut self) -> Result<Happening, Stop> {
        loop {
            let wake =
                self.state().next_wake(&self.definition.plan).map(|at| (at - self.now()).to_std().unwrap_or_default());
            let show = match self.acting_since {
                Some(since) if !self.shown => Some(SHOW_AFTER.saturating_sub(since.elapsed())),
                _ => None,
            };
            let cancelling = self.state().phase == Phase::Cancelling;
            let takes_signals = self.held.takes_signals.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                () = self.held.lost.cancelled() => return Err(Stop::LeaseLost),
                Some((node, result)) = self.acting.next() => {
                    if self.acting.is_empty() {
                        self.acting_since = None;
                        self.shown = false;
                    }
                    return Ok(self.ended(node, result));
                }
                () = self.held.cancel.cancelled(), if !cancelling => return Ok(Happening::Cancel),
                () = self.held.signalled.notified(), if takes_signals => {
                    let (engine, held, about) = (self.engine, &self.held, &self.about);
                    if let Some(signals) = engine.arrived(held, about).await {
                        return Ok(Happening::Signals(signals));
                    }
                }
                () = self.engine.inner.active.grace_over.cancelled() => return Err(self.give_back().await),
                () = sleep(wake), if wake.is_some() => return Ok(Happening::Tick),
                () = sleep(show), if show.is_some() => {
                    self.shown = true;
                    self.record_shown().await?;
                }
            }
        }
    }

    fn ended(&self, node: NodeIx, result: Result<Value, StepError>) -> Happening {
        match result {
            Ok(output) => Happening::ActionSucceeded { node, output },
            Err(error) => Happening::ActionFailed { node, error, draw: rand::random() },
        }
    }

    /// The grace period of a drain is over: the item goes back, no attempt is charged.
    async fn give_back(&mut self) -> Stop {
        self.stop_actions.cancel();
        if let Err(error) = self.engine.ports().store.release(&[self.held.claim]).await {
            tracing::warn!(execution = %self.about.execution_id, %error, "an item could not be released; its lease will run out");
        }
        Stop::Released
    }

    async fn record_shown(&mut self) -> Result<(), Stop> {
        let progress = self.take_progress(true);
        self.store(progress, Then::Hold).await.map(|_| ())
    }

    /// Records what has changed. Steps of `not_begun` are left out: their attempts never were.
    async fn record(&mut self, then: Then, not_begun: &[Command]) -> Result<CheckpointAck, Stop> {
        let mut progress = self.take_progress(false);
        for command in not_begun {
            if let Command::Perform(perform) = command {
                let path = &self.definition.plan.nodes[perform.node].path;
                progress.steps.retain(|step| step.path != *path);
            }
        }
        self.store(progress, then).await
    }

    fn take_progress(&mut self, show_running: bool) -> Progress {
        let plan = &self.definition.plan;
        self.state.as_mut().map(|state| state.take_progress(plan, show_running)).unwrap_or_default()
    }

    async fn store(&mut self, progress: Progress, then: Then) -> Result<CheckpointAck, Stop> {
        let logs = std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = self.state().phase == Phase::Ended;
        let publish = if ended { self.core_event().await } else { Vec::new() };
        let checkpoint = Checkpoint {
            claim: self.held.claim,
            execution_id: self.about.execution_id,
            tenant_id: self.about.tenant_id,
            steps: progress.steps,
            logs,
            execution: progress.execution,
            then,
            publish,
        };
        let observed = self.signals().map(|_| checkpoint.steps.clone());
        let ack = self.commit(checkpoint).await?;
        if let Some(steps) = observed {
            self.signal_steps(&steps);
        }
        if ended {
            metrics::counter!("automate_executions_ended_total", "status" => self.state().status.as_str()).increment(1);
            self.signal_workflow(Some(self.state().status));
        }
        Ok(ack)
    }

    /// Commits; where the database is away, tries again for as long as the lease can be trusted.
    async fn commit(&mut self, checkpoint: Checkpoint) -> Result<CheckpointAck, Stop> {
        let mut delay = Duration::from_millis(50);
        loop {
            let error = match self.engine.ports().store.checkpoint(checkpoint.clone()).await {
                Ok(ack) => return Ok(ack),
                Err(StoreError::LeaseLost) => return Err(Stop::LeaseLost),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(Stop::Refused(error)),
            };
            tracing::warn!(execution = %self.about.execution_id, %error, "a checkpoint is tried again");
            tokio::select! {
                () = self.held.lost.cancelled() => return Err(Stop::LeaseLost),
                () = self.engine.inner.active.grace_over.cancelled() => return Err(Stop::Released),
                () = tokio::time::sleep(delay.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => {}
            }
            delay = (delay * 2).min(Duration::from_secs(2));
        }
    }

    /// The event that the end of this execution is, where a workflow listens to it.
    async fn core_event(&mut self) -> Vec<Accept> {
        let state = self.state();
        let event_type = format!("core.workflow.{}", state.status.as_str());
        let payload = || end_event(&self.about, state.status, state.error.as_ref(), state.output.as_ref());
        self.engine.accept_of_core_event(&self.about, &event_type, payload).await
    }

    // ------------------------------------------------------------ signals

    /// Where somebody is to be told. Of a test nobody is: receivers act on the world, and most were written
    /// without a thought of tests. It starts nothing that listens to the events of the same names either.
    fn signals(&self) -> Option<&Signals> {
        let signals = &self.engine.ports().signals;
        (!self.about.effects.is_test() && !signals.is_empty()).then_some(signals)
    }

    fn signal_workflow(&self, ended: Option<ExecutionStatus>) {
        let Some(signals) = self.signals() else { return };
        let signal = WorkflowSignal {
            tenant_id: self.about.tenant_id,
            execution_id: self.about.execution_id,
            workflow: self.about.workflow.clone(),
            version: self.about.version,
            error: self.state().error.clone(),
        };
        match ended {
            None => signals.send(&Signal::WorkflowStarted(signal)),
            Some(ExecutionStatus::Completed) => signals.send(&Signal::WorkflowCompleted(signal)),
            Some(ExecutionStatus::Failed) => signals.send(&Signal::WorkflowFailed(signal)),
            Some(
                ExecutionStatus::Cancelled
                | ExecutionStatus::Pending
                | ExecutionStatus::Running
                | ExecutionStatus::Waiting,
            ) => {}
        }
    }

    fn signal_steps(&self, steps: &[StepRecord]) {
        let Some(signals) = self.signals() else { return };
        for record in steps {
            let attempt = u32::try_from(record.attempt).unwrap_or_default();
            let signal = || self.step_signal(&record.path, &record.uses, attempt, record.error.clone());
            match record.status {
                StepStatus::Completed => signals.send(&Signal::StepCompleted(signal())),
                StepStatus::Failed => signals.send(&Signal::StepFailed(signal())),
                StepStatus::Pending
                | StepStatus::Running
                | StepStatus::Waiting
                | StepStatus::Skipped
                | StepStatus::Cancelled
                | StepStatus::OutcomeUnknown => {}
            }
        }
    }

    fn step_signal(&self, path: &str, uses: &str, attempt: u32, error: Option<StepError>) -> StepSignal {
        StepSignal {
            tenant_id: self.about.tenant_id,
            execution_id: self.about.execution_id,
            workflow: self.about.workflow.clone(),
            path: path.to_owned(),
            uses: uses.to_owned(),
            attempt,
            error,
        }
    }
}

/// What becomes of an attempt that was decided and did not begin.
fn never_begun(command: Command) -> Option<Happening> {
    match command {
        Command::StopActions => None,
        Command::Perform(perform) => {
            let error = StepError::new(ErrorCode::Cancelled, "the execution was cancelled before this attempt began")
                .with_details(serde_json::json!({ "sent": false }));
            Some(Happening::ActionFailed { node: perform.node, error, draw: 0.0 })
        }
    }
}

async fn sleep(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}
