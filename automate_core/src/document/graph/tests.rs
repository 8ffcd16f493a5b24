use std::time::{Duration, Instant};

use super::*;
use crate::document::parse;

fn graph(source: &str) -> Graph {
    match parse(source) {
        Ok(document) => Graph::of(&document.workflow),
        Err(findings) => panic!("{findings:?}"),
    }
}

const FAN_OUT: &str = include_str!("../../../../examples/workflows/fan-out.yaml");
const ORDER_ALERT: &str = include_str!("../../../../examples/workflows/order-alert.yaml");

#[test]
fn branches_stand_beside_each_other_and_joins_below() {
    let graph = graph(FAN_OUT);
    let layout = graph.layout();
    assert_eq!(layout.layers, [0, 1, 2, 2, 3]);
    let [_, start, left, right, join] = layout.nodes[..] else { panic!("{layout:?}") };
    assert!(left.x < right.x && (left.y - right.y).abs() < 0.1);
    assert!((start.x - f64::midpoint(left.x, right.x)).abs() < 0.1 && (join.x - start.x).abs() < 0.1);
    let kinds: Vec<_> = graph.edges.iter().map(|e| (e.from, e.to, e.kind)).collect();
    assert_eq!(
        kinds,
        [
            (0, 1, EdgeKind::Start),
            (1, 2, EdgeKind::Needs),
            (1, 3, EdgeKind::Needs),
            (2, 4, EdgeKind::Needs),
            (3, 4, EdgeKind::Needs)
        ]
    );
}

#[test]
fn the_text_says_what_runs_after_what() {
    assert_eq!(
        graph(ORDER_ALERT).to_text(),
        "\
Order alert

  > webhook orders (stripe)  if event.payload.type == 'checkout.session.completed'
  > manual

  1  order     set id, total
  2  customer  http.request        after order
  3  announce  slack.post_message  after customer  if steps.order.output.total >= 100
  4  note      log.write           after announce
"
    );
}

#[test]
fn blocks_for_failures_are_drawn_too() {
    let source = "workflow: x\nsteps:\n  - { id: a, uses: a.b, on_error: [ { id: mend, fail: no } ] }\n  - { id: b, wait: { for: 90s } }\non_failure:\n  - { id: tell, uses: log.write }\n";
    let graph = graph(source);
    assert_eq!(
        graph.to_text(),
        "\
x

  0  a       a.b
  1    mend  fail        after a has failed
  1  b       wait 1m30s  after a

  ! when it has failed
  3    tell  log.write
"
    );
}

#[test]
fn a_picture_has_nothing_of_the_document_unescaped() {
    let evil = "</title><script>alert(1)</script>&'\\\"";
    let source = format!(
        "workflow: x\ntitle: \"{evil}\"\non: [ {{ event: a, filter: \"{evil}\" }} ]\nsteps:\n  - {{ id: a, if: \"{evil}\", wait: {{ for: \"{{{{ '{evil}' }}}}\" }} }}\n"
    );
    let svg = graph(&source).to_svg();
    assert!(!svg.contains("<script") && !svg.contains("'\""), "{svg}");
    assert!(svg.starts_with("<svg xmlns=") && svg.trim_end().ends_with("</svg>"));
    assert!(!svg.contains("href") && !svg.contains("@import") && !svg.contains(" on"), "{svg}");
    assert_eq!(svg.matches("<g ").count(), 2);
}

#[test]
fn nodes_of_a_layer_do_not_overlap() {
    let mut source = String::from("workflow: x\nsteps:\n  - { id: s, set: {} }\n");
    for i in 0..40 {
        source.push_str(&format!("  - {{ id: b{i}, needs: [s], set: {{}} }}\n"));
        source.push_str(&format!("  - {{ id: c{i}, needs: [b{i}, b{}, s], set: {{}} }}\n", i / 2));
    }
    let layout = graph(&source).layout();
    let mut rows: HashMap<usize, Vec<f64>> = HashMap::new();
    for (layer, point) in layout.layers.iter().zip(&layout.nodes) {
        rows.entry(*layer).or_default().push(point.x);
        assert!(point.x >= layout::NODE_WIDTH / 2.0 && point.x <= layout.width - layout::NODE_WIDTH / 2.0);
    }
    for row in rows.values_mut() {
        row.sort_by(f64::total_cmp);
        assert!(row.windows(2).all(|pair| pair[1] - pair[0] >= layout::NODE_WIDTH - 0.01), "{row:?}");
    }
}

#[test]
fn five_thousand_steps_are_drawn_in_time() {
    let mut chain = String::from("workflow: x\nsteps:\n");
    let mut star = chain.clone();
    for i in 0..5_000 {
        chain.push_str(&format!("  - {{ id: s{i}, set: {{ n: 1 }} }}\n"));
        let needs = if i < 2_500 { String::new() } else { format!("s{}, s{}", i - 2_500, i - 2_300) };
        star.push_str(&format!("  - {{ id: s{i}, needs: [{needs}], set: {{ n: 1 }} }}\n"));
    }
    for source in [chain, star] {
        let graph = graph(&source);
        let begun = Instant::now();
        assert!(graph.to_svg().len() > 5_000 && graph.to_text().lines().count() > 5_000);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
