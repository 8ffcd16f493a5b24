//! A graph as a list: what says the same as the picture to whoever does not see it, and is quicker to
//! read on a small screen.

use std::collections::BTreeMap;

use automate_core::document::Graph;
use automate_core::document::graph::{EdgeKind, NodeKind};

use super::{GraphState, line_id};

/// A node as a line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The element's id; empty of what is no step.
    pub(crate) id: String,
    /// The step's path in executions; empty of what is no step.
    pub(crate) path: String,
    /// The step's id, or what a trigger listens for.
    pub(crate) name: String,
    /// What it does; empty of what is no step.
    pub(crate) label: String,
    /// Its kind in a word: `trigger`, `action`, `set`, `fail`, `wait`, `failure`.
    pub(crate) kind: &'static str,
    /// The condition under which it runs.
    pub(crate) condition: String,
    /// What it waits for, in words: `charge`, `charge has failed`.
    pub(crate) after: Vec<String>,
    /// How many blocks it is inside of.
    pub(crate) depth: usize,
    /// Where it stands, where that is known.
    pub(crate) state: Option<GraphState>,
}

/// All nodes in the order of the document.
pub(crate) fn outline(graph: &Graph, states: &BTreeMap<String, GraphState>) -> Vec<Line> {
    let mut after: Vec<Vec<String>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        let from = &graph.nodes[edge.from];
        match edge.kind {
            EdgeKind::Start => {}
            EdgeKind::Sequence | EdgeKind::Needs => after[edge.to].push(from.id.clone()),
            EdgeKind::OnError => after[edge.to].push(format!("{} has failed", from.id)),
        }
    }
    let lines = graph.nodes.iter().zip(after).map(|(node, after)| {
        let step = !node.path.is_empty();
        Line {
            id: if step { line_id(&node.path) } else { String::new() },
            path: node.path.clone(),
            name: if step { node.id.clone() } else { node.label.clone() },
            label: if step { node.label.clone() } else { String::new() },
            kind: kind_word(node.kind),
            condition: node.condition.clone().unwrap_or_default(),
            after,
            depth: node.depth,
            state: states.get(&node.path).filter(|_| step).cloned(),
        }
    });
    lines.collect()
}

pub(super) fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Trigger => "trigger",
        NodeKind::Uses => "action",
        NodeKind::Set => "set",
        NodeKind::Fail => "fail",
        NodeKind::Wait => "wait",
        NodeKind::Failure => "failure",
    }
}
