//! Which attempts reach the world: all of them, or, in a test, none. Decided from the effect that an
//! action declares and what is stored with the execution, so that it is decided alike after a crash,
//! in a retry, and in another process.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::actions::ActionMeta;
use crate::limits;
use crate::status::Effect;
use crate::store::DRAFT;

/// Which actions of an execution are performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// All: no test.
    #[default]
    Everything,
    /// A test: those that do nothing outside, and those that only read there.
    Reads,
    /// A test: those that do nothing outside.
    Nothing,
}

/// What an execution does to the world, from the trigger that is stored with it:
/// `{"kind":"test","effects":"off"}`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// Which of its actions are performed.
    pub reach: Reach,
    /// What is answered in place of those that are not, by the step's path.
    pub answers: Map<String, Value>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    effects: Option<String>,
    #[serde(default)]
    answers: Map<String, Value>,
}

impl Effects {
    /// What a stored trigger says. A word that this program does not know means that nothing is reached.
    #[must_use]
    pub fn of_trigger(trigger: &str) -> Self {
        // Nearly every trigger is of no test, and need not be parsed to know it.
        if !trigger.contains("\"effects\"") {
            return Self::default();
        }
        // A test that cannot be read is one all the same.
        let Ok(stored) = serde_json::from_str::<Stored>(trigger) else { return Self::off() };
        let reach = match stored.effects.as_deref() {
            None => Reach::Everything,
            Some("reads") => Reach::Reads,
            Some(_) => Reach::Nothing,
        };
        Self { reach, answers: stored.answers }
    }

    /// What the trigger and the version's number say that are stored with an execution. A draft is only ever
    /// tested, whatever its trigger says.
    #[must_use]
    pub fn of_execution(trigger: &str, version: i32) -> Self {
        let effects = Self::of_trigger(trigger);
        if version == DRAFT && !effects.is_test() { Self::off() } else { effects }
    }

    /// A test that reaches nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { reach: Reach::Nothing, answers: Map::new() }
    }

    /// Puts it into the trigger of an execution that is to be stored.
    pub fn put_into(&self, trigger: &mut Value) {
        let word = match self.reach {
            Reach::Everything => return,
            Reach::Reads => "reads",
            Reach::Nothing => "off",
        };
        trigger["effects"] = json!(word);
        if !self.answers.is_empty() {
            trigger["answers"] = Value::Object(self.answers.clone());
        }
    }

    /// Whether the execution is a test: its end starts nothing, and lists mark it.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.reach != Reach::Everything
    }

    /// Whether an attempt is performed. `input` is what the action is called with.
    #[must_use]
    pub fn performs(&self, effect: Effect, uses: &str, input: &Value) -> bool {
        match (self.reach, effect) {
            (Reach::Everything, _) | (_, Effect::Pure) => true,
            (Reach::Reads, Effect::Idempotent) => reads(uses, input),
            (Reach::Reads, Effect::Once) | (Reach::Nothing, Effect::Idempotent | Effect::Once) => false,
        }
    }

    /// What is answered in place of an action that is not performed: what the test was given for the step,
    /// or else a value of the form that the action declares; with what it would have been called with.
    /// `input` has no secrets.
    #[must_use]
    pub fn answer(&self, path: &str, uses: &str, meta: Option<&ActionMeta>, input: Value) -> Value {
        let mut answer = match self.answers.get(path) {
            Some(given) => given.clone(),
            None => meta.map_or(Value::Null, |meta| sample(&meta.output_schema, 0)),
        };
        // What is given as something else than an object stays what it is: steps build on it.
        if answer.is_null() {
            answer = json!({});
        }
        if let Value::Object(fields) = &mut answer {
            fields.insert("dry_run".to_owned(), json!(true));
            fields.insert("would_have_called".to_owned(), json!({ "action": uses, "input": input }));
        }
        answer
    }
}

/// Whether a call only reads: a request by a method that HTTP calls safe (RFC 9110, 9.2.1).
fn reads(uses: &str, input: &Value) -> bool {
    let method = input.get("method").and_then(Value::as_str);
    uses == "http.request" && method.is_some_and(|method| matches!(method, "GET" | "HEAD"))
}

/// A value of a schema's form: what it gives as an example, or what its type has that says least.
fn sample(schema: &Value, depth: usize) -> Value {
    if depth > limits::SAMPLE_DEPTH {
        return Value::Null;
    }
    let given = ["const", "default"].into_iter().find_map(|key| schema.get(key));
    let listed = ["examples", "enum"].into_iter().find_map(|key| schema.get(key)?.get(0));
    if let Some(value) = given.or(listed) {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|key| schema.get(key)?.get(0)) {
        return sample(first, depth + 1);
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or_default(),
        _ if schema.get("properties").is_some() => "object",
        _ => "",
    };
    match kind {
        "object" => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let fields = properties.into_iter().flatten().map(|(name, of)| (name.clone(), sample(of, depth + 1)));
            Value::Object(fields.collect())
        }
        "array" => json!([]),
        "string" => json!("sample"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(0)),
        "boolean" => json!(true),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trigger_that_says_so_is_a_test() {
        for trigger in ["", "{}", r#"{"kind":"test"}"#, r#"{"kind":"webhook","key":"\"effects\""}"#] {
            assert!(!Effects::of_trigger(trigger).is_test(), "{trigger}");
        }
        assert_eq!(Effects::of_trigger(r#"{"kind":"test","effects":"off"}"#).reach, Reach::Nothing);
        assert_eq!(Effects::of_trigger(r#"{"kind":"replay","effects":"reads"}"#).reach, Reach::Reads);
        // A newer program's word is not taken for leave.
        assert_eq!(Effects::of_trigger(r#"{"effects":"only-mondays"}"#).reach, Reach::Nothing);
        assert_eq!(Effects::of_trigger(r#"{"effects":7}"#).reach, Reach::Nothing);
    }

    #[test]
    fn a_draft_reaches_nothing_that_its_test_was_not_given() {
        assert_eq!(Effects::of_execution(r#"{"kind":"manual"}"#, DRAFT).reach, Reach::Nothing);
        assert_eq!(Effects::of_execution(r#"{"kind":"test","effects":"reads"}"#, DRAFT).reach, Reach::Reads);
        assert_eq!(Effects::of_execution(r#"{"kind":"manual"}"#, 1).reach, Reach::Everything);
    }

    #[test]
    fn what_is_stored_is_read_again() {
        for reach in [Reach::Everything, Reach::Reads, Reach::Nothing] {
            let mut answers = Map::new();
            if reach != Reach::Everything {
                answers.insert("customer".to_owned(), json!({ "name": "Ada" }));
            }
            let effects = Effects { reach, answers };
            let mut trigger = json!({ "kind": "test" });
            effects.put_into(&mut trigger);
            assert_eq!(Effects::of_trigger(&trigger.to_string()), effects);
        }
    }

    #[test]
    fn a_test_performs_what_does_nothing_outside_and_reads_where_that_was_asked_for() {
        let of = |reach| Effects { reach, ..Effects::default() };
        let (get, post) = (json!({ "method": "GET" }), json!({ "method": "POST" }));
        assert!(of(Reach::Everything).performs(Effect::Once, "slack.post_message", &post));
        for reach in [Reach::Nothing, Reach::Reads] {
            assert!(of(reach).performs(Effect::Pure, "data.transform", &json!({})));
            assert!(!of(reach).performs(Effect::Idempotent, "http.request", &post));
            assert!(!of(reach).performs(Effect::Idempotent, "acme.read", &get));
            assert!(!of(reach).performs(Effect::Once, "http.request", &get));
            assert!(!of(reach).performs(Effect::Idempotent, "http.request", &json!({})));
        }
        assert!(of(Reach::Reads).performs(Effect::Idempotent, "http.request", &get));
        assert!(!of(Reach::Nothing).performs(Effect::Idempotent, "http.request", &get));
    }

    #[test]
    fn the_answer_has_the_form_that_the_action_declares_and_says_what_it_is() {
        let schema = json!({
            "type": "object",
            "properties": {
                "status": { "type": "integer", "minimum": 100 },
                "id": { "type": ["string", "null"] },
                "kind": { "enum": ["a", "b"] },
                "body": {},
            },
        });
        let meta = ActionMeta {
            uses: "http.request".to_owned(),
            title: String::new(),
            input_schema: json!({}),
            output_schema: schema,
            effect: Effect::Idempotent,
            timeout: None,
            takes_connection: false,
        };
        let answer = Effects::default().answer("a", "http.request", Some(&meta), json!({ "url": "u" }));
        assert_eq!(
            answer,
            json!({
                "status": 100, "id": "sample", "kind": "a", "body": {}, "dry_run": true,
                "would_have_called": { "action": "http.request", "input": { "url": "u" } },
            })
        );
        let given = Effects {
            reach: Reach::Nothing,
            answers: Map::from_iter([("a".to_owned(), json!({ "body": { "name": "Ada" } }))]),
        };
        let answer = given.answer("a", "http.request", Some(&meta), json!({}));
        assert_eq!((&answer["body"]["name"], &answer["dry_run"]), (&json!("Ada"), &json!(true)));
    }
}
