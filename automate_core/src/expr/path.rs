//! Paths such as `steps.a.output.n`, looked up without the virtual machine.

use minijinja::Value;
use minijinja::machinery::ast::Expr;
use minijinja::value::ValueKind;

use super::context::{Context, NAMES};
use super::convert::{JsonMap, invalid};
use super::error::{Fault, TEMPLATE_ENV, TEMPLATE_SECRET, TEMPLATE_UNDEFINED};

/// How many names an error lists.
const SHOWN_NAMES: usize = 12;

/// A name and the constant keys after it.
#[derive(Debug)]
pub(super) struct Path {
    root: String,
    keys: Vec<Key>,
}

#[derive(Debug)]
enum Key {
    /// `.name`; also `["name"]`.
    Name(String),
    /// `[0]`.
    Other(Value),
}

impl Path {
    /// The path that an expression is, where it is one.
    pub(super) fn of(expr: &Expr<'_>) -> Option<Self> {
        match expr {
            Expr::Var(var) => Some(Self { root: var.id.to_owned(), keys: Vec::new() }),
            Expr::GetAttr(get) => {
                let mut path = Self::of(&get.expr)?;
                path.keys.push(Key::Name(get.name.to_owned()));
                Some(path)
            }
            Expr::GetItem(get) => {
                let Expr::Const(subscript) = &get.subscript_expr else { return None };
                let mut path = Self::of(&get.expr)?;
                path.keys.push(match subscript.value.as_str() {
                    Some(name) => Key::Name(name.to_owned()),
                    None => Key::Other(subscript.value.clone()),
                });
                Some(path)
            }
            _ => None,
        }
    }

    /// `env.NAME`.
    pub(super) fn variable(name: &str) -> Self {
        Self { root: "env".to_owned(), keys: vec![Key::Name(name.to_owned())] }
    }

    pub(super) fn find(&self, context: &Context) -> Result<Value, Fault> {
        let Some(mut value) = context.name(&self.root) else { return Err(self.undefined_root()) };
        for (i, key) in self.keys.iter().enumerate() {
            let found = match key {
                Key::Name(name) => value.as_object().and_then(|o| o.get_value_by_str(name)),
                Key::Other(key) => value.get_item(key).ok().filter(|v| !v.is_undefined()),
            };
            let Some(found) = found else { return Err(self.undefined(i, &value)) };
            if found.kind() == ValueKind::Invalid {
                let code = if self.root == "env" { TEMPLATE_ENV } else { TEMPLATE_SECRET };
                return Err(Fault::new(code, invalid(&found).detail().unwrap_or_default()));
            }
            value = found;
        }
        Ok(value)
    }

    /// The path up to a key.
    fn shown(&self, keys: usize) -> String {
        let mut shown = self.root.clone();
        for key in &self.keys[..keys] {
            match key {
                Key::Name(name) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    shown.push('.');
                    shown.push_str(name);
                }
                Key::Name(name) => shown.push_str(&format!("[{name:?}]")),
                Key::Other(key) => shown.push_str(&format!("[{key}]")),
            }
        }
        shown
    }

    fn undefined_root(&self) -> Fault {
        let known = NAMES.contains(&self.root.as_str());
        let why = if known { "it is not set here".to_owned() } else { format!("names are {}", NAMES.join(", ")) };
        Fault::new(TEMPLATE_UNDEFINED, format!("`{}` is undefined: {why}", self.shown(0)))
    }

    fn undefined(&self, key: usize, parent: &Value) -> Fault {
        let base = self.shown(key);
        let why = match parent.downcast_object_ref::<JsonMap>() {
            Some(map) => {
                let names: Vec<&str> = map.keys().take(SHOWN_NAMES).collect();
                if names.is_empty() {
                    format!("`{base}` is empty")
                } else {
                    format!("`{base}` has {}", names.join(", "))
                }
            }
            None => match parent.kind() {
                ValueKind::None => format!("`{base}` is null"),
                ValueKind::Seq => format!("`{base}` is a list of {}", parent.len().unwrap_or(0)),
                ValueKind::Map => format!("`{base}` does not have it"),
                kind => format!("`{base}` is a {kind}"),
            },
        };
        Fault::new(TEMPLATE_UNDEFINED, format!("`{}` is undefined: {why}", self.shown(key + 1)))
    }
}
