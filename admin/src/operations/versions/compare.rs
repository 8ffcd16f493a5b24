//! Two documents beside each other: their lines, and their steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use automate_core::document::{Change, ChangeKind, Graph};
use similar::{ChangeTag, TextDiff};

use crate::operations::graph::GraphState;
use crate::operations::words::are;

/// How long the search for the smallest difference may take before a coarser one will do.
const TIME: Duration = Duration::from_millis(300);
/// Lines that are the same around those that are not.
const AROUND: usize = 3;
/// Rows of a difference that a page shows.
const ROWS: usize = 3_000;

/// A row of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::operations) struct DiffRow {
    /// `same`, `add`, `del`, or `hunk` of a gap.
    pub(in crate::operations) class: &'static str,
    /// The line's number in the older text; empty where it is not there.
    pub(in crate::operations) old: String,
    /// The line's number in the newer text; empty where it is not there.
    pub(in crate::operations) new: String,
    /// `+`, `-` or nothing.
    pub(in crate::operations) sign: &'static str,
    /// The line.
    pub(in crate::operations) text: String,
}

/// The difference of two texts by lines; nothing where there is none.
pub(in crate::operations) fn rows_of(old: &str, new: &str) -> Vec<DiffRow> {
    let diff = TextDiff::configure().timeout(TIME).diff_lines(old, new);
    let number = |index: Option<usize>| index.map(|index| (index + 1).to_string()).unwrap_or_default();
    let mut rows: Vec<DiffRow> = Vec::new();
    let mut last = (0, 0);
    for group in diff.grouped_ops(AROUND) {
        let Some(first) = group.first() else { continue };
        let begins = (first.old_range().start, first.new_range().start);
        if begins != last {
            let left_out = begins.0.saturating_sub(last.0);
            rows.push(gap(format!("{} the same", are(left_out, "line"))));
        }
        for op in &group {
            last = (op.old_range().end, op.new_range().end);
            for change in diff.iter_changes(op) {
                if rows.len() >= ROWS {
                    rows.push(gap(format!("The difference goes on; {ROWS} lines of it are shown")));
                    return rows;
                }
                let (class, sign) = match change.tag() {
                    ChangeTag::Equal => ("same", ""),
                    ChangeTag::Delete => ("del", "-"),
                    ChangeTag::Insert => ("add", "+"),
                };
                rows.push(DiffRow {
                    class,
                    old: number(change.old_index()),
                    new: number(change.new_index()),
                    sign,
                    text: change.value().trim_end_matches(['\n', '\r']).to_owned(),
                });
            }
        }
    }
    rows
}

fn gap(text: String) -> DiffRow {
    DiffRow { class: "hunk", old: String::new(), new: String::new(), sign: "", text }
}

/// What became of steps.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Those of the newer graph that are new or different.
    pub(super) new: BTreeMap<String, GraphState>,
    /// Those of the older graph that are gone.
    pub(super) old: BTreeMap<String, GraphState>,
}

/// What became of the steps of one graph in the other.
pub(super) fn states_of(old: &Graph, new: &Graph, changes: &[Change]) -> Compared {
    let paths = |graph: &Graph| -> BTreeSet<String> {
        graph.nodes.iter().map(|node| node.path.clone()).filter(|path| !path.is_empty()).collect()
    };
    let (before, after) = (paths(old), paths(new));
    let state = |status: &str, word: &str| GraphState { word: word.to_owned(), ..GraphState::new(status) };
    let mut compared = Compared::default();
    for node in new.nodes.iter().filter(|node| !node.path.is_empty()) {
        if !before.contains(&node.path) {
            compared.new.insert(node.path.clone(), state("completed", "added"));
        } else if changes.iter().any(|change| is_of(change, &node.pointer)) {
            compared.new.insert(node.path.clone(), state("retrying", "changed"));
        }
    }
    for path in before.difference(&after) {
        compared.old.insert(path.clone(), state("failed", "removed"));
    }
    compared
}

/// Whether a change is one of the step at a place: of itself, not of the steps that handle its failure.
fn is_of(change: &Change, pointer: &str) -> bool {
    if change.kind == ChangeKind::Removed && change.path == pointer {
        // A pointer into the older document, where another step may have stood at this place.
        return false;
    }
    match change.path.strip_prefix(pointer) {
        Some("") => true,
        Some(below) => below.starts_with('/') && !below.starts_with("/on_error/"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use automate_core::document::{diff, parse};

    use super::*;

    const OLD: &str = "\
workflow: w
steps:
  - id: a
    set: { n: 1 }
    on_error: [ { id: x, set: { n: 1 } } ]
  - { id: b, set: { n: 2 } }
  - { id: c, set: { n: 3 } }
";
    const NEW: &str = "\
workflow: w
steps:
  - id: a
    set: { n: 1 }
    on_error: [ { id: x, set: { n: 7 } } ]
  - { id: between, set: { n: 0 } }
  - { id: c, set: { n: 4 } }
";

    #[test]
    fn lines_are_numbered_on_both_sides() {
        let rows = rows_of(OLD, NEW);
        let changed: Vec<(&str, &str, &str)> = rows
            .iter()
            .filter(|row| row.class != "same")
            .map(|row| (row.old.as_str(), row.new.as_str(), row.sign))
            .collect();
        assert!(changed.contains(&("5", "", "-")) && changed.contains(&("", "5", "+")), "{changed:?}");
        assert!(rows_of(OLD, OLD).is_empty());
    }

    #[test]
    fn a_gap_says_how_much_is_the_same() {
        let old: String = (0..50).map(|n| format!("line {n}\n")).collect();
        let rows = rows_of(&old, &old.replace("line 40\n", "other\n"));
        assert_eq!(rows[0].text, "37 lines are the same");
        assert_eq!(rows.iter().filter(|row| row.class == "same").count(), 6);
    }

    #[test]
    fn steps_are_told_apart_as_new_changed_and_gone() {
        let (old, new) = (parse(OLD).unwrap(), parse(NEW).unwrap());
        let changes = diff(&old.value, &new.value);
        let compared = states_of(&Graph::of(&old.workflow), &Graph::of(&new.workflow), &changes);
        let said: Vec<(&str, String)> =
            compared.new.iter().map(|(path, state)| (path.as_str(), state.said())).collect();
        let is = |path: &'static str, word: &str| (path, word.to_owned());
        assert_eq!(said, [is("a/on_error/x", "changed"), is("between", "added"), is("c", "changed")]);
        assert_eq!(compared.old.keys().collect::<Vec<_>>(), ["b"]);
    }
}
