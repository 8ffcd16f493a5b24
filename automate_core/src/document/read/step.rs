//! Blocks and their steps.

use std::collections::HashMap;

use chrono::DateTime;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Node, Object, Reader, Zero};
use crate::document::definition::{OnUnknown, Retry, Step, StepKind, Wait};
use crate::document::findings::{self, shown};
use crate::document::shapes::{STEP, STEP_KINDS, STEP_KINDS_LATER, WAIT};
use crate::document::{codes, duration, order, pattern, templated};
use crate::limits;

/// The ids that are visible in a block: its own and those of the blocks around it. `steps.ID` must
/// mean one step, so a block may not use a name again that it sees.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// By small letters, so that twins that differ in case are found.
    blocks: Vec<HashMap<String, String>>,
}

impl Ids {
    /// Makes the ids of a block that was read visible to the next one.
    pub(super) fn enter(&mut self, block: &[Step]) {
        self.blocks.push(block.iter().map(|s| (s.id.to_lowercase(), s.id.clone())).collect());
    }

    fn seen(&self, id: &str) -> Option<&String> {
        let lower = id.to_lowercase();
        self.blocks.iter().find_map(|block| block.get(&lower))
    }
}

impl Reader<'_> {
    /// A list of steps, with what they wait for.
    pub(super) fn block(&mut self, node: &Node<'_>, base: &Retry, ids: &mut Ids) -> Vec<Step> {
        let Some(items) = self.list(node, "steps") else { return Vec::new() };
        if items.is_empty() {
            self.error(node, codes::INVALID_VALUE, "there must be at least one step", None);
            return Vec::new();
        }
        let nodes: Vec<Node<'_>> = items.iter().enumerate().map(|(i, item)| node.item(i, item)).collect();
        ids.blocks.push(HashMap::new());
        let names: Vec<String> = nodes.iter().map(|step| self.id(step, ids)).collect();
        let steps: Vec<Step> = nodes.iter().zip(names).map(|(node, id)| self.step(node, id, base, ids)).collect();
        ids.blocks.pop();
        self.needs_of(&nodes, &steps);
        self.cycles_of(&nodes, &steps);
        steps
    }

    /// Reads the id alone, before anything else, so that every step of the block is known.
    fn id(&mut self, node: &Node<'_>, ids: &mut Ids) -> String {
        self.steps += 1;
        if self.steps > limits::STEPS_PER_WORKFLOW && self.first_step_too_many.is_none() {
            self.first_step_too_many = Some((node.place.at, node.pointer.clone()));
        }
        // A step that is no mapping is reported when it is read.
        let Value::Object(map) = node.value else { return String::new() };
        let object = Object { map, place: node.place, pointer: node.pointer.clone() };
        let Some(field) = object.field("id") else {
            self.missing(&object, STEP.title, "id", "name it: `id: my_step`");
            return String::new();
        };
        let Some(id) = self.text(&field) else { return String::new() };
        if !pattern::is_identifier(id) {
            let message = format!("{} cannot be the id of a step", shown(id));
            let rule = "letters, digits and `_`, 63 characters at most, not beginning with a digit";
            let made: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let suggestion =
                if pattern::is_identifier(&made) { format!("write `{made}`; {rule}") } else { rule.to_owned() };
            self.error(&field, codes::INVALID_VALUE, message, suggestion);
        } else if let Some(known) = ids.seen(id) {
            let message = if known == id {
                format!("a step with the id {} is already there", shown(id))
            } else {
                format!("the id {} differs from {} only in case", shown(id), shown(known))
            };
            self.error(&field, codes::DUPLICATE_ID, message, "give each step an id of its own");
        }
        if let Some(block) = ids.blocks.last_mut() {
            block.entry(id.to_lowercase()).or_insert_with(|| id.to_owned());
        }
        id.to_owned()
    }

    fn step(&mut self, node: &Node<'_>, id: String, base: &Retry, ids: &mut Ids) -> Step {
        let mut step = Step {
            id,
            pointer: node.pointer.clone(),
            condition: None,
            needs: None,
            // Stands in where the step does not say what it does, which is an error.
            kind: StepKind::Set(IndexMap::new()),
            retry: None,
            timeout: None,
            continue_on_error: false,
            on_error: Vec::new(),
            on_unknown: OnUnknown::default(),
        };
        let Some(object) = self.object(node, &STEP) else { return step };
        step.condition = object.field("if").and_then(|n| self.condition(&n));
        step.needs = object.field("needs").and_then(|n| self.needs(&n));
        step.retry = object.field("retry").map(|n| self.retry(&n, base));
        step.timeout = object.field("timeout").and_then(|n| self.duration(&n, Zero::Refused));
        step.continue_on_error = object.field("continue_on_error").and_then(|n| self.boolean(&n)).unwrap_or_default();
        if let Some(kind) = self.kind(node, &object) {
            step.kind = kind;
            self.fields_of_other_kinds(&object, &step.kind);
        }
        step.on_unknown = match object.field("on_unknown").and_then(|n| self.word(&n, &["ask", "retry", "fail"])) {
            Some("retry") => OnUnknown::Retry,
            Some("fail") => OnUnknown::Fail,
            _ => OnUnknown::Ask,
        };
        if let Some(block) = object.field("on_error") {
            step.on_error = self.block(&block, base, ids);
        }
        step
    }

    fn kind(&mut self, node: &Node<'_>, object: &Object<'_>) -> Option<StepKind> {
        let named: Vec<&str> =
            STEP_KINDS.iter().chain(STEP_KINDS_LATER).filter(|kind| object.has(kind)).copied().collect();
        if named.len() > 1 {
            let kinds = named.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" and ");
            let message = format!("a step does one thing, and this one does {kinds}");
            self.error(node, codes::STEP_KIND, message, "make a step of each");
        }
        match named.first().copied() {
            Some("uses") => self.uses(object),
            Some("set") => self.set(&object.field("set")?),
            Some("fail") => Some(StepKind::Fail(self.some_text(&object.field("fail")?)?.to_owned())),
            Some("wait") => self.wait(&object.field("wait")?).map(StepKind::Wait),
            // The rest of the language (`for_each`, `parallel`, `switch`, `while`, `workflow`) is read
            // here once the engine runs it; until then `object` has reported it as unsupported.
            Some(_) => None,
            None => {
                let near = object.map.keys().find_map(|key| {
                    (!STEP.fields.contains(&key.as_str()))
                        .then(|| findings::did_you_mean(key, STEP_KINDS.iter().copied()))
                        .flatten()
                });
                let suggestion = near.unwrap_or_else(|| format!("give it one of: {}", STEP_KINDS.join(", ")));
                self.error(node, codes::STEP_KIND, "this step does not say what it does", suggestion);
                None
            }
        }
    }

    fn uses(&mut self, object: &Object<'_>) -> Option<StepKind> {
        let field = object.field("uses")?;
        let connection = object.field("connection").and_then(|n| self.connection(&n));
        let with = match object.field("with") {
            None => Value::Object(Map::new()),
            Some(n) => match n.value {
                Value::Object(_) => n.value.clone(),
                Value::String(text) if templated::is_templated(text) => n.value.clone(),
                _ => {
                    self.wrong_type(&n, "a mapping for `with`", None);
                    Value::Object(Map::new())
                }
            },
        };
        let action = self.text(&field)?;
        let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !action.split_once('.').is_some_and(|(connector, name)| part(connector) && part(name)) {
            let message = format!("{} is not the name of an action", shown(action));
            self.error(&field, codes::INVALID_VALUE, message, "write it as `connector.action`, as in `http.request`");
            return None;
        }
        Some(StepKind::Uses { action: action.to_owned(), connection, with })
    }

    fn connection(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.text(node)?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > 63 || !text.bytes().all(fits) {
            let message = format!("{} cannot be the name of a connection", shown(text));
            self.error(node, codes::INVALID_VALUE, message, "letters, digits, `_`, `-` and `.`, 63 characters at most");
            return None;
        }
        Some(text.to_owned())
    }

    fn set(&mut self, node: &Node<'_>) -> Option<StepKind> {
        let object = self.mapping(node, "`set`")?;
        let mut values = IndexMap::new();
        for (name, value) in object.fields() {
            if pattern::is_identifier(name) {
                values.insert(name.clone(), value.value.clone());
            } else {
                let message = format!("{} cannot be the name of a variable", shown(name));
                let rule = "letters, digits and `_`, 63 characters at most, not beginning with a digit";
                self.key_error(&value, codes::INVALID_VALUE, message, rule);
            }
        }
        Some(StepKind::Set(values))
    }

    fn wait(&mut self, node: &Node<'_>) -> Option<Wait> {
        let object = self.object(node, &WAIT)?;
        if let Some(signal) = object.field("signal") {
            return self.signal(&object, &signal);
        }
        if let Some(timeout) = object.field("timeout")
            && !WAIT.later.iter().any(|name| object.has(name))
        {
            self.key_error(&timeout, codes::STEP_KIND, "`timeout` of a `wait` belongs to `signal`", None);
        }
        match (object.field("for"), object.field("until")) {
            (Some(_), Some(until)) => {
                self.key_error(
                    &until,
                    codes::STEP_KIND,
                    "`wait` has one of `for`, `until` and `signal`, and this one has two",
                    None,
                );
                None
            }
            (Some(n), None) => match n.value {
                Value::String(text) if templated::is_templated(text) => Some(Wait::ForTemplate(text.clone())),
                _ => self.duration(&n, Zero::Allowed).map(Wait::For),
            },
            (None, Some(n)) => {
                let text = self.text(&n)?;
                if templated::is_templated(text) {
                    return Some(Wait::UntilTemplate(text.to_owned()));
                }
                match DateTime::parse_from_rfc3339(text) {
                    Ok(instant) => Some(Wait::Until(instant.to_utc())),
                    Err(_) => {
                        let message = format!("{} is not an instant", shown(text));
                        let suggestion = match duration::parse(text) {
                            Ok(_) => format!("for a length of time write `for: {text}`"),
                            Err(_) => "write it with its offset, as in `2026-12-31T18:00:00Z`".to_owned(),
                        };
                        self.error(&n, codes::INVALID_VALUE, message, suggestion);
                        None
                    }
                }
            }
            (None, None) => {
                // Where a wait of a later version stands, that has been reported.
                if !WAIT.later.iter().any(|name| object.has(name)) {
                    self.missing(&object, WAIT.title, "for`, `until` or `signal", "write `wait: { for: 30s }`");
                }
                None
            }
        }
    }

    fn signal(&mut self, wait: &Object<'_>, node: &Node<'_>) -> Option<Wait> {
        for name in ["for", "until"] {
            if let Some(field) = wait.field(name) {
                let message = "`wait` has one of `for`, `until` and `signal`, and this one has two";
                self.key_error(&field, codes::STEP_KIND, message, None);
            }
        }
        let timeout = wait.field("timeout").and_then(|n| self.duration(&n, Zero::Refused));
        let name = self.text(node)?;
        if !pattern::is_signal_name(name) {
            let message = format!("{} cannot be the name of a signal", shown(name));
            let rule = "letters, digits, `_` and `-`, with dots between, 63 characters at most";
            self.error(node, codes::INVALID_VALUE, message, rule);
            return None;
        }
        Some(Wait::Signal { name: name.to_owned(), timeout })
    }

    /// Fields that mean nothing for what the step does.
    fn fields_of_other_kinds(&mut self, object: &Object<'_>, kind: &StepKind) {
        if matches!(kind, StepKind::Uses { .. }) {
            return;
        }
        for name in ["with", "connection", "on_unknown"] {
            if let Some(field) = object.field(name) {
                self.key_error(&field, codes::STEP_KIND, format!("`{name}` belongs to `uses`"), None);
            }
        }
        for name in ["retry", "timeout"] {
            if let Some(field) = object.field(name) {
                self.warning(&field, codes::NO_EFFECT, format!("`{name}` has an effect only with `uses`"));
            }
        }
    }

    fn needs(&mut self, node: &Node<'_>) -> Option<Vec<String>> {
        if let Value::String(text) = node.value {
            self.wrong_type(node, "a list of ids", format!("write `[{text}]`"));
            return None;
        }
        let items = self.list(node, "ids")?;
        let mut needs = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            // A name that is no text is reported, and the rest is read on.
            if let Some(text) = self.text(&node.item(i, item)) {
                needs.push(text.to_owned());
            }
        }
        Some(needs)
    }

    /// Every name in `needs` must be a step of the same block.
    fn needs_of(&mut self, nodes: &[Node<'_>], steps: &[Step]) {
        let known: HashMap<&str, ()> = steps.iter().map(|s| (s.id.as_str(), ())).collect();
        for node in nodes {
            let Some(Value::Array(needs)) = node.value.get("needs") else { continue };
            for (i, item) in needs.iter().enumerate() {
                let Value::String(id) = item else { continue };
                if known.contains_key(id.as_str()) {
                    continue;
                }
                let suggestion = self.findings.near_step(id, steps.iter().map(|s| s.id.as_str()));
                let message = format!("`needs` names {}, which is no step of this block", shown(id));
                let pointer = format!("{}/needs", node.pointer);
                let needs = Node { value: item, place: node.place.field("needs"), pointer };
                self.error(&needs.item(i, item), codes::UNKNOWN_STEP, message, suggestion);
            }
        }
    }

    fn cycles_of(&mut self, nodes: &[Node<'_>], steps: &[Step]) {
        let waits_for = order::waits_for(steps);
        for cycle in order::cycles(&waits_for) {
            let name = |i: &usize| steps.get(*i).map_or("", |s| s.id.as_str());
            let mut spelled: Vec<&str> = cycle.iter().map(name).collect();
            let hidden = spelled.len().saturating_sub(20);
            if hidden > 0 {
                spelled.truncate(20);
                spelled.push("…");
            }
            spelled.extend(cycle.first().map(name));
            let mut message = format!("these steps wait for each other: {}", spelled.join(" -> "));
            if let Some(i) = cycle.iter().find(|i| steps.get(**i).is_some_and(|s| s.needs.is_none())) {
                message.push_str(&format!("; `{}` has no `needs`, so it waits for the step before it", name(i)));
            }
            // At least one of them says `needs`, as without it a step only waits for an earlier one.
            let Some(node) =
                cycle.iter().find(|i| steps.get(**i).is_some_and(|s| s.needs.is_some())).and_then(|i| nodes.get(*i))
            else {
                continue;
            };
            let needs = node.place.field("needs");
            let pointer = format!("{}/needs", node.pointer);
            self.report(needs.at, &pointer, codes::CYCLE, message, Some("take one of them out of `needs`".to_owned()));
        }
    }
}
