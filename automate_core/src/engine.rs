//! The pure engine: what a workflow does next, decided without a clock, randomness or IO.
//!
//! [`Plan`] is a workflow compiled for running. [`State`] is one execution of it. [`step`] takes a
//! [`Happening`] and answers with the new state and the [`Command`]s that a driver must carry out
//! after it has recorded the state. The same inputs give the same outputs, always.
//!
//! The rest of the language (`for_each`, `parallel`, `switch`, `while`, sub-workflows, waits for
//! approvals and events) will be further variants of [`Work`], further happenings, and paths with an iteration
//! in them (`lines/3/stock`); nothing else needs to change shape.

mod effects;
mod machine;
mod plan;
mod rerun;
mod retry;
mod signals;
mod state;

pub use effects::{Effects, Reach};
pub use machine::{Command, Happening, Perform, step};
pub use plan::{CompiledTrigger, Node, NodeIx, Plan, PlanError, Work};
pub use rerun::{RepeatedEffect, Rerun, RerunError, RerunStep, RerunWarning, Will, rerun};
pub use retry::{backoff, may_retry};
pub use signals::{Signal, signal_of};
pub use state::{Phase, Progress, State, StepState};

#[cfg(test)]
mod tests;
