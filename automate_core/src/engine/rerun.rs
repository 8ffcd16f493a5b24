//! What runs again, and what is kept, when an ended execution is repeated from one of its steps.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::plan::{NodeIx, Plan};
use crate::status::{Effect, StepStatus};
use crate::store::StepRecord;

/// What becomes of a step in the new execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Will {
    /// It is taken over as it ended, with its recorded output.
    Keep,
    /// It runs, unless its condition says otherwise.
    Run,
    /// It runs only if what it handles fails.
    RunIfFailed,
}

/// One step of the plan of a re-run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RerunStep {
    /// Its path.
    pub path: String,
    /// The action, or `set`, `fail`, `wait`.
    pub uses: String,
    /// What it does to the world.
    pub effect: Effect,
    /// What becomes of it.
    pub will: Will,
    /// Where it stood in the execution that is repeated; nothing where it had not begun.
    pub was: Option<StepStatus>,
}

/// An effect that has happened, or may have, and that will be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepeatedEffect {
    /// The step's path.
    pub path: String,
    /// The action.
    pub uses: String,
    /// `once` or `idempotent`. A re-run carries a new idempotency key, so the other side takes
    /// either for a new call.
    pub effect: Effect,
    /// How it ended.
    pub was: StepStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// The idempotency key that it carried.
    pub idempotency_key: String,
    /// It is repeated only if what it handles fails.
    pub only_if_failed: bool,
}

/// Something about a re-run that is worth a look before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RerunWarning {
    /// A stable word for it.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
    /// The step, where it is about one.
    pub path: Option<String>,
}

/// Why an execution cannot be repeated from a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RerunError {
    /// There is no such step.
    #[error("the version has no step `{path}`; it has: {}", .known.join(", "))]
    UnknownStep {
        /// What was asked for.
        path: String,
        /// Paths that there are, not all of them where they are many.
        known: Vec<String>,
    },
    /// Nothing can begin there.
    #[error("nothing can begin at step `{path}`: {reason}")]
    NotThere {
        /// What was asked for.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// What a re-run does, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerun {
    /// The steps to take over, by their index in the plan.
    pub keep: Vec<NodeIx>,
    /// Every step of the version, in the order of the document.
    pub steps: Vec<RerunStep>,
    /// Effects that will be repeated.
    pub repeated_effects: Vec<RepeatedEffect>,
    /// What is worth a look.
    pub warnings: Vec<RerunWarning>,
}

/// Paths that an error about an unknown one names.
const PATHS_NAMED: usize = 20;

/// Decides what an execution with these recorded steps repeats when it begins again at `from`, or
/// at its beginning. The plan may be that of another version: a step is the same where its path and
/// what it calls are.
///
/// The chosen step runs, and with it whatever depends on it, what had not ended, and what depends
/// on that. Everything else keeps its recorded output.
///
/// # Errors
/// Where nothing can begin at `from`.
pub fn rerun(plan: &Plan, records: &[StepRecord], from: Option<&str>) -> Result<Rerun, RerunError> {
    let recorded: HashMap<&str, &StepRecord> = records.iter().map(|record| (record.path.as_str(), record)).collect();
    let records: Vec<Option<&StepRecord>> =
        plan.nodes.iter().map(|node| recorded.get(node.path.as_str()).copied()).collect();
    let mut closure = Closure { plan, records, again: BTreeSet::new() };
    let from = match from {
        None => {
            closure.again.extend(0..plan.nodes.len());
            None
        }
        Some(path) => {
            let ix = closure.beginning(path)?;
            closure.again.insert(ix);
            closure.close();
            Some(ix)
        }
    };
    Ok(closure.told(from))
}

struct Closure<'a> {
    plan: &'a Plan,
    /// What was recorded of each step of the plan.
    records: Vec<Option<&'a StepRecord>>,
    /// Steps that are not kept.
    again: BTreeSet<NodeIx>,
}

impl Closure<'_> {
    fn beginning(&self, path: &str) -> Result<NodeIx, RerunError> {
        let refuse = |reason: String| RerunError::NotThere { path: path.to_owned(), reason };
        let Some(ix) = self.plan.node(path) else {
            let known = self.plan.nodes.iter().filter(|node| !node.on_failure).take(PATHS_NAMED);
            let known = known.map(|node| node.path.clone()).collect();
            return Err(RerunError::UnknownStep { path: path.to_owned(), known });
        };
        if self.plan.nodes[ix].on_failure {
            return Err(refuse("steps of `on_failure` run because the execution fails, not by themselves".to_owned()));
        }
        let mut inner = ix;
        while let Some(parent) = self.plan.nodes[inner].handles {
            let failed = self.records[parent].is_some_and(|record| record.status == StepStatus::Failed);
            if !failed {
                let parent = &self.plan.nodes[parent].path;
                return Err(refuse(format!("it handles the failure of `{parent}`, which did not fail")));
            }
            inner = parent;
        }
        Ok(ix)
    }

    /// Whether a step ended in a way that what comes after it can build on.
    fn keepable(&self, ix: NodeIx) -> bool {
        let node = &self.plan.nodes[ix];
        let Some(record) = self.records[ix] else { return false };
        if record.uses != node.uses {
            return false;
        }
        match record.status {
            StepStatus::Completed | StepStatus::Skipped => true,
            StepStatus::Failed => node.continue_on_error || !node.on_error.is_empty(),
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Waiting
            | StepStatus::Cancelled
            | StepStatus::OutcomeUnknown => false,
        }
    }

    /// Whether a step's handlers have work, because it is kept as failed.
    fn handled(&self, ix: NodeIx) -> bool {
        !self.again.contains(&ix) && self.records[ix].is_some_and(|record| record.status == StepStatus::Failed)
    }

    /// Whether what comes after a step has to wait for it once more.
    fn unsettled(&self, ix: NodeIx) -> bool {
        self.again.contains(&ix)
            || self.handled(ix) && self.plan.nodes[ix].on_error.iter().any(|&handler| self.unsettled(handler))
    }

    /// Adds what follows from what is there, until nothing does. Each round adds a step or is the
    /// last; a step mostly stands behind what it waits for, so that there are few rounds.
    fn close(&mut self) {
        loop {
            let before = self.again.len();
            for ix in 0..self.plan.nodes.len() {
                if !self.again.contains(&ix) && self.follows(ix) {
                    self.again.insert(ix);
                }
            }
            if self.again.len() == before {
                return;
            }
        }
    }

    fn follows(&self, ix: NodeIx) -> bool {
        let node = &self.plan.nodes[ix];
        if node.on_failure {
            return true;
        }
        match node.handles {
            // With the step that they handle begins anew what happens when it fails; where that did
            // not fail, they have nothing to do.
            Some(parent) if !self.handled(parent) => return self.again.contains(&parent),
            Some(_) | None => {}
        }
        !self.keepable(ix) || node.waits_for.iter().any(|&before| self.unsettled(before))
    }

    fn told(&self, from: Option<NodeIx>) -> Rerun {
        let before = from.map(|from| self.comes_before(from)).unwrap_or_default();
        let mut told =
            Rerun { keep: Vec::new(), steps: Vec::new(), repeated_effects: Vec::new(), warnings: Vec::new() };
        for (ix, node) in self.plan.nodes.iter().enumerate() {
            let record = self.records[ix];
            let will = match node.handles {
                _ if !self.again.contains(&ix) && record.is_none() => continue,
                _ if !self.again.contains(&ix) => Will::Keep,
                _ if node.on_failure => Will::RunIfFailed,
                Some(parent) if self.again.contains(&parent) => Will::RunIfFailed,
                Some(_) | None => Will::Run,
            };
            if will == Will::Keep {
                told.keep.push(ix);
            }
            told.steps.push(RerunStep {
                path: node.path.clone(),
                uses: node.uses.clone(),
                effect: node.effect(),
                will,
                was: record.map(|record| record.status),
            });
            if let Some(record) = record.filter(|_| will != Will::Keep) {
                self.repeats(ix, record, will, &mut told);
            }
            if will != Will::Keep && before.contains(&ix) {
                told.warnings.push(RerunWarning {
                    code: "ALSO_RUNS",
                    message: format!(
                        "step `{}` has no result that could be kept and comes before, so it runs too",
                        node.path
                    ),
                    path: Some(node.path.clone()),
                });
            }
        }
        told
    }

    fn repeats(&self, ix: NodeIx, record: &StepRecord, will: Will, told: &mut Rerun) {
        let node = &self.plan.nodes[ix];
        let begun = record.attempt > 0 || record.rerun > 0;
        if node.effect() == Effect::Pure || !begun || record.uses != node.uses {
            return;
        }
        told.repeated_effects.push(RepeatedEffect {
            path: node.path.clone(),
            uses: node.uses.clone(),
            effect: node.effect(),
            was: record.status,
            attempts: record.attempt,
            idempotency_key: record.idempotency_key.clone(),
            only_if_failed: will == Will::RunIfFailed,
        });
        if record.status == StepStatus::OutcomeUnknown {
            told.warnings.push(RerunWarning {
                code: "OUTCOME_UNKNOWN",
                message: format!("whether step `{}` took effect is not known; it is done again", node.path),
                path: Some(node.path.clone()),
            });
        }
    }

    /// Everything that must have ended before a step.
    fn comes_before(&self, ix: NodeIx) -> BTreeSet<NodeIx> {
        let (mut before, mut open) = (BTreeSet::new(), vec![ix]);
        while let Some(ix) = open.pop() {
            let node = &self.plan.nodes[ix];
            open.extend(node.waits_for.iter().chain(&node.handles).copied().filter(|&ix| before.insert(ix)));
        }
        before
    }
}

#[cfg(test)]
mod tests;
