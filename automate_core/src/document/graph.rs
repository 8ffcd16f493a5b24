//! The picture of a workflow: what starts it, its steps, and what waits for what.

mod layout;
mod svg;
mod text;

use std::collections::HashMap;

use serde::Serialize;

use super::definition::{Step, StepKind, Trigger, Wait, Workflow};
use super::{duration, order};
pub use layout::{Layout, NODE_HEIGHT, NODE_WIDTH, Point};
pub use svg::{curve, cut, escaped, tenths};

/// A workflow as nodes and edges.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// The workflow's title.
    pub title: String,
    /// The nodes: triggers, then steps in the order of the document, each followed by the blocks it holds.
    pub nodes: Vec<Node>,
    /// What waits for what. Edges lead forward: there are no cycles in a document that was accepted.
    pub edges: Vec<Edge>,
}

/// One thing in the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The step's id; empty for a trigger and for the mark where `on_failure` begins.
    pub id: String,
    /// The step's path in executions (`charge/on_error/tell`), by which their steps are recorded; empty where
    /// there is no step.
    #[serde(skip)]
    pub path: String,
    /// What it is, in a few words: the action, or what a trigger listens for.
    pub label: String,
    /// What kind of thing it is.
    pub kind: NodeKind,
    /// The step's condition, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Its place in the document as a JSON pointer.
    pub pointer: String,
    /// How many blocks it is inside of; 0 for the workflow's own steps.
    pub depth: usize,
}

/// What kind of thing a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Starts the workflow.
    Trigger,
    /// Calls an action.
    Uses,
    /// Sets variables.
    Set,
    /// Fails the execution.
    Fail,
    /// Waits.
    Wait,
    /// The execution has failed: `on_failure` begins here.
    Failure,
}

/// One node waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The index of the node that comes first.
    pub from: usize,
    /// The index of the node that waits for it.
    pub to: usize,
    /// Why it waits.
    pub kind: EdgeKind,
}

/// Why one node waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// A trigger starts what waits for nothing.
    Start,
    /// It is the step after it.
    Sequence,
    /// It names it in `needs`.
    Needs,
    /// It runs when the other one has failed.
    OnError,
}

impl Graph {
    /// The graph of a workflow. Names in `needs` that no step has are left out.
    #[must_use]
    pub fn of(workflow: &Workflow) -> Self {
        let mut graph = Self { title: workflow.title.clone(), nodes: Vec::new(), edges: Vec::new() };
        for (i, trigger) in workflow.triggers.iter().enumerate() {
            graph.nodes.push(Node {
                id: String::new(),
                path: String::new(),
                label: trigger_label(trigger),
                kind: NodeKind::Trigger,
                condition: trigger_filter(trigger).map(str::to_owned),
                pointer: format!("/on/{i}"),
                depth: 0,
            });
        }
        let starts: Vec<usize> = (0..graph.nodes.len()).collect();
        graph.block(&workflow.steps, "", &starts, EdgeKind::Start, 0);
        if !workflow.on_failure.is_empty() {
            let mark = graph.nodes.len();
            graph.nodes.push(Node {
                id: String::new(),
                path: String::new(),
                label: "when it has failed".to_owned(),
                kind: NodeKind::Failure,
                condition: None,
                pointer: "/on_failure".to_owned(),
                depth: 0,
            });
            graph.block(&workflow.on_failure, "on_failure/", &[mark], EdgeKind::Start, 1);
        }
        graph
    }

    /// Where everything stands in a picture.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::of(self)
    }

    /// The graph for a terminal: one line for each node, with what it waits for.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::draw(self)
    }

    /// The graph as an SVG picture that needs nothing from elsewhere: no scripts, no fonts, no
    /// links. Light and dark surroundings have their colours, a page can set its own with CSS variables
    /// (`--automate-text`, `--automate-node`, …), and everything from the document is escaped.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// Adds a block, whose steps' paths begin with `prefix`; `first` are the nodes that its first steps come
    /// after.
    fn block(&mut self, block: &[Step], prefix: &str, first: &[usize], kind: EdgeKind, depth: usize) {
        let waits_for = order::waits_for(block);
        let mut nodes: Vec<usize> = Vec::with_capacity(block.len());
        for step in block {
            let node = self.nodes.len();
            nodes.push(node);
            let path = format!("{prefix}{}", step.id);
            let inner = format!("{path}/on_error/");
            self.nodes.push(Node {
                id: step.id.clone(),
                path,
                label: step_label(step),
                kind: step_kind(step),
                condition: step.condition.clone(),
                pointer: step.pointer.clone(),
                depth,
            });
            if !step.on_error.is_empty() {
                self.block(&step.on_error, &inner, &[node], EdgeKind::OnError, depth + 1);
            }
        }
        for ((step, waits), &to) in block.iter().zip(&waits_for).zip(&nodes) {
            if waits.is_empty() {
                self.edges.extend(first.iter().map(|&from| Edge { from, to, kind }));
            }
            let kind = if step.needs.is_some() { EdgeKind::Needs } else { EdgeKind::Sequence };
            self.edges.extend(waits.iter().filter_map(|&w| nodes.get(w)).map(|&from| Edge { from, to, kind }));
        }
    }

    /// For each node, the nodes it waits for.
    fn sources(&self) -> HashMap<usize, Vec<Edge>> {
        let mut sources: HashMap<usize, Vec<Edge>> = HashMap::new();
        for edge in &self.edges {
            sources.entry(edge.to).or_default().push(*edge);
        }
        sources
    }
}

fn trigger_label(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Webhook(webhook) => format!("webhook {} ({})", webhook.path, webhook.verify.scheme.as_str()),
        Trigger::Event(event) => format!("event {}", event.pattern),
        Trigger::Manual => "manual".to_owned(),
    }
}

fn trigger_filter(trigger: &Trigger) -> Option<&str> {
    match trigger {
        Trigger::Webhook(webhook) => webhook.filter.as_deref(),
        Trigger::Event(event) => event.filter.as_deref(),
        Trigger::Manual => None,
    }
}

fn step_kind(step: &Step) -> NodeKind {
    match step.kind {
        StepKind::Uses { .. } => NodeKind::Uses,
        StepKind::Set(_) => NodeKind::Set,
        StepKind::Fail(_) => NodeKind::Fail,
        StepKind::Wait(_) => NodeKind::Wait,
    }
}

fn step_label(step: &Step) -> String {
    match &step.kind {
        StepKind::Uses { action, .. } => action.clone(),
        StepKind::Set(values) => format!("set {}", values.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        StepKind::Fail(_) => "fail".to_owned(),
        StepKind::Wait(Wait::For(length)) => format!("wait {}", duration::format(*length)),
        StepKind::Wait(Wait::ForTemplate(text)) => format!("wait {text}"),
        StepKind::Wait(Wait::Until(instant)) => {
            format!("wait until {}", instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        }
        StepKind::Wait(Wait::UntilTemplate(text)) => format!("wait until {text}"),
        StepKind::Wait(Wait::Signal { name, .. }) => format!("wait for signal {name}"),
    }
}

#[cfg(test)]
mod tests;
