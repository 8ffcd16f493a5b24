//! A workflow compiled for running: steps flattened, templates compiled, order resolved.

use std::collections::HashMap;
use std::time::Duration;

use crate::actions::Catalog;
use crate::document::definition::{OnUnknown, Retry, Step, StepKind, Trigger, Wait, Workflow};
use crate::expr::secret::SecretBinder;
use crate::expr::{Condition, ExprError, Expressions, Template, ValueTemplate};
use crate::limits;
use crate::status::Effect;

/// The index of a step in its plan.
pub type NodeIx = usize;

/// Why a stored document cannot be run. A published document was checked, so this means that a
/// connector has gone or a row was changed by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the workflow cannot run: {path}: {message}")]
pub struct PlanError {
    /// The step's path, or `output`, or `on/2`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// A workflow compiled for running.
#[derive(Debug)]
pub struct Plan {
    /// The workflow's slug.
    pub workflow: String,
    /// Its title.
    pub title: String,
    /// How long an execution may take.
    pub timeout: Option<Duration>,
    /// Every step, of all blocks.
    pub nodes: Vec<Node>,
    /// The steps of the workflow itself.
    pub main: Vec<NodeIx>,
    /// The steps that run when it has failed.
    pub on_failure: Vec<NodeIx>,
    /// Finds the secrets in what was rendered.
    pub binder: SecretBinder,
    /// The output.
    pub output: Option<ValueTemplate>,
    /// The triggers, in the order of the document.
    pub triggers: Vec<CompiledTrigger>,
    by_path: HashMap<String, NodeIx>,
}

/// A trigger with its expressions compiled.
#[derive(Debug)]
pub struct CompiledTrigger {
    /// What the document says.
    pub trigger: Trigger,
    /// Whether an event starts the workflow.
    pub filter: Option<Condition>,
    /// The key of which there is one execution.
    pub dedupe: Option<Template>,
}

/// A step compiled for running.
#[derive(Debug)]
pub struct Node {
    /// Its path, unique in the execution: `enrich`, `enrich/on_error/tell`, `on_failure/tell`.
    pub path: String,
    /// Its id.
    pub id: String,
    /// What is stored in `uses`.
    pub uses: String,
    /// Skipped where false.
    pub condition: Option<Condition>,
    /// The steps that must have settled before.
    pub waits_for: Vec<NodeIx>,
    /// The steps that wait for this one.
    pub dependents: Vec<NodeIx>,
    /// The step whose `on_error` block this is in.
    pub handles: Option<NodeIx>,
    /// It is in the `on_failure` block, or in the `on_error` of a step there.
    pub on_failure: bool,
    /// What it does.
    pub work: Work,
    /// How failed attempts are repeated.
    pub retry: Retry,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// A failure does not end the execution.
    pub continue_on_error: bool,
    /// What runs when it has failed.
    pub on_error: Vec<NodeIx>,
    /// What to do when the outcome of a `once` action is not known.
    pub on_unknown: OnUnknown,
}

/// What a step does.
#[derive(Debug)]
pub enum Work {
    /// Calls an action.
    Action {
        /// What it does to the world.
        effect: Effect,
        /// Named credentials.
        connection: Option<String>,
        /// The input.
        with: ValueTemplate,
    },
    /// Sets variables.
    Set(Vec<(String, ValueTemplate)>),
    /// Fails the execution.
    Fail(Template),
    /// Waits for a length of time or until an instant.
    Wait {
        /// What to wait for.
        wait: Wait,
        /// The compiled template, where it is one.
        template: Option<Template>,
    },
    /// Waits for a signal.
    Signal {
        /// Its name.
        name: String,
        /// How long it is waited for.
        timeout: Duration,
    },
}

impl Plan {
    /// Compiles a checked workflow.
    pub fn compile(workflow: &Workflow, expressions: &Expressions, catalog: &dyn Catalog) -> Result<Self, PlanError> {
        let mut builder = Builder { workflow, expressions, catalog, in_on_failure: false, nodes: Vec::new() };
        let main = builder.block(&workflow.steps, "", None)?;
        builder.in_on_failure = true;
        let on_failure = builder.block(&workflow.on_failure, "on_failure/", None)?;
        let output = match &workflow.output {
            None => None,
            Some(output) => Some(expressions.value(output).map_err(|errors| first("output", &errors))?),
        };
        let mut triggers = Vec::with_capacity(workflow.triggers.len());
        for (position, trigger) in workflow.triggers.iter().enumerate() {
            triggers.push(compile_trigger(trigger, expressions).map_err(|e| at(&format!("on/{position}"), &e))?);
        }
        let mut nodes = builder.nodes;
        for ix in 0..nodes.len() {
            for before in nodes[ix].waits_for.clone() {
                nodes[before].dependents.push(ix);
            }
        }
        let mut by_path = HashMap::with_capacity(nodes.len());
        for (ix, node) in nodes.iter().enumerate() {
            if by_path.insert(node.path.clone(), ix).is_some() {
                return Err(PlanError { path: node.path.clone(), message: "two steps have this path".to_owned() });
            }
        }
        Ok(Self {
            workflow: workflow.slug.clone(),
            title: workflow.title.clone(),
            timeout: workflow.timeout,
            nodes,
            main,
            on_failure,
            binder: expressions.binder(),
            output,
            triggers,
            by_path,
        })
    }

    /// Whether a step of it waits for signals.
    #[must_use]
    pub fn takes_signals(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.work, Work::Signal { .. }))
    }

    /// The step of a path.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<NodeIx> {
        self.by_path.get(path).copied()
    }
}

fn compile_trigger(trigger: &Trigger, expressions: &Expressions) -> Result<CompiledTrigger, ExprError> {
    let (filter, dedupe) = match trigger {
        Trigger::Webhook(webhook) => (&webhook.filter, &webhook.dedupe),
        Trigger::Event(event) => (&event.filter, &event.dedupe),
        Trigger::Manual => (&None, &None),
    };
    Ok(CompiledTrigger {
        trigger: trigger.clone(),
        filter: filter.as_deref().map(|source| expressions.condition(source)).transpose()?,
        dedupe: dedupe.as_deref().map(|source| expressions.template(source)).transpose()?,
    })
}

struct Builder<'a> {
    workflow: &'a Workflow,
    expressions: &'a Expressions,
    catalog: &'a dyn Catalog,
    in_on_failure: bool,
    nodes: Vec<Node>,
}

impl Builder<'_> {
    /// Compiles a block; its steps are siblings that may name each other in `needs`.
    fn block(&mut self, steps: &[Step], prefix: &str, handles: Option<NodeIx>) -> Result<Vec<NodeIx>, PlanError> {
        let mut block = Vec::with_capacity(steps.len());
        let mut ids: HashMap<&str, NodeIx> = HashMap::with_capacity(steps.len());
        for step in steps {
            let path = format!("{prefix}{}", step.id);
            let node = self.node(step, path.clone(), handles)?;
            let ix = self.nodes.len();
            self.nodes.push(node);
            ids.insert(step.id.as_str(), ix);
            block.push(ix);
            let on_error = self.block(&step.on_error, &format!("{path}/on_error/"), Some(ix))?;
            self.nodes[ix].on_error = on_error;
        }
        for (position, step) in steps.iter().enumerate() {
            let waits_for = match &step.needs {
                Some(needs) => {
                    let mut found = Vec::with_capacity(needs.len());
                    for id in needs {
                        let Some(ix) = ids.get(id.as_str()) else {
                            return Err(PlanError {
                                path: format!("{prefix}{}", step.id),
                                message: format!("`needs` names `{id}`, which is not a step of its block"),
                            });
                        };
                        found.push(*ix);
                    }
                    found
                }
                None if position == 0 => Vec::new(),
                None => vec![block[position - 1]],
            };
            self.nodes[block[position]].waits_for = waits_for;
        }
        Ok(block)
    }

    fn node(&self, step: &Step, path: String, handles: Option<NodeIx>) -> Result<Node, PlanError> {
        let mut timeout = step.timeout;
        let (uses, work) = match &step.kind {
            StepKind::Uses { action, connection, with } => {
                let Some(meta) = self.catalog.action(action) else {
                    return Err(PlanError { path, message: format!("there is no action `{action}` in this program") });
                };
                timeout = timeout.or(meta.timeout);
                let with = self.expressions.value(with).map_err(|errors| first(&path, &errors))?;
                (action.clone(), Work::Action { effect: meta.effect, connection: connection.clone(), with })
            }
            StepKind::Set(values) => {
                let mut set = Vec::with_capacity(values.len());
                for (name, value) in values {
                    set.push((name.clone(), self.expressions.value(value).map_err(|errors| first(&path, &errors))?));
                }
                ("set".to_owned(), Work::Set(set))
            }
            StepKind::Fail(message) => {
                let template = self.expressions.template(message).map_err(|e| at(&path, &e))?;
                ("fail".to_owned(), Work::Fail(template))
            }
            StepKind::Wait(Wait::Signal { name, timeout }) => {
                let timeout = timeout.unwrap_or(limits::MAX_WAIT);
                ("wait".to_owned(), Work::Signal { name: name.clone(), timeout })
            }
            StepKind::Wait(wait) => {
                let template = match wait {
                    Wait::For(_) | Wait::Until(_) | Wait::Signal { .. } => None,
                    Wait::ForTemplate(source) | Wait::UntilTemplate(source) => {
                        Some(self.expressions.template(source).map_err(|e| at(&path, &e))?)
                    }
                };
                ("wait".to_owned(), Work::Wait { wait: wait.clone(), template })
            }
        };
        let condition = match &step.condition {
            None => None,
            Some(source) => Some(self.expressions.condition(source).map_err(|e| at(&path, &e))?),
        };
        Ok(Node {
            path,
            id: step.id.clone(),
            uses,
            condition,
            waits_for: Vec::new(),
            dependents: Vec::new(),
            handles,
            on_failure: self.in_on_failure,
            work,
            retry: step.retry.clone().unwrap_or_else(|| self.workflow.retry.clone()),
            timeout: timeout.unwrap_or(limits::DEFAULT_STEP_TIMEOUT),
            continue_on_error: step.continue_on_error,
            on_error: Vec::new(),
            on_unknown: step.on_unknown,
        })
    }
}

fn first(path: &str, errors: &[ExprError]) -> PlanError {
    match errors.first() {
        Some(error) => at(path, error),
        None => PlanError { path: path.to_owned(), message: "a template does not compile".to_owned() },
    }
}

fn at(path: &str, error: &ExprError) -> PlanError {
    PlanError { path: format!("{path}{}", error.pointer), message: error.to_string() }
}

impl Node {
    /// What it does to the world; everything but an action is pure.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match &self.work {
            Work::Action { effect, .. } => *effect,
            Work::Set(_) | Work::Fail(_) | Work::Wait { .. } | Work::Signal { .. } => Effect::Pure,
        }
    }
}
