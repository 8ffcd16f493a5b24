//! Every template and expression of a document, compiled, and what they name.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::compile::{Compile, ExprProblem, Form, Names};
use super::finding;
use super::names::{self, Place, Reach, Scopes};
use crate::document::definition::{Step, StepKind, Wait};
use crate::document::findings::{Findings, did_you_mean, shown};
use crate::document::source::{Position, pointer_to};
use crate::document::{Document, Severity, codes, templated};

pub(super) fn check(document: &Document, engine: &dyn Compile, findings: &mut Findings) {
    let workflow = &document.workflow;
    let mut checker = Checker {
        document,
        engine,
        findings,
        compiled: HashMap::new(),
        scopes: Scopes::of(workflow),
        variables: names::variables(workflow),
        place: Place::Trigger,
    };
    for (i, trigger) in document.value.get("on").and_then(Value::as_array).into_iter().flatten().enumerate() {
        checker.trigger(i, trigger);
    }
    checker.place = Place::Steps;
    checker.block(&workflow.steps);
    checker.scopes.enter_ended(&workflow.steps);
    if let Some(output) = &workflow.output {
        checker.value("/output", output);
    }
    checker.place = Place::Failure;
    checker.block(&workflow.on_failure);
}

/// What compiling a text gave; the same text is compiled once.
struct Compiled {
    problem: Option<ExprProblem>,
    names: Names,
}

struct Checker<'a> {
    document: &'a Document,
    engine: &'a dyn Compile,
    findings: &'a mut Findings,
    compiled: HashMap<(Form, &'a str), Rc<Compiled>>,
    scopes: Scopes<'a>,
    variables: HashSet<&'a str>,
    place: Place,
}

impl<'a> Checker<'a> {
    /// The texts of a trigger. They are taken from the source, as the definition has only the
    /// triggers that could be read, without their places.
    fn trigger(&mut self, index: usize, source: &'a Value) {
        for (field, form) in [("filter", Form::Condition), ("dedupe", Form::Template)] {
            if let Some(Value::String(text)) = source.get(field) {
                self.text(&format!("/on/{index}/{field}"), text, form);
            }
        }
    }

    fn block(&mut self, block: &'a [Step]) {
        self.scopes.enter(block);
        for (i, step) in block.iter().enumerate() {
            self.scopes.at(i);
            self.step(step);
        }
        self.scopes.leave();
    }

    fn step(&mut self, step: &'a Step) {
        let at = &step.pointer;
        if let Some(condition) = &step.condition {
            self.text(&format!("{at}/if"), condition, Form::Condition);
        }
        match &step.kind {
            StepKind::Uses { with, .. } => self.value(&format!("{at}/with"), with),
            StepKind::Set(values) => {
                for (name, value) in values {
                    self.value(&pointer_to(&format!("{at}/set"), name), value);
                }
            }
            StepKind::Fail(message) => self.template(&format!("{at}/fail"), message),
            StepKind::Wait(Wait::ForTemplate(text)) => self.template(&format!("{at}/wait/for"), text),
            StepKind::Wait(Wait::UntilTemplate(text)) => self.template(&format!("{at}/wait/until"), text),
            StepKind::Wait(Wait::For(_) | Wait::Until(_) | Wait::Signal { .. }) => {}
        }
        if !step.on_error.is_empty() {
            let outer = std::mem::replace(&mut self.place, Place::Failure);
            self.block(&step.on_error);
            self.place = outer;
        }
    }

    /// All texts of a value. Its depth is that of the document, which is bounded.
    fn value(&mut self, pointer: &str, value: &'a Value) {
        match value {
            Value::String(text) => self.template(pointer, text),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    if !is_bare(item) {
                        self.value(&format!("{pointer}/{i}"), item);
                    }
                }
            }
            Value::Object(map) => {
                for (name, item) in map {
                    if !is_bare(item) {
                        self.value(&pointer_to(pointer, name), item);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn template(&mut self, pointer: &str, text: &'a str) {
        if templated::is_templated(text) {
            self.text(pointer, text, Form::Template);
        }
    }

    fn text(&mut self, pointer: &str, text: &'a str, form: Form) {
        let compiled = match self.compiled.get(&(form, text)) {
            Some(known) => Rc::clone(known),
            None => {
                let compiled = match self.engine.compile(text, form) {
                    Ok(names) => Compiled { problem: None, names },
                    Err(problem) => Compiled { problem: Some(problem), names: Names::default() },
                };
                let compiled = Rc::new(compiled);
                self.compiled.insert((form, text), Rc::clone(&compiled));
                compiled
            }
        };
        if let Some(problem) = &compiled.problem {
            let mut at = self.document.positions.value(pointer);
            if problem.line > 1 {
                at = Position { line: self.document.positions.text_line(pointer) + problem.line - 1, column: 1 };
            }
            let message = format!("{} in {}", problem.message, shown(text));
            let finding = finding(at, pointer.to_owned(), &problem.code, message, None, Severity::Error);
            self.findings.push(finding);
        }
        self.names(pointer, &compiled.names);
    }

    fn names(&mut self, pointer: &str, names: &Names) {
        for name in &names.top {
            if self.place.names().any(|known| known == name) {
                continue;
            }
            let (message, suggestion) = match self.place.refusal(name) {
                Some(refusal) => (format!("`{name}` {refusal}"), None),
                None => {
                    let known: Vec<&str> = self.place.names().collect();
                    let suggestion = did_you_mean(name, known.iter().copied())
                        .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
                    (format!("templates know no name {}", shown(name)), Some(suggestion))
                }
            };
            self.report(pointer, codes::UNKNOWN_NAME, message, suggestion, Severity::Error);
        }
        for id in &names.steps {
            self.step_reference(pointer, id);
        }
        for name in &names.vars {
            if !self.variables.contains(name.as_str()) && self.place != Place::Trigger {
                let suggestion = did_you_mean(name, self.variables.iter().copied())
                    .unwrap_or_else(|| "a `set` step sets variables".to_owned());
                let message = format!("no step sets the variable {}", shown(name));
                self.report(pointer, codes::UNKNOWN_VARIABLE, message, Some(suggestion), Severity::Warning);
            }
        }
        for key in &names.secrets {
            if !templated::is_secret_reference(key) {
                let message = format!("{} cannot be the key of a secret", shown(key));
                let rule = "letters, digits, `_`, `-` and `.`, 128 characters at most".to_owned();
                self.report(pointer, codes::INVALID_VALUE, message, Some(rule), Severity::Error);
            }
        }
    }

    fn step_reference(&mut self, pointer: &str, id: &str) {
        if self.place == Place::Trigger {
            // `steps` itself has been reported.
            return;
        }
        let (code, message, suggestion, severity) = match self.scopes.reach(id) {
            Reach::Ended => return,
            Reach::Unknown => {
                let suggestion = self.findings.near_step(id, self.scopes.ids());
                (codes::UNKNOWN_STEP, format!("there is no step {}", shown(id)), suggestion, Severity::Error)
            }
            Reach::Itself => (
                codes::STEP_ORDER,
                format!("the step {} refers to itself, and has no output yet", shown(id)),
                None,
                Severity::Warning,
            ),
            Reach::Doubtful => (
                codes::STEP_ORDER,
                format!("the step {} need not have ended by then", shown(id)),
                Some(format!("add `{id}` to `needs`")),
                Severity::Warning,
            ),
            Reach::Elsewhere => (
                codes::STEP_ORDER,
                format!("the step {} is in a block of its own, and need not have run", shown(id)),
                None,
                Severity::Warning,
            ),
        };
        self.report(pointer, code, message, suggestion, severity);
    }

    fn report(&mut self, pointer: &str, code: &str, message: String, suggestion: Option<String>, severity: Severity) {
        let at = self.document.positions.value(pointer);
        self.findings.push(finding(at, pointer.to_owned(), code, message, suggestion, severity));
    }
}

/// A value that certainly holds no text, so that its pointer need not be made.
fn is_bare(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !templated::is_templated(text),
        Value::Array(_) | Value::Object(_) => false,
    }
}
