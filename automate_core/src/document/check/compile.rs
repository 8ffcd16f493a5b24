//! What the checks need of the template engine.

use std::collections::BTreeSet;

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A template, whatever it renders to.
    Template,
    /// A bare expression, or a template that is one.
    Condition,
}

/// Why a text does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprProblem {
    /// The engine's code, such as `TEMPLATE_SYNTAX`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The line in the text, from 1.
    pub line: usize,
}

/// The names that a text uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Top-level names that the text does not set itself, such as `event`.
    pub top: BTreeSet<String>,
    /// Ids of steps, as in `steps.ID`.
    pub steps: BTreeSet<String>,
    /// Variables, as in `vars.NAME`.
    pub vars: BTreeSet<String>,
    /// Keys of secrets, as in `secrets.KEY` and `$secret:KEY`.
    pub secrets: BTreeSet<String>,
}

/// Compiles templates and expressions without rendering them.
pub trait Compile {
    /// Compiles a text.
    ///
    /// # Errors
    /// [`ExprProblem`] where the text is not what it is meant to be.
    fn compile(&self, source: &str, form: Form) -> Result<(), ExprProblem>;
    /// The names that a text uses; empty where it does not compile.
    fn names(&self, source: &str, form: Form) -> Names;
}
