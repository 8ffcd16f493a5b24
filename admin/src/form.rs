//! Forms: which fields, in which order, with which widgets, and what is wrong with what was typed.

use std::sync::Arc;

use automate_store::resource::FieldProblem;
use sea_orm::ColumnTrait;
use serde_json::Value;

use crate::control::Choice;

/// How a field is typed in. Without one, the column's kind decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Widget {
    /// One line.
    Line,
    /// Several lines.
    Lines,
    /// One line that is not shown, and never filled in.
    Secret,
    /// One of a few words, all in sight.
    Radio,
    /// JSON, checked.
    Json,
    /// A form made of a JSON schema, which is given as text.
    Schema(&'static str),
    /// The same, of a schema that is known when the form is opened.
    SchemaOf(Arc<Value>),
    /// One of some choices that are known when the form is opened.
    Choices(Vec<Choice>),
    /// Several of some words, in groups: `(heading, words)`. The field holds an array.
    Checks(Vec<(String, Vec<Choice>)>),
}

/// Fields under one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fieldset {
    /// The heading; none for the first fields of a form.
    pub title: &'static str,
    /// A sentence below the heading.
    pub description: &'static str,
    /// The fields.
    pub fields: Vec<&'static str>,
    /// Whether it is folded at first.
    pub folded: bool,
}

impl Fieldset {
    /// Fields under a heading, which may be empty.
    pub fn new<C: ColumnTrait>(title: &'static str, fields: impl IntoIterator<Item = C>) -> Self {
        let fields = fields.into_iter().map(|column| column.as_str()).collect();
        Self { title, description: "", fields, folded: false }
    }

    /// With a sentence below the heading.
    #[must_use]
    pub fn describe(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Folded at first.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.folded = true;
        self
    }
}

/// What is wrong with a form: by field, or with all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors {
    problems: Vec<(Option<String>, String)>,
}

impl FieldErrors {
    /// Something is wrong with one field.
    pub fn add<C: ColumnTrait>(&mut self, column: C, message: impl Into<String>) {
        self.add_named(column.as_str(), message);
    }

    /// Something is wrong with a field that is known by name only.
    pub fn add_named(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push((Some(field.to_owned()), message.into()));
    }

    /// Something is wrong with the form as a whole.
    pub fn add_form(&mut self, message: impl Into<String>) {
        self.problems.push((None, message.into()));
    }

    /// What the service found wrong.
    pub fn extend(&mut self, problems: &[FieldProblem]) {
        for problem in problems {
            // A pointer below a field belongs to the field.
            let field = problem.path.split('/').next().unwrap_or_default();
            let message = match problem.path.split_once('/') {
                Some((_, below)) => format!("at /{below}: {}", problem.message),
                None => problem.message.clone(),
            };
            self.problems.push((Some(field.to_owned()), message));
        }
    }

    /// The same, and what another look has found.
    pub fn merge(&mut self, other: Self) {
        self.problems.extend(other.problems);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is wrong with a field.
    pub fn of<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.problems.iter().filter(move |(of, _)| of.as_deref() == Some(field)).map(|(_, message)| message.as_str())
    }

    /// Everything that is wrong, with its field.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.problems.iter().map(|(field, message)| (field.as_deref(), message.as_str()))
    }
}
