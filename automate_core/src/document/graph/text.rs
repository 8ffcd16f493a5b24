//! A graph for a terminal.

use std::fmt::Write as _;

use super::{EdgeKind, Graph, NodeKind, cut};

/// Columns that a condition may take.
const CONDITION_COLUMNS: usize = 60;

/// One line for each node: the layer it runs in, its id, what it does, what it waits for. Nodes of
/// one layer run at the same time.
pub(super) fn draw(graph: &Graph) -> String {
    let sources = graph.sources();
    let layers = graph.layout().layers;
    let indent = |depth: usize| "  ".repeat(depth);
    let width_of = |text: &str| text.chars().count();
    let ids = graph.nodes.iter().map(|n| width_of(&n.id) + 2 * n.depth).max().unwrap_or(0).min(40);
    let labels = graph.nodes.iter().filter(|n| !n.id.is_empty()).map(|n| width_of(&n.label)).max().unwrap_or(0).min(40);
    let digits = layers.iter().max().map_or(1, |layer| layer.to_string().len());

    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}\n", printable(&graph.title));
    for (i, node) in graph.nodes.iter().enumerate() {
        let label = printable(&node.label);
        let mut line = match node.kind {
            NodeKind::Trigger => format!("  > {label}"),
            NodeKind::Failure => format!("\n  ! {label}"),
            _ => {
                let id = format!("{}{}", indent(node.depth), node.id);
                format!("  {:>digits$}  {id:<ids$}  {label:<labels$}", layers[i])
            }
        };
        let mut after = Vec::new();
        for edge in sources.get(&i).into_iter().flatten() {
            let from = &graph.nodes[edge.from];
            match edge.kind {
                EdgeKind::Start => {}
                EdgeKind::Sequence | EdgeKind::Needs => after.push(from.id.clone()),
                EdgeKind::OnError => after.push(format!("{} has failed", from.id)),
            }
        }
        if !after.is_empty() {
            let _ = write!(line, "  after {}", after.join(", "));
        }
        if let Some(condition) = &node.condition {
            let _ = write!(line, "  if {}", cut(&printable(condition), CONDITION_COLUMNS));
        }
        out.push_str(line.trim_end());
        out.push('\n');
        let next = graph.nodes.get(i + 1).map(|n| n.kind);
        if node.kind == NodeKind::Trigger && next.is_some_and(|kind| kind != NodeKind::Trigger) {
            out.push('\n');
        }
    }
    out
}

/// Text that cannot move the cursor or change colours.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
