//! JSON values with templates in their strings.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use super::context::Context;
use super::error::{ExprError, Fault, TEMPLATE_LIMIT};
use super::references::References;
use super::{Expressions, Template, pointer_segment};
use crate::limits;

/// A JSON value whose strings are compiled. Clones share it.
#[derive(Debug, Clone)]
pub struct ValueTemplate {
    root: Arc<Node>,
}

#[derive(Debug)]
enum Node {
    /// No template anywhere below.
    Literal(Value),
    Template(Template),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

pub(super) fn compile(expressions: &Expressions, value: &Value) -> Result<ValueTemplate, Vec<ExprError>> {
    let mut errors = Vec::new();
    let root = node(expressions, value, &mut String::new(), 0, &mut errors);
    if errors.is_empty() { Ok(ValueTemplate { root: Arc::new(root) }) } else { Err(errors) }
}

fn node(
    expressions: &Expressions,
    value: &Value,
    pointer: &mut String,
    depth: usize,
    errors: &mut Vec<ExprError>,
) -> Node {
    if depth > limits::JSON_DEPTH {
        let message = format!("values are nested at most {} deep", limits::JSON_DEPTH);
        errors.push(Fault::new(TEMPLATE_LIMIT, message).in_source("").at(pointer));
        return Node::Literal(Value::Null);
    }
    let mut below = |segment: &str, value: &Value| {
        let length = pointer.len();
        pointer.push_str(segment);
        let node = node(expressions, value, pointer, depth + 1, errors);
        pointer.truncate(length);
        node
    };
    match value {
        Value::String(text) => match expressions.template(text) {
            Ok(template) if template.is_literal() => match template.inner.program {
                super::Program::Literal(ref text) => Node::Literal(text.clone()),
                _ => Node::Template(template),
            },
            Ok(template) => Node::Template(template),
            Err(error) => {
                errors.push(error.at(pointer));
                Node::Literal(Value::Null)
            }
        },
        Value::Array(items) => {
            let nodes: Vec<Node> = items.iter().enumerate().map(|(i, v)| below(&format!("/{i}"), v)).collect();
            if nodes.iter().all(Node::is_literal) {
                Node::Literal(nodes.into_iter().map(Node::into_literal).collect())
            } else {
                Node::List(nodes)
            }
        }
        Value::Object(entries) => {
            let nodes: Vec<(String, Node)> =
                entries.iter().map(|(k, v)| (k.clone(), below(&pointer_segment(k), v))).collect();
            if nodes.iter().all(|(_, n)| n.is_literal()) {
                Node::Literal(nodes.into_iter().map(|(k, n)| (k, n.into_literal())).collect())
            } else {
                Node::Map(nodes)
            }
        }
        other => Node::Literal(other.clone()),
    }
}

impl Node {
    fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    fn into_literal(self) -> Value {
        match self {
            Self::Literal(value) => value,
            _ => Value::Null,
        }
    }

    fn references(&self, into: &mut References) {
        match self {
            Self::Literal(_) => {}
            Self::Template(template) => into.merge(&template.inner.references),
            Self::List(nodes) => nodes.iter().for_each(|n| n.references(into)),
            Self::Map(nodes) => nodes.iter().for_each(|(_, n)| n.references(into)),
        }
    }

    fn render(&self, context: &Context, run: &mut Run) -> Result<Value, ExprError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Template(template) => {
                let value = template.render(context)?;
                run.count(&value).map_err(|fault| template.fault(fault))?;
                Ok(value)
            }
            Self::List(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for (i, node) in nodes.iter().enumerate() {
                    items.push(node.render(context, run).map_err(|e| e.at(&format!("/{i}")))?);
                }
                Ok(Value::Array(items))
            }
            Self::Map(nodes) => {
                let mut entries = Map::new();
                for (key, node) in nodes {
                    let value = node.render(context, run).map_err(|e| e.at(&pointer_segment(key)))?;
                    entries.insert(key.clone(), value);
                }
                Ok(Value::Object(entries))
            }
        }
    }
}

/// What all the strings of one value may use up together.
struct Run {
    began: Instant,
    left: usize,
}

impl Run {
    fn count(&mut self, value: &Value) -> Result<(), Fault> {
        if self.began.elapsed() > limits::TEMPLATE_VALUE_TIME {
            return Err(Fault::new(TEMPLATE_LIMIT, "the templates of this value take too long"));
        }
        self.left = self.left.checked_sub(size(value)).ok_or_else(|| {
            Fault::new(TEMPLATE_LIMIT, format!("the value is larger than {} bytes", limits::STEP_OUTPUT_BYTES))
        })?;
        Ok(())
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 2,
        Value::Object(entries) => entries.iter().map(|(k, v)| k.len() + 3 + size(v)).sum::<usize>() + 2,
        _ => 4,
    }
}

impl ValueTemplate {
    /// The value, with each string rendered. Secrets are markers in it.
    ///
    /// # Errors
    /// The first error, with the JSON pointer of its string.
    pub fn render(&self, context: &Context) -> Result<Value, ExprError> {
        self.root.render(context, &mut Run { began: Instant::now(), left: limits::STEP_OUTPUT_BYTES })
    }

    /// The names that its templates use.
    #[must_use]
    pub fn references(&self) -> References {
        let mut references = References::default();
        self.root.references(&mut references);
        references
    }

    /// Whether there is no template in it.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.root.is_literal()
    }
}
