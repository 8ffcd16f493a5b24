//! What templates may name, and where.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;

use crate::document::definition::{Step, StepKind, Workflow};
use crate::document::order::{self, Before};
use crate::limits;

/// Names known wherever a template may stand.
const EVERYWHERE: &[&str] = &["env", "event", "execution", "inputs", "secrets", "steps", "tenant", "vars"];
/// Names known before there is an execution: in the `filter` and `dedupe` of a trigger.
const IN_TRIGGERS: &[&str] = &["env", "event", "secrets", "tenant"];
/// Names known only where a step or the execution has failed.
const IN_FAILURE: &[&str] = &["error"];
/// Names of parts of the language that this version does not run.
const LATER: &[&str] = &["index", "item"];

/// Where a template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Trigger,
    Steps,
    Failure,
}

impl Place {
    /// The names that are known here.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let base = if self == Self::Trigger { IN_TRIGGERS } else { EVERYWHERE };
        let more = if self == Self::Failure { IN_FAILURE } else { &[] };
        base.iter().chain(more).copied()
    }

    /// Why a name of the language is not known here, where that is so.
    pub(super) fn refusal(self, name: &str) -> Option<&'static str> {
        if LATER.contains(&name) {
            Some("belongs to `for_each`, which is not in this version")
        } else if IN_FAILURE.contains(&name) {
            Some("is known only in `on_error` and `on_failure`")
        } else if self == Self::Trigger && EVERYWHERE.contains(&name) {
            Some("is not known before an execution has begun")
        } else {
            None
        }
    }
}

/// What a reference to a step comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It has ended by then.
    Ended,
    /// It need not have ended by then.
    Doubtful,
    /// It is the step itself.
    Itself,
    /// It is in a block that is not around this one.
    Elsewhere,
    /// There is no such step.
    Unknown,
}

/// The blocks around the step that is looked at, the innermost last.
pub(super) struct Scopes<'a> {
    blocks: Vec<Scope<'a>>,
    /// The ids of all steps, on whatever level.
    all: IndexSet<&'a str>,
}

struct Scope<'a> {
    index: HashMap<&'a str, usize>,
    before: Option<Before>,
    /// The step that is looked at, or the one that the next block belongs to.
    at: usize,
}

impl<'a> Scopes<'a> {
    pub(super) fn of(workflow: &'a Workflow) -> Self {
        let mut all = IndexSet::new();
        let mut open = vec![workflow.on_failure.as_slice(), workflow.steps.as_slice()];
        while let Some(block) = open.pop() {
            for step in block {
                all.insert(step.id.as_str());
                if !step.on_error.is_empty() {
                    open.push(&step.on_error);
                }
            }
        }
        Self { blocks: Vec::new(), all }
    }

    /// Enters a block whose steps run in their order.
    pub(super) fn enter(&mut self, block: &'a [Step]) {
        // A longer block has been refused, and its order would take memory in the square of its length.
        let before = (block.len() <= limits::STEPS_PER_WORKFLOW).then(|| Before::of(&order::waits_for(block)));
        self.blocks.push(Scope { index: index_of(block), before, at: 0 });
    }

    /// Enters a block of which all that will ever run has run.
    pub(super) fn enter_ended(&mut self, block: &'a [Step]) {
        self.blocks.push(Scope { index: index_of(block), before: None, at: 0 });
    }

    pub(super) fn leave(&mut self) {
        self.blocks.pop();
    }

    /// Names the step of the innermost block that is looked at.
    pub(super) fn at(&mut self, step: usize) {
        if let Some(scope) = self.blocks.last_mut() {
            scope.at = step;
        }
    }

    pub(super) fn reach(&self, id: &str) -> Reach {
        let innermost = self.blocks.len().saturating_sub(1);
        for (level, scope) in self.blocks.iter().enumerate().rev() {
            let Some(&step) = scope.index.get(id) else { continue };
            let Some(before) = &scope.before else { return Reach::Ended };
            return match (step == scope.at, level == innermost) {
                (true, true) => Reach::Itself,
                // The step whose `on_error` this is.
                (true, false) => Reach::Ended,
                _ if before.has_ended(step, scope.at) => Reach::Ended,
                _ => Reach::Doubtful,
            };
        }
        if self.all.contains(id) { Reach::Elsewhere } else { Reach::Unknown }
    }

    pub(super) fn ids(&self) -> impl ExactSizeIterator<Item = &'a str> {
        self.all.iter().copied()
    }
}

fn index_of(block: &[Step]) -> HashMap<&str, usize> {
    let mut index = HashMap::with_capacity(block.len());
    for (i, step) in block.iter().enumerate() {
        index.entry(step.id.as_str()).or_insert(i);
    }
    index
}

/// The variables that steps set, on whatever level.
pub(super) fn variables(workflow: &Workflow) -> HashSet<&str> {
    let mut names = HashSet::new();
    let mut open = vec![workflow.steps.as_slice(), workflow.on_failure.as_slice()];
    while let Some(block) = open.pop() {
        for step in block {
            if let StepKind::Set(values) = &step.kind {
                names.extend(values.keys().map(String::as_str));
            }
            if !step.on_error.is_empty() {
                open.push(&step.on_error);
            }
        }
    }
    names
}
