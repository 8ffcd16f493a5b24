//! What a string is compiled to, and how it is rendered.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::{Environment, Expression, Value as EngineValue};
use serde_json::Value;

use super::budget::Render;
use super::context::Context;
use super::convert::{Meter, to_json, write_text};
use super::error::{Fault, TEMPLATE_LIMIT, TEMPLATE_SECRET, TEMPLATE_TYPE, TEMPLATE_UNDEFINED, cut};
use super::path::Path;
use super::secret::{Opaque, SecretText};
use crate::limits;

pub(super) enum Program {
    /// Text without templates.
    Literal(Value),
    /// Exactly one expression: the value keeps its type.
    Single(Part),
    /// Text and expressions.
    Text(Vec<Part>),
    /// A template with statements.
    Script(Script),
}

pub(super) enum Part {
    Text(String),
    Secret(SecretText),
    Path(Path, usize),
    Expression {
        compiled: Expression<'static, 'static>,
        /// The source, for errors.
        shown: String,
        line: usize,
    },
}

/// A template with statements, in an environment of its own that shares the filters of all.
pub(super) struct Script {
    env: Environment<'static>,
}

impl Program {
    pub(super) fn render(&self, context: &Context) -> Result<Value, Fault> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::Single(part) => {
                let render = Render::begin(limits::TEMPLATE_TIME);
                let value = part.evaluate(context)?;
                let json = to_json(&value, &mut Meter::new(limits::STEP_OUTPUT_BYTES));
                let json = json.map_err(|e| part.fault(&e, &value))?;
                settle(&render)?;
                Ok(json)
            }
            Self::Text(parts) => {
                let render = Render::begin(limits::TEMPLATE_TIME);
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(literal) => text.push_str(literal),
                        part => {
                            let value = part.evaluate(context)?;
                            write_text(&value, &mut text, limits::TEMPLATE_OUTPUT_BYTES)
                                .map_err(|e| part.fault(&e, &value))?;
                        }
                    }
                }
                settle(&render)?;
                Ok(Value::String(text))
            }
            Self::Script(script) => script.render(context).map(Value::String),
        }
    }

    pub(super) fn is_true(&self, context: &Context) -> Result<bool, Fault> {
        let text = match self {
            Self::Single(part) => {
                let render = Render::begin(limits::TEMPLATE_TIME);
                let value = part.evaluate(context)?;
                if value.is_undefined() {
                    return Err(part.undefined());
                }
                if Opaque::is(&value) {
                    return Err(Fault::new(TEMPLATE_SECRET, "a secret cannot decide a condition"));
                }
                settle(&render)?;
                return Ok(value.is_true());
            }
            other => other.render(context)?,
        };
        match text.as_str().map(str::trim) {
            Some("true") => Ok(true),
            Some("false" | "") => Ok(false),
            _ => Err(Fault::new(
                TEMPLATE_TYPE,
                "a condition with text around an expression must render to `true` or `false`; \
                 write it as one expression",
            )),
        }
    }
}

/// Runs the engine. Its comparisons and sorts have `unreachable!()` in them for values that do not
/// keep their promises; one template must not take a worker down with it.
fn caught<T>(run: impl FnOnce() -> Result<T, minijinja::Error>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|e| Fault::of_engine(&e)),
        Err(_) => Err(Fault::new(TEMPLATE_TYPE, "the template engine cannot evaluate this")),
    }
}

/// Fails for what could not be reported where it happened.
fn settle(render: &Render) -> Result<(), Fault> {
    match render.fault() {
        Some((code, message)) => Err(Fault::new(code, message)),
        None => Ok(()),
    }
}

impl Part {
    fn evaluate(&self, context: &Context) -> Result<EngineValue, Fault> {
        match self {
            Self::Text(text) => Ok(EngineValue::from(text.as_str())),
            Self::Secret(secret) => Ok(Opaque::value(secret.clone())),
            Self::Path(path, line) => path.find(context).map_err(|f| f.on_line(*line)),
            Self::Expression { compiled, line, .. } => {
                caught(|| compiled.eval(context.root())).map_err(|f| f.on_line(*line))
            }
        }
    }

    fn line(&self) -> usize {
        match self {
            Self::Text(_) | Self::Secret(_) => 1,
            Self::Path(_, line) | Self::Expression { line, .. } => *line,
        }
    }

    fn fault(&self, error: &minijinja::Error, value: &EngineValue) -> Fault {
        if value.is_undefined() {
            return self.undefined();
        }
        Fault::of_engine(error).on_line(self.line())
    }

    /// The fault of a result that is undefined as a whole.
    fn undefined(&self) -> Fault {
        let shown = match self {
            Self::Expression { shown, .. } => cut(shown, 100),
            _ => "the expression",
        };
        Fault::new(TEMPLATE_UNDEFINED, format!("`{shown}` is undefined")).on_line(self.line())
    }
}

impl Script {
    pub(super) fn new(env: Environment<'static>) -> Self {
        Self { env }
    }

    fn render(&self, context: &Context) -> Result<String, Fault> {
        let render = Render::begin(limits::TEMPLATE_TIME);
        let mut output = Bounded(Vec::new());
        caught(|| self.env.get_template("template")?.render_captured_to(context.root(), &mut output).map(drop))?;
        settle(&render)?;
        String::from_utf8(output.0).map_err(|_| Fault::new(TEMPLATE_TYPE, "the text is not UTF-8"))
    }
}

/// A writer that refuses to grow past the bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > limits::TEMPLATE_OUTPUT_BYTES {
            super::budget::note(
                TEMPLATE_LIMIT,
                format!("the text is longer than {} bytes", limits::TEMPLATE_OUTPUT_BYTES),
            );
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
