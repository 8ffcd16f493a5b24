//! What the checks need of the template engine.

use std::collections::BTreeSet;

use crate::expr::{Expressions, References};

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
    /// Compiles a text, and says which names it uses.
    ///
    /// # Errors
    /// [`ExprProblem`] where the text is not what it is meant to be.
    fn compile(&self, source: &str, form: Form) -> Result<Names, ExprProblem>;
}

impl Compile for Expressions {
    fn compile(&self, source: &str, form: Form) -> Result<Names, ExprProblem> {
        let references = match form {
            Form::Template => self.template(source).map(|template| template.references()),
            Form::Condition => self.condition(source).map(|condition| condition.references()),
        };
        match references {
            Ok(References { names, steps, vars, secrets, .. }) => Ok(Names { top: names, steps, vars, secrets }),
            Err(error) => Err(ExprProblem { code: error.code.to_owned(), message: error.message, line: error.line }),
        }
    }
}
