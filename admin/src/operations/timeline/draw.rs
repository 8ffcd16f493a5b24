//! The chart as SVG. Text is escaped here; everything else is numbers and words of ours.

use std::fmt::Write as _;

use automate_core::document::graph::escaped;

use super::super::words;
use super::Timeline;
use super::fold::{LEFT, WIDTH};

const ROW: i64 = 22;
const HEAD: i64 = 24;
/// Characters of a label before it is cut; the whole stands in its title.
const LABEL: usize = 32;

/// The chart as SVG. `link` makes the address of a row from what is chosen there.
pub(in super::super) fn draw(timeline: &Timeline, link: impl Fn(&str, bool) -> String) -> String {
    let height = HEAD + ROW * i64::try_from(timeline.rows.len()).unwrap_or(0) + 8;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"group\" \
         aria-label=\"When steps ran\">"
    );
    axis(timeline, height, &mut svg);
    for (n, row) in timeline.rows.iter().enumerate() {
        let y = HEAD + ROW * i64::try_from(n).unwrap_or(0);
        let url = escaped(&link(&row.step, row.folded));
        let label = escaped(&words::shortened(&row.label, LABEL));
        for (n, bar) in row.bars.iter().enumerate() {
            let (from, to) = (timeline.scale.x(bar.from), timeline.scale.x(bar.to));
            let (width, earlier) = ((to - from).max(3), if bar.attempt { " attempt" } else { "" });
            let status = if bar.status == "wait" { "waiting" } else { bar.status };
            let name = escaped(&bar.name);
            let _ = write!(svg, "<a href=\"{url}\"><title>{name}</title>");
            if n + 1 == row.bars.len() {
                let _ = write!(svg, "<text x=\"4\" y=\"{}\">{label}</text>", y + 14);
            }
            let _ = write!(
                svg,
                "<rect class=\"bar bar-{status}{earlier}\" x=\"{from}\" y=\"{}\" width=\"{width}\" height=\"14\" rx=\"2\"/></a>",
                y + 3
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Where stretches begin, how long folded ones are, where it ends.
fn axis(timeline: &Timeline, height: i64, svg: &mut String) {
    let Some((begin, end)) = timeline.scale.ends() else { return };
    let mut free = LEFT;
    let mut tick = |x: i64, text: &str, anchor: &str, svg: &mut String| {
        let width = i64::try_from(text.chars().count()).unwrap_or(0) * 7;
        let from = if anchor == "end" { x - width } else { x };
        let _ = write!(svg, "<line class=\"grid\" x1=\"{x}\" y1=\"{HEAD}\" x2=\"{x}\" y2=\"{height}\"/>");
        if from >= free {
            let _ = write!(svg, "<text class=\"meta\" x=\"{x}\" y=\"15\" text-anchor=\"{anchor}\">{text}</text>");
            free = from + width + 8;
        }
    };
    let last = timeline.scale.stretches.len();
    for (n, stretch) in timeline.scale.stretches.iter().enumerate() {
        if stretch.folded {
            let x = stretch.x + stretch.width / 2;
            let _ = write!(svg, "<path class=\"break\" d=\"M{x} {HEAD}V{height}\"/>");
            tick(stretch.x, &format!("⋯ {}", words::duration(stretch.to - stretch.from)), "start", svg);
            continue;
        }
        if stretch.width >= 40 || n == 0 {
            tick(stretch.x, &format!("+{}", words::duration(stretch.from - begin)), "start", svg);
        }
        for part in 1..4 {
            let x = stretch.x + stretch.width * part / 4;
            if stretch.width >= 400 {
                let at = stretch.from + (stretch.to - stretch.from) * i32::try_from(part).unwrap_or(0) / 4;
                tick(x, &format!("+{}", words::duration(at - begin)), "start", svg);
            }
        }
        if n + 1 == last {
            tick(stretch.x + stretch.width, &format!("+{}", words::duration(end - begin)), "end", svg);
        }
    }
}
