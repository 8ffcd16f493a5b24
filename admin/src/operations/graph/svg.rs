//! The picture as SVG in the words of the admin's sheet: `.node node-STATE`, `.edge`. Nothing in it is
//! styled in place, as the policy of the pages wants it, and all text of documents is escaped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use automate_core::document::Graph;
use automate_core::document::graph::{
    EdgeKind, Layout, NODE_HEIGHT, NODE_WIDTH, Node, NodeKind, Point, curve, cut, escaped, tenths,
};

use super::collapse::Drawn;
use super::{GraphState, line_id, node_id};
use crate::http::icon_url;

/// Characters of a line that fit into a node.
const LINE: usize = 26;
/// The states of the steps that one node stands for, the most pressing first.
const PRESSING: &[&str] =
    &["failed", "outcome_unknown", "running", "waiting", "pending", "cancelled", "completed", "skipped"];

pub(super) fn draw(whole: &Graph, drawn: &Drawn, layout: &Layout, states: &BTreeMap<String, GraphState>) -> String {
    let mut out = String::with_capacity(400 * drawn.graph.nodes.len() + 400);
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        out,
        "<svg width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" role=\"group\" aria-label=\"{title}\">",
        w = layout.width,
        h = layout.height,
        title = escaped(&whole.title),
    );
    let shown: Vec<Option<GraphState>> = drawn.members.iter().map(|members| state_of(whole, members, states)).collect();
    // One path for all edges of a kind, and one for their heads: of hundreds, each its own element would
    // be a third of the page.
    let (mut lines, mut heads) = (BTreeMap::<&str, String>::new(), String::new());
    for (edge, points) in drawn.graph.edges.iter().zip(&layout.edges) {
        let class = match (edge.kind, &shown[edge.to]) {
            (_, Some(state)) if state.status == "skipped" => "edge edge-skipped",
            (_, Some(state)) if !matches!(state.status.as_str(), "" | "pending") => "edge edge-taken",
            (EdgeKind::OnError, _) => "edge edge-skipped",
            _ => "edge",
        };
        lines.entry(class).or_default().push_str(&curve(points));
        if let Some(end) = points.last() {
            let _ = write!(heads, "M{} {}l-4-7h8z", tenths(end.x), tenths(end.y));
        }
    }
    for (class, path) in &lines {
        let _ = write!(out, "<path class=\"{class}\" d=\"{path}\"/>");
    }
    if !heads.is_empty() {
        let _ = write!(out, "<path class=\"edge-head\" d=\"{heads}\"/>");
    }
    let statuses: BTreeSet<&str> = shown.iter().flatten().map(|state| state.status.as_str()).collect();
    if !statuses.is_empty() {
        out.push_str("<defs>");
        let top = NODE_HEIGHT / 2.0 - 7.0;
        for status in statuses {
            let icon = icon_url(&format!("state-{status}"));
            let (id, icon) = (escaped(&icon_id(status)), escaped(&icon));
            let _ = write!(out, "<use id=\"{id}\" href=\"{icon}\" y=\"{top}\" width=\"14\" height=\"14\"/>");
        }
        out.push_str("</defs>");
    }
    for (index, (node, at)) in drawn.graph.nodes.iter().zip(&layout.nodes).enumerate() {
        draw_node(node, *at, drawn.members[index].len(), shown[index].as_ref(), &mut out);
    }
    out.push_str("</svg>");
    out
}

/// Where the steps of a node stand: of several, the most pressing state, and how many are in it.
fn state_of(whole: &Graph, members: &[usize], states: &BTreeMap<String, GraphState>) -> Option<GraphState> {
    let path = |node: &usize| whole.nodes[*node].path.as_str();
    if let [only] = members {
        return Some(path(only)).filter(|path| !path.is_empty()).and_then(|path| states.get(path)).cloned();
    }
    let known: Vec<&GraphState> = members.iter().filter_map(|node| states.get(path(node))).collect();
    let rank = |state: &&&GraphState| PRESSING.iter().position(|word| *word == state.status).unwrap_or(PRESSING.len());
    let worst = known.iter().min_by_key(rank)?;
    let count = known.iter().filter(|state| state.status == worst.status && state.word == worst.word).count();
    let said = GraphState::new(&worst.status).detail(format!("{count} of {}", members.len())).at(worst.url.clone());
    Some(GraphState { word: worst.word.clone(), ..said })
}

/// The id of a state's icon within the picture.
fn icon_id(status: &str) -> String {
    format!("graph-{status}")
}

fn draw_node(node: &Node, at: Point, members: usize, state: Option<&GraphState>, out: &mut String) {
    let (left, top) = (at.x - NODE_WIDTH / 2.0, at.y - NODE_HEIGHT / 2.0);
    let class = state.map_or("pending", |state| state.status.as_str());
    let radius = if matches!(node.kind, NodeKind::Trigger | NodeKind::Failure) { NODE_HEIGHT / 2.0 } else { 6.0 };
    let (name, what) = match node.kind {
        NodeKind::Trigger => (node.label.clone(), "starts the workflow".to_owned()),
        NodeKind::Failure => (node.label.clone(), String::new()),
        _ => (node.id.clone(), node.label.clone()),
    };
    let conditional = node.condition.is_some() && members < 2;
    let second = match state {
        Some(state) if state.detail.is_empty() => state.said(),
        Some(state) => format!("{} · {}", state.said(), state.detail),
        None if conditional && node.kind == NodeKind::Trigger => "with a filter".to_owned(),
        None if conditional => format!("{} · if", cut(&what, LINE - 5)),
        None => what.clone(),
    };
    let mut accessible = match state {
        Some(state) if state.detail.is_empty() => format!("{name}: {}", state.said()),
        Some(state) => format!("{name}: {}, {}", state.said(), state.detail),
        None if what.is_empty() => name.clone(),
        None => format!("{name}: {what}"),
    };
    if members > 1 {
        let _ = write!(accessible, " ({})", node.label);
    }
    let id = if node.path.is_empty() { String::new() } else { format!(" id=\"{}\"", escaped(&node_id(&node.path))) };
    let url = match state {
        Some(state) if !state.url.is_empty() => state.url.clone(),
        _ if node.kind == NodeKind::Trigger => "#triggers".to_owned(),
        _ if node.path.is_empty() => "#steps".to_owned(),
        _ => format!("#{}", line_id(&node.path)),
    };
    // The title names the link. A label would have to repeat what is seen, letter by letter (WCAG 2.5.3).
    if let Some(condition) = node.condition.as_ref().filter(|_| conditional) {
        let _ = write!(accessible, "\nif {condition}");
    }
    let _ = write!(
        out,
        "<g class=\"node node-{class}\"{id} transform=\"translate({left} {top})\"><a href=\"{url}\"><title>{title}</title>\
         <rect width=\"{NODE_WIDTH}\" height=\"{NODE_HEIGHT}\" rx=\"{radius}\"/>",
        class = escaped(class),
        left = tenths(left),
        top = tenths(top),
        url = escaped(&url),
        title = escaped(&accessible),
    );
    let mut x = 14;
    if let Some(state) = state {
        let _ = write!(out, "<use href=\"#{}\" x=\"{x}\"/>", escaped(&icon_id(&state.status)));
        x += 22;
    }
    let fits = if state.is_some() { LINE - 4 } else { LINE - 1 };
    let (middle, below) = (NODE_HEIGHT / 2.0, NODE_HEIGHT / 2.0 + 14.0);
    let line = if second.is_empty() { middle + 4.0 } else { middle - 4.0 };
    let _ = write!(out, "<text x=\"{x}\" y=\"{line}\">{}</text>", escaped(&cut(&name, fits)));
    if !second.is_empty() {
        let second = cut(&second, fits + 2);
        let _ = write!(out, "<text class=\"meta\" x=\"{x}\" y=\"{below}\">{}</text>", escaped(&second));
    }
    out.push_str("</a></g>");
}
