//! What changed between two versions of a document.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::source::pointer_to;

/// How long the search for the smallest textual difference may take before a coarser one will do.
const TEXT_TIME: Duration = Duration::from_millis(500);

/// One difference between two documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What happened to it.
    pub kind: ChangeKind,
    /// Where it is, as a JSON pointer: into the new document, or into the old one where it was removed.
    pub path: String,
    /// The id of the step that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// What happened to a part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
    /// A step stands elsewhere among the others of its block.
    Moved,
}

/// The differences between two documents. Steps are matched by their id, so that one that is put in
/// between does not change all that follow; everything else is matched by its place.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(old, new, "", "", None, &mut changes);
    changes
}

/// The difference between two sources as a unified diff; empty where there is none.
#[must_use]
pub fn diff_text(old_source: &str, new_source: &str) -> String {
    similar::TextDiff::configure()
        .timeout(TEXT_TIME)
        .diff_lines(old_source, new_source)
        .unified_diff()
        .header("old", "new")
        .to_string()
}

fn compare(old: &Value, new: &Value, old_path: &str, path: &str, step: Option<&str>, changes: &mut Vec<Change>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => fields(old, new, old_path, path, step, changes),
        (Value::Array(old), Value::Array(new)) => match (by_id(old), by_id(new)) {
            (Some(old_ids), Some(new_ids)) => {
                steps((old, &old_ids, old_path), (new, &new_ids, path), changes);
            }
            _ => items(old, new, old_path, path, step, changes),
        },
        _ => changes.push(Change {
            kind: ChangeKind::Changed,
            path: path.to_owned(),
            step: step.map(str::to_owned),
            old: Some(old.clone()),
            new: Some(new.clone()),
        }),
    }
}

fn added(path: String, step: Option<&str>, new: &Value) -> Change {
    Change { kind: ChangeKind::Added, path, step: step.map(str::to_owned), old: None, new: Some(new.clone()) }
}

fn removed(path: String, step: Option<&str>, old: &Value) -> Change {
    Change { kind: ChangeKind::Removed, path, step: step.map(str::to_owned), old: Some(old.clone()), new: None }
}

fn fields(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    old_path: &str,
    path: &str,
    step: Option<&str>,
    changes: &mut Vec<Change>,
) {
    for (name, was) in old {
        match new.get(name) {
            Some(is) => compare(was, is, &pointer_to(old_path, name), &pointer_to(path, name), step, changes),
            None => changes.push(removed(pointer_to(old_path, name), step, was)),
        }
    }
    for (name, is) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        changes.push(added(pointer_to(path, name), step, is));
    }
}

fn items(old: &[Value], new: &[Value], old_path: &str, path: &str, step: Option<&str>, changes: &mut Vec<Change>) {
    for (i, (was, is)) in old.iter().zip(new).enumerate() {
        compare(was, is, &format!("{old_path}/{i}"), &format!("{path}/{i}"), step, changes);
    }
    for (i, was) in old.iter().enumerate().skip(new.len()) {
        changes.push(removed(format!("{old_path}/{i}"), step, was));
    }
    for (i, is) in new.iter().enumerate().skip(old.len()) {
        changes.push(added(format!("{path}/{i}"), step, is));
    }
}

/// The places of a list's items by their ids, where it is a list of steps.
fn by_id(list: &[Value]) -> Option<HashMap<&str, usize>> {
    let mut ids = HashMap::with_capacity(list.len());
    for (i, item) in list.iter().enumerate() {
        if ids.insert(item.get("id")?.as_str()?, i).is_some() {
            return None;
        }
    }
    Some(ids)
}

type Block<'a> = (&'a [Value], &'a HashMap<&'a str, usize>, &'a str);

fn steps((old, old_ids, old_path): Block<'_>, (new, new_ids, path): Block<'_>, changes: &mut Vec<Change>) {
    let id_of = |step: &Value| step.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (i, was) in old.iter().enumerate() {
        let id = id_of(was);
        if !new_ids.contains_key(id.as_str()) {
            changes.push(removed(format!("{old_path}/{i}"), Some(&id), was));
        }
    }
    // Steps that are in both keep their order unless one of them was moved past another.
    let mut furthest = None;
    for (i, is) in new.iter().enumerate() {
        let id = id_of(is);
        let Some(&before) = old_ids.get(id.as_str()) else {
            changes.push(added(format!("{path}/{i}"), Some(&id), is));
            continue;
        };
        if furthest.is_some_and(|furthest| before < furthest) {
            changes.push(Change {
                kind: ChangeKind::Moved,
                path: format!("{path}/{i}"),
                step: Some(id.clone()),
                old: Some(before.into()),
                new: Some(i.into()),
            });
        }
        furthest = furthest.max(Some(before));
        if let Some(was) = old.get(before) {
            compare(was, is, &format!("{old_path}/{before}"), &format!("{path}/{i}"), Some(&id), changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(old: &Value, new: &Value) -> Vec<String> {
        let shown = |v: &Option<Value>| v.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        diff(old, new)
            .iter()
            .map(|c| {
                let step = c.step.as_deref().unwrap_or("-");
                format!("{:?} {} {step} {} {}", c.kind, c.path, shown(&c.old), shown(&c.new))
            })
            .collect()
    }

    #[test]
    fn a_step_put_in_between_changes_none_of_the_others() {
        let old = json!({"steps": [{"id": "a", "fail": "x"}, {"id": "b", "fail": "y"}, {"id": "c", "fail": "z"}]});
        let new = json!({"steps": [{"id": "a", "fail": "x"}, {"id": "n", "fail": "n"}, {"id": "b", "fail": "Y"}]});
        assert_eq!(
            lines(&old, &new),
            [
                r#"Removed /steps/2 c {"id":"c","fail":"z"} -"#,
                r#"Added /steps/1 n - {"id":"n","fail":"n"}"#,
                r#"Changed /steps/2/fail b "y" "Y""#,
            ]
        );
    }

    #[test]
    fn a_step_that_changed_places_is_moved() {
        let old = json!({"steps": [{"id": "a"}, {"id": "b"}]});
        let new = json!({"steps": [{"id": "b"}, {"id": "a"}]});
        assert_eq!(lines(&old, &new), ["Moved /steps/1 a 0 1"]);
    }

    #[test]
    fn fields_are_matched_by_name_and_items_by_place() {
        let old = json!({"title": "x", "on": [{"manual": true}], "labels": {"a/b": "1"}});
        let new = json!({"on": [{"manual": true}, {"event": "e"}], "labels": {"a/b": 2}, "timeout": "1h"});
        assert_eq!(
            lines(&old, &new),
            [
                r#"Removed /title - "x" -"#,
                r#"Added /on/1 - - {"event":"e"}"#,
                r#"Changed /labels/a~1b - "1" 2"#,
                r#"Added /timeout - - "1h""#,
            ]
        );
        assert!(diff(&old, &old).is_empty());
    }

    #[test]
    fn sources_are_compared_by_lines() {
        let text = diff_text("a\nb\nc\n", "a\nB\nc\n");
        assert!(text.contains("-b\n+B\n"), "{text}");
        assert!(diff_text("a\n", "a\n").is_empty());
    }
}
