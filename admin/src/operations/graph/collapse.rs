//! A large graph with fewer nodes: steps between the same neighbours become one node ("×500"), and so do
//! chains, until few enough are left. All work is linear in nodes and edges for each round, and the rounds
//! are bounded.

use std::collections::{BTreeSet, HashMap};

use automate_core::document::Graph;
use automate_core::document::graph::{Edge, Node, NodeKind};

/// Rounds of drawing together at most: each takes away one level of nesting.
const ROUNDS: usize = 8;

/// What is drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    /// Nodes and edges.
    pub(super) graph: Graph,
    /// For each of its nodes, the nodes of the whole graph that it stands for.
    pub(super) members: Vec<Vec<usize>>,
}

/// The graph with at most `most` nodes, where that can be reached; the graph itself where it has no more.
pub(super) fn collapse(graph: &Graph, most: usize) -> Drawn {
    let members = (0..graph.nodes.len()).map(|node| vec![node]).collect();
    let mut drawn = Drawn { graph: graph.clone(), members };
    if graph.nodes.len() > most {
        drawn = merge(graph, &drawn, &handlers(graph));
    }
    for _ in 0..ROUNDS {
        let before = drawn.graph.nodes.len();
        if before <= most {
            break;
        }
        drawn = merge(graph, &drawn, &alike(&drawn.graph));
        if drawn.graph.nodes.len() > most {
            drawn = merge(graph, &drawn, &chains(&drawn.graph));
        }
        if drawn.graph.nodes.len() == before {
            break;
        }
    }
    drawn
}

/// For each node, the neighbours before it and after it.
fn neighbours(graph: &Graph) -> (Vec<BTreeSet<usize>>, Vec<BTreeSet<usize>>) {
    let mut before = vec![BTreeSet::new(); graph.nodes.len()];
    let mut after = before.clone();
    for edge in &graph.edges {
        before[edge.to].insert(edge.from);
        after[edge.from].insert(edge.to);
    }
    (before, after)
}

fn is_step(node: &Node) -> bool {
    !matches!(node.kind, NodeKind::Trigger | NodeKind::Failure)
}

/// For each node, the first one of its group: a step of the workflow with what handles its failure.
fn handlers(graph: &Graph) -> Vec<usize> {
    let mut heads: HashMap<&str, usize> = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate().filter(|(_, node)| is_step(node)) {
        heads.entry(node.path.as_str()).or_insert(index);
    }
    let head = |(index, node): (usize, &Node)| match node.path.find("/on_error/") {
        Some(end) => heads.get(&node.path[..end]).copied().unwrap_or(index),
        None => index,
    };
    graph.nodes.iter().enumerate().map(head).collect()
}

/// For each node, the first one of its group: those that stand between the same neighbours.
fn alike(graph: &Graph) -> Vec<usize> {
    let (before, after) = neighbours(graph);
    let mut firsts: HashMap<(&BTreeSet<usize>, &BTreeSet<usize>, usize), usize> = HashMap::new();
    let group = |node: usize| {
        if !is_step(&graph.nodes[node]) || (before[node].is_empty() && after[node].is_empty()) {
            return node;
        }
        *firsts.entry((&before[node], &after[node], graph.nodes[node].depth)).or_insert(node)
    };
    (0..graph.nodes.len()).map(group).collect()
}

/// For each node, the first one of its group: a chain, in which each is the only one before the next and
/// after the one before.
fn chains(graph: &Graph) -> Vec<usize> {
    let (before, after) = neighbours(graph);
    let only = |set: &BTreeSet<usize>| if set.len() == 1 { set.first().copied() } else { None };
    let mut groups: Vec<usize> = (0..graph.nodes.len()).collect();
    for node in 0..graph.nodes.len() {
        let Some(last) = only(&before[node]) else { continue };
        let joined = only(&after[last]) == Some(node)
            // A group is named by its first node: only where that comes before, as it does in documents.
            && last < node
            && is_step(&graph.nodes[last])
            && is_step(&graph.nodes[node])
            && graph.nodes[last].depth == graph.nodes[node].depth;
        if joined {
            groups[node] = groups[last];
        }
    }
    groups
}

/// Makes one node of each group. The order of what is left stays that of the document.
fn merge(whole: &Graph, drawn: &Drawn, groups: &[usize]) -> Drawn {
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (node, group) in groups.iter().enumerate() {
        let place = *places.entry(*group).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[place].extend(&drawn.members[node]);
    }
    let place_of = |node: usize| places.get(&groups[node]).copied().unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut edges: Vec<Edge> = Vec::new();
    for edge in &drawn.graph.edges {
        let (from, to) = (place_of(edge.from), place_of(edge.to));
        if from != to && seen.insert((from, to)) {
            edges.push(Edge { from, to, kind: edge.kind });
        }
    }
    let nodes = members.iter().map(|members| node_of(whole, members)).collect();
    Drawn { graph: Graph { title: whole.title.clone(), nodes, edges }, members }
}

fn node_of(whole: &Graph, members: &[usize]) -> Node {
    let first = &whole.nodes[members.first().copied().unwrap_or_default()];
    if members.len() < 2 {
        return first.clone();
    }
    let last = members.last().map_or(first, |last| &whole.nodes[*last]);
    Node {
        id: format!("{} steps", members.len()),
        label: format!("{} … {}", first.id, last.id),
        condition: None,
        ..first.clone()
    }
}
