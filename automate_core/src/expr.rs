//! Templates and expressions: minijinja's language, compiled once, rendered within bounds.
//!
//! A string of a workflow is compiled to a [`Template`], a condition to a [`Condition`], and a JSON
//! value with strings in it, such as the `with` of a step, to a [`ValueTemplate`]; all of them see a
//! [`Context`]. Secrets are opaque here: what is rendered holds markers, which a
//! [`secret::SecretBinder`] turns into what is stored, and into what an action is given.
//!
//! minijinja's virtual machine bounds instructions, not memory or time. So a source is parsed with
//! minijinja's parser, what could multiply size or time is made a call of a guarded function
//! (`rewrite`, `guards`), and the result is compiled by minijinja. Plain text and plain paths such as
//! `{{ steps.a.output.n }}` never enter its virtual machine.

use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::machinery::ast::Stmt;
use minijinja::machinery::{parse, parse_expr};
use minijinja::syntax::SyntaxConfig;
use serde_json::Value;

mod budget;
mod context;
mod convert;
mod error;
mod filters;
mod guards;
mod path;
mod program;
mod references;
mod rewrite;
mod scrub;
pub mod secret;
mod shape;
mod source;
mod value;

#[cfg(test)]
mod tests;

pub use context::{Context, NAMES};
pub use error::{
    ExprError, TEMPLATE_ENV, TEMPLATE_LIMIT, TEMPLATE_SECRET, TEMPLATE_SYNTAX, TEMPLATE_TYPE, TEMPLATE_UNDEFINED,
};
pub use filters::{FilterArgs, FilterEntry, FilterError, FilterFunction, FilterRegistry, FilterSpec, RegisterError};
pub use references::References;
pub use value::ValueTemplate;

/// What [`register_filter!`](crate::register_filter) expands to.
#[doc(hidden)]
pub mod link {
    pub use inventory::submit;
}

use error::Fault;
use guards::Vocabulary;
use path::Path;
use program::{Part, Program, Script};
use rewrite::Rewriter;
use secret::{SecretBinder, SecretText};
use source::{Piece, pieces};

/// Compiles templates and expressions. Clones share everything.
#[derive(Clone)]
pub struct Expressions {
    engine: Arc<Engine>,
}

struct Engine {
    env: &'static Environment<'static>,
    vocabulary: Vocabulary,
    syntax: SyntaxConfig,
}

impl fmt::Debug for Expressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expressions").finish_non_exhaustive()
    }
}

/// minijinja's syntax; a line break at the end of a text belongs to it.
fn syntax() -> Result<SyntaxConfig, minijinja::Error> {
    SyntaxConfig::builder().keep_trailing_newline(true).build()
}

impl Expressions {
    /// An engine with these filters. It is made once for a process: compiled expressions refer to
    /// it, so its tables (some tens of KB) stay in memory until the process ends.
    #[must_use]
    pub fn new(filters: &FilterRegistry) -> Self {
        let (env, vocabulary) = guards::environment(filters);
        let syntax = env.syntax().clone();
        Self { engine: Arc::new(Engine { env: Box::leak(Box::new(env)), vocabulary, syntax }) }
    }

    /// Compiles a string. One that is exactly one `{{ expression }}` keeps the type of its value;
    /// every other one renders to text. `$secret:KEY` and `$env:VAR` in its literal text mean
    /// `{{ secrets.KEY }}` and `{{ env.VAR }}`.
    ///
    /// # Errors
    /// `TEMPLATE_SYNTAX` for what cannot be parsed and for statements, filters, tests and functions
    /// that templates do not have; `TEMPLATE_LIMIT` for sources that are too long or too deep.
    pub fn template(&self, source: &str) -> Result<Template, ExprError> {
        self.engine.template(source).map_err(|f| f.in_source(source))
    }

    /// Compiles a bare expression, or a template, whose value decides something.
    ///
    /// # Errors
    /// Those of [`Self::template`], and `TEMPLATE_SYNTAX` for an empty condition.
    pub fn condition(&self, source: &str) -> Result<Condition, ExprError> {
        let trimmed = source.trim();
        let template = if trimmed.is_empty() {
            Err(Fault::new(TEMPLATE_SYNTAX, "the condition is empty"))
        } else if trimmed.contains("{{") || trimmed.contains("{%") {
            self.engine.template(trimmed)
        } else {
            self.engine.bare(trimmed)
        };
        template.map(|template| Condition { template }).map_err(|f| f.in_source(source))
    }

    /// Compiles every string inside a JSON value; keys stay as they are.
    ///
    /// # Errors
    /// All errors at once, each with the JSON pointer of its string.
    pub fn value(&self, value: &Value) -> Result<ValueTemplate, Vec<ExprError>> {
        value::compile(self, value)
    }

    /// What resolves the markers of secrets.
    #[must_use]
    pub fn binder(&self) -> SecretBinder {
        SecretBinder::new()
    }
}

impl Engine {
    fn template(&self, source: &str) -> Result<Template, Fault> {
        if !shape::is_dynamic(source) {
            return Ok(Template::new(source, Program::Literal(Value::from(source)), References::default()));
        }
        shape::check(source, false, &self.syntax)?;
        let tree = parse(source, "template", self.syntax.clone()).map_err(|e| Fault::of_engine(&e))?;
        let Stmt::Template(tree) = tree else {
            return Err(Fault::new(TEMPLATE_SYNTAX, "this is not a template"));
        };
        let mut rewriter = Rewriter::new(&self.vocabulary, source);
        let simple = tree.children.iter().all(|s| matches!(s, Stmt::EmitRaw(_) | Stmt::EmitExpr(_)));
        let program = if simple {
            let mut parts = Vec::new();
            for child in &tree.children {
                match child {
                    Stmt::EmitRaw(raw) => raw_parts(raw.raw, &mut rewriter.references, &mut parts),
                    Stmt::EmitExpr(emit) => parts.push(self.expression(&mut rewriter, &emit.expr)?),
                    _ => {}
                }
            }
            match (parts.len(), parts.pop()) {
                (_, None) => Program::Literal(Value::from("")),
                (1, Some(Part::Text(text))) => Program::Literal(Value::from(text)),
                (1, Some(part)) => Program::Single(part),
                (_, Some(last)) => {
                    parts.push(last);
                    Program::Text(parts)
                }
            }
        } else {
            let guarded = rewriter.template(&tree.children)?;
            let mut env = self.env.clone();
            env.add_template_owned("template", guarded).map_err(|e| Fault::of_engine(&e))?;
            Program::Script(Script::new(env))
        };
        Ok(Template::new(source, program, rewriter.references))
    }

    fn bare(&self, source: &str) -> Result<Template, Fault> {
        shape::check(source, true, &self.syntax)?;
        let tree = parse_expr(source).map_err(|e| Fault::of_engine(&e))?;
        let mut rewriter = Rewriter::new(&self.vocabulary, source);
        let part = self.expression(&mut rewriter, &tree)?;
        Ok(Template::new(source, Program::Single(part), rewriter.references))
    }

    fn expression(
        &self,
        rewriter: &mut Rewriter<'_>,
        expr: &minijinja::machinery::ast::Expr<'_>,
    ) -> Result<Part, Fault> {
        let line = usize::from(expr.span().start_line).max(1);
        let guarded = rewriter.expression(expr)?;
        if let Some(path) = Path::of(expr) {
            return Ok(Part::Path(path, line));
        }
        let compiled = self.env.compile_expression_owned(guarded.clone());
        let compiled = compiled.map_err(|e| Fault::of_engine(&e).on_line(line))?;
        Ok(Part::Expression { compiled, shown: guarded, line })
    }
}

fn raw_parts(raw: &str, references: &mut References, parts: &mut Vec<Part>) {
    for piece in pieces(raw) {
        match piece {
            Piece::Text(text) => match parts.last_mut() {
                Some(Part::Text(before)) => before.push_str(text),
                _ => parts.push(Part::Text(text.to_owned())),
            },
            Piece::Secret(key) => {
                references.add("secrets", Some(key));
                parts.push(Part::Secret(SecretText::Key(key.to_owned())));
            }
            Piece::Env(name) => {
                references.add("env", Some(name));
                parts.push(Part::Path(Path::variable(name), 1));
            }
        }
    }
}

/// A compiled string. Clones share it.
#[derive(Clone)]
pub struct Template {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    program: Program,
    references: References,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.inner.source).finish()
    }
}

impl Template {
    fn new(source: &str, program: Program, references: References) -> Self {
        Self { inner: Arc::new(Inner { source: source.to_owned(), program, references }) }
    }

    /// The value: of its own type for exactly one `{{ expression }}`, text otherwise. Secrets are
    /// markers in it.
    ///
    /// # Errors
    /// `TEMPLATE_UNDEFINED`, `TEMPLATE_LIMIT`, `TEMPLATE_TYPE`, `TEMPLATE_SECRET` or `TEMPLATE_ENV`.
    pub fn render(&self, context: &Context) -> Result<Value, ExprError> {
        self.inner.program.render(context).map_err(|f| self.fault(f))
    }

    /// The text: numbers and booleans as in JSON, lists and maps as JSON.
    ///
    /// # Errors
    /// Those of [`Self::render`], and `TEMPLATE_TYPE` for null, which has no text.
    pub fn render_string(&self, context: &Context) -> Result<String, ExprError> {
        match self.render(context)? {
            Value::String(text) => Ok(text),
            Value::Null => Err(self.fault(Fault::new(TEMPLATE_TYPE, "the value is null and has no text"))),
            other => Ok(other.to_string()),
        }
    }

    /// The source it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Whether it is plain text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(self.inner.program, Program::Literal(_))
    }

    /// The names that it uses.
    #[must_use]
    pub fn references(&self) -> References {
        self.inner.references.clone()
    }

    fn fault(&self, fault: Fault) -> ExprError {
        fault.in_source(&self.inner.source)
    }
}

/// A compiled condition. Clones share it.
#[derive(Debug, Clone)]
pub struct Condition {
    template: Template,
}

impl Condition {
    /// Whether it holds. Empty text, lists and maps, 0, `false` and null do not. Text around an
    /// expression must render to `true` or `false`.
    ///
    /// # Errors
    /// Those of [`Template::render`]; a secret is never a condition.
    pub fn is_true(&self, context: &Context) -> Result<bool, ExprError> {
        self.template.inner.program.is_true(context).map_err(|f| self.template.fault(f))
    }

    /// The source it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        self.template.source()
    }

    /// The names that it uses.
    #[must_use]
    pub fn references(&self) -> References {
        self.template.references()
    }
}

/// One step of a JSON pointer (RFC 6901).
fn pointer_segment(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}
