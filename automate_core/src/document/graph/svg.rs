//! A graph as an SVG picture.

use std::fmt::Write as _;

use super::layout::{NODE_HEIGHT, NODE_WIDTH};
use super::{EdgeKind, Graph, Node, NodeKind, Point};

/// Characters of a line of text that fit into a node.
const LINE_CHARACTERS: usize = 27;

/// A page sets its own colours with `--automate-text`, `--automate-node`, `--automate-uses` and so on around the
/// picture; without, there are some for light and for dark surroundings.
const STYLE: &str = "\
svg.automate-graph{--node:var(--automate-node,#fff);--trigger:var(--automate-trigger,#0a7d5c);--uses:var(--automate-uses,#2f6fde);\
--set:var(--automate-set,#7a52c7);--wait:var(--automate-wait,#a86a00);--fail:var(--automate-fail,#c4342d);\
color:var(--automate-text,#1d2430);font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
@media (prefers-color-scheme:dark){svg.automate-graph{--node:var(--automate-node,#1b2230);--trigger:var(--automate-trigger,#3ecf9f);\
--uses:var(--automate-uses,#7aa7ff);--set:var(--automate-set,#b79af0);--wait:var(--automate-wait,#e6ad4a);\
--fail:var(--automate-fail,#ff7b72);color:var(--automate-text,#e4e9f2)}}\
.automate-graph rect.box{fill:var(--node);stroke:currentColor;stroke-opacity:.22}\
.automate-graph rect.bar{fill:var(--kind)}\
.automate-graph .trigger{--kind:var(--trigger)}.automate-graph .uses{--kind:var(--uses)}\
.automate-graph .set{--kind:var(--set)}.automate-graph .wait{--kind:var(--wait)}\
.automate-graph .fail,.automate-graph .failure{--kind:var(--fail)}\
.automate-graph text{fill:currentColor}.automate-graph text.id{font-weight:600}\
.automate-graph text.label{fill-opacity:.68;font-size:12px}\
.automate-graph path.edge{fill:none;stroke:currentColor;stroke-opacity:.45;stroke-width:1.5}\
.automate-graph path.on_error{stroke:var(--fail);stroke-opacity:.9;stroke-dasharray:5 4}\
.automate-graph path.start{stroke-dasharray:1 4;stroke-linecap:round}\
.automate-graph .tip{fill:currentColor;fill-opacity:.6}";

pub(super) fn draw(graph: &Graph) -> String {
    let layout = graph.layout();
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"automate-graph\" role=\"img\" width=\"{w:.0}\" height=\"{h:.0}\" \
         viewBox=\"0 0 {w:.0} {h:.0}\"><title>{title}</title><style>{STYLE}</style><defs><marker id=\"automate-tip\" \
         viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" \
         d=\"M0 0L8 4L0 8z\"/></marker></defs>",
        w = layout.width,
        h = layout.height,
        title = escaped(&graph.title),
    );
    for (edge, points) in graph.edges.iter().zip(&layout.edges) {
        let class = match edge.kind {
            EdgeKind::Start => "start",
            EdgeKind::Sequence => "sequence",
            EdgeKind::Needs => "needs",
            EdgeKind::OnError => "on_error",
        };
        let _ =
            writeln!(out, "<path class=\"edge {class}\" marker-end=\"url(#automate-tip)\" d=\"{}\"/>", curve(points));
    }
    for (node, at) in graph.nodes.iter().zip(&layout.nodes) {
        draw_node(node, *at, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn draw_node(node: &Node, at: Point, out: &mut String) {
    let class = match node.kind {
        NodeKind::Trigger => "trigger",
        NodeKind::Uses => "uses",
        NodeKind::Set => "set",
        NodeKind::Fail => "fail",
        NodeKind::Wait => "wait",
        NodeKind::Failure => "failure",
    };
    let (left, top) = (at.x - NODE_WIDTH / 2.0, at.y - NODE_HEIGHT / 2.0);
    let radius = if node.kind == NodeKind::Trigger { NODE_HEIGHT / 2.0 } else { 8.0 };
    let mut tip = if node.id.is_empty() { node.label.clone() } else { format!("{}: {}", node.id, node.label) };
    if let Some(condition) = &node.condition {
        let _ = write!(tip, "\nif {condition}");
    }
    let _ = write!(
        out,
        "<g class=\"node {class}\"><title>{tip}</title><rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{NODE_WIDTH}\" \
         height=\"{NODE_HEIGHT}\" rx=\"{radius}\"/>",
        tip = escaped(&tip),
    );
    // A bar at the side tells the kinds apart; the text does too, so colour is not needed to read it.
    let bar = if node.kind == NodeKind::Trigger { (left + 16.0, top + 22.0, 8.0) } else { (left, top + 12.0, 4.0) };
    let _ = write!(
        out,
        "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        bar.0,
        bar.1,
        bar.2,
        if node.kind == NodeKind::Trigger { 8.0 } else { NODE_HEIGHT - 24.0 },
        bar.2 / 2.0,
    );
    let x = if node.kind == NodeKind::Trigger { left + 32.0 } else { left + 16.0 };
    let (first, second) = match (node.id.as_str(), &node.condition) {
        ("", Some(filter)) => (node.label.clone(), cut(&format!("filter {filter}"), LINE_CHARACTERS)),
        ("", None) => (node.label.clone(), String::new()),
        // The whole condition is in the tip; here it must not push out what the step does.
        (id, Some(_)) => (id.to_owned(), format!("{} · if", cut(&node.label, LINE_CHARACTERS - 5))),
        (id, None) => (id.to_owned(), cut(&node.label, LINE_CHARACTERS)),
    };
    let first = cut(&first, LINE_CHARACTERS - 3);
    let line = if second.is_empty() { at.y + 4.0 } else { at.y - 5.0 };
    let _ = write!(out, "<text class=\"id\" x=\"{x:.1}\" y=\"{line:.1}\">{}</text>", escaped(&first));
    if !second.is_empty() {
        let _ = write!(out, "<text class=\"label\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", at.y + 14.0, escaped(&second));
    }
    out.push_str("</g>\n");
}

/// A line through all points that leaves and arrives straight down, as the `d` of an SVG path.
#[must_use]
pub fn curve(points: &[Point]) -> String {
    let mut path = String::new();
    let mut last: Option<Point> = None;
    for point in points {
        let _ = match last {
            None => write!(path, "M{} {}", tenths(point.x), tenths(point.y)),
            Some(from) if (from.x - point.x).abs() < 0.05 => write!(path, "V{}", tenths(point.y)),
            // From where the line is: in a large picture that is half as long as the places themselves.
            Some(from) => {
                let (right, down) = (tenths(point.x - from.x), tenths(point.y - from.y));
                let middle = tenths(down / 2.0);
                write!(path, "c0 {middle} {right} {middle} {right} {down}")
            }
        };
        last = Some(*point);
    }
    path
}

/// A coordinate as exact as it can be seen, which is written without needless digits.
#[must_use]
pub fn tenths(coordinate: f64) -> f64 {
    (coordinate * 10.0).round() / 10.0
}

/// A text of so many characters at most; the last one says that there were more.
#[must_use]
pub fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// Text as XML takes it; characters that XML has no place for become spaces.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
