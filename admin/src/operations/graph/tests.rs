use std::time::{Duration, Instant};

use super::*;

fn picture(source: &str) -> Picture {
    Picture::of_source(source).unwrap_or_else(|| panic!("{:?}", document::parse(source).err()))
}

fn states(pairs: &[(&str, &str)]) -> BTreeMap<String, GraphState> {
    pairs.iter().map(|(path, word)| ((*path).to_owned(), GraphState::new(word))).collect()
}

/// Steps side by side, or after each other.
fn many(count: usize, parallel: bool) -> String {
    use std::fmt::Write as _;
    let mut source = "workflow: many\nsteps:\n  - { id: first, set: { n: 1 } }\n".to_owned();
    for i in 0..count {
        let needs = if parallel { ", needs: [first]" } else { "" };
        let _ = writeln!(source, "  - {{ id: s{i}, set: {{ n: {i} }}{needs} }}");
    }
    source
}

const NESTED: &str = "\
workflow: w
title: \"<script>alert('x')</script>\"
on: [ { manual: true } ]
steps:
  - id: charge
    uses: http.request
    with: { url: 'https://example.invalid/?a=1&b=\"2\"' }
    on_error:
      - { id: tell, set: { text: failed } }
  - { id: after, if: \"steps.charge.status == 'completed' and 1 < 2\", set: { n: 1 } }
on_failure:
  - { id: tell, set: { text: all } }
";

#[test]
fn a_node_says_where_its_step_stands_in_words_and_shape() {
    let states = states(&[("charge", "failed"), ("charge/on_error/tell", "completed"), ("on_failure/tell", "pending")]);
    let svg = picture(NESTED).render(&states);
    assert!(svg.contains("<g class=\"node node-failed\" id=\"node-charge\" transform="), "{svg}");
    assert!(svg.contains("<a href=\"#step-charge\"><title>charge: failed</title>"), "{svg}");
    assert!(svg.contains("id=\"node-charge/on_error/tell\""), "{svg}");
    assert!(svg.contains("id=\"node-on_failure/tell\""));
    assert!(svg.contains("#state-failed"));
    assert!(svg.contains("edge-taken"));
}

#[test]
fn text_of_documents_is_never_markup_and_nothing_is_styled_in_place() {
    let svg = picture(NESTED).render(&states(&[("charge", "\"><script>")]));
    assert!(!svg.contains("<script"), "{svg}");
    for never in ["style=", "<style", "javascript:", "onclick"] {
        assert!(!svg.contains(never), "{never}: {svg}");
    }
}

#[test]
fn the_list_says_what_the_picture_says() {
    let picture = picture(NESTED);
    let lines = picture.lines(&states(&[("after", "skipped")]));
    let said: Vec<(String, String, usize)> =
        lines.iter().map(|line| (line.name.clone(), line.after.join(", "), line.depth)).collect();
    assert_eq!(said[1], ("charge".to_owned(), String::new(), 0));
    assert_eq!(said[2], ("tell".to_owned(), "charge has failed".to_owned(), 1));
    assert_eq!(said[3], ("after".to_owned(), "charge".to_owned(), 0));
    assert_eq!(lines[3].state.as_ref().map(GraphState::said).as_deref(), Some("skipped"));
    assert_eq!(lines[3].id, "step-after");
    assert_eq!(lines.last().map(|line| line.path.as_str()), Some("on_failure/tell"));
}

#[test]
fn a_fan_out_of_hundreds_is_one_node_that_counts_its_states() {
    let picture = picture(&many(500, true));
    assert!(picture.is_collapsed());
    let some: Vec<(String, &str)> =
        (0..500).map(|i| (format!("s{i}"), if i < 3 { "failed" } else { "completed" })).collect();
    let some: Vec<(&str, &str)> = some.iter().map(|(path, word)| (path.as_str(), *word)).collect();
    let svg = picture.render(&states(&some));
    assert!(svg.contains("500 steps: failed, 3 of 500 (s0 … s499)"), "{svg}");
    assert_eq!(picture.lines(&BTreeMap::new()).len(), 501);
}

#[test]
fn a_long_chain_is_drawn_together_and_a_short_one_is_not() {
    assert!(picture(&many(900, false)).drawn.graph.nodes.len() <= limits::GRAPH_NODES_SHOWN);
    let short = picture(&many(200, false));
    assert!(!short.is_collapsed());
    assert_eq!(short.render(&BTreeMap::new()).matches("<g class=\"node").count(), 201);
}

#[test]
fn three_hundred_nodes_are_drawn_in_time_and_faster_from_memory() {
    // The bounds are those of a release build; this one is several times slower.
    let source = many(240, true);
    let begun = Instant::now();
    let picture = Picture::of_version("a hash of its own", &source).expect("it parses");
    let svg = picture.render(&BTreeMap::new());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(svg.len() < 250_000, "{}", svg.len());
    let begun = Instant::now();
    let again = Picture::of_version("a hash of its own", &source).expect("it is kept");
    assert!(Arc::ptr_eq(&picture, &again));
    assert_eq!(again.render(&BTreeMap::new()), svg);
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
}
