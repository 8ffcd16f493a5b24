//! What templates see. Each part is converted for the engine once, when it is set, and shared by
//! all renders after that.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value as EngineValue};
use serde_json::Value;

use super::budget::note;
use super::convert::{JsonMap, to_value};
use super::error::TEMPLATE_ENV;
use super::secret::Secrets;

/// The names that templates can use; those that have not been set are undefined.
pub const NAMES: &[&str] =
    &["env", "error", "event", "execution", "index", "inputs", "item", "secrets", "steps", "tenant", "vars"];

/// What templates see: `event`, `execution`, `steps`, `inputs`, `vars`, `item`, `index`, `error`,
/// `secrets`, `env` and `tenant`. A clone shares everything and costs one reference count; changing
/// one of two clones copies references, not data.
#[derive(Clone)]
pub struct Context {
    root: Arc<Root>,
}

type Values = BTreeMap<String, EngineValue>;

#[derive(Clone)]
struct Root {
    env: EngineValue,
    secrets: EngineValue,
    event: Option<EngineValue>,
    execution: Option<EngineValue>,
    tenant: Option<EngineValue>,
    inputs: Option<EngineValue>,
    error: Option<EngineValue>,
    item: Option<EngineValue>,
    index: Option<EngineValue>,
    steps: Arc<Values>,
    vars: Arc<Values>,
}

impl Context {
    /// A context without event, execution or steps. `env` holds the environment variables that the
    /// configuration allows templates to read, and nothing else.
    #[must_use]
    pub fn new(env: Arc<BTreeMap<String, String>>) -> Self {
        Self {
            root: Arc::new(Root {
                env: EngineValue::from_object(Env(env)),
                secrets: EngineValue::from_object(Secrets),
                event: None,
                execution: None,
                tenant: None,
                inputs: None,
                error: None,
                item: None,
                index: None,
                steps: Arc::default(),
                vars: Arc::default(),
            }),
        }
    }

    fn change(&mut self) -> &mut Root {
        Arc::make_mut(&mut self.root)
    }

    /// Sets `event`.
    pub fn set_event(
        &mut self,
        payload: &Value,
        event_type: &str,
        source: &str,
        id: &str,
        received_at: &str,
        headers: &Value,
    ) {
        self.change().event = Some(map([
            ("payload", to_value(payload)),
            ("type", event_type.into()),
            ("source", source.into()),
            ("id", id.into()),
            ("received_at", received_at.into()),
            ("headers", to_value(headers)),
        ]));
    }

    /// Sets `execution`. `id` is anything that prints as the execution's id.
    pub fn set_execution(
        &mut self,
        id: impl fmt::Display,
        name: &str,
        workflow: &str,
        version: i32,
        started_at: &str,
        attempt: u32,
    ) {
        self.change().execution = Some(map([
            ("id", id.to_string().into()),
            ("name", name.into()),
            ("workflow", workflow.into()),
            ("version", version.into()),
            ("started_at", started_at.into()),
            ("attempt", attempt.into()),
        ]));
    }

    /// Sets `tenant`, the tenant's slug.
    pub fn set_tenant(&mut self, slug: &str) {
        self.change().tenant = Some(slug.into());
    }

    /// Sets `inputs`.
    pub fn set_inputs(&mut self, inputs: &Value) {
        self.change().inputs = Some(to_value(inputs));
    }

    /// Sets `steps.ID`. What is not known yet is null.
    pub fn set_step(
        &mut self,
        id: &str,
        output: &Value,
        status: &str,
        error: Option<&Value>,
        started_at: Option<&str>,
    ) {
        let step = map([
            ("output", to_value(output)),
            ("status", status.into()),
            ("error", to_value(error.unwrap_or(&Value::Null))),
            ("started_at", started_at.map_or_else(|| EngineValue::from(()), EngineValue::from)),
        ]);
        Arc::make_mut(&mut self.change().steps).insert(id.to_owned(), step);
    }

    /// Sets `vars.NAME`.
    pub fn set_var(&mut self, name: &str, value: &Value) {
        Arc::make_mut(&mut self.change().vars).insert(name.to_owned(), to_value(value));
    }

    /// Sets `error`.
    pub fn set_error(&mut self, error: &Value) {
        self.change().error = Some(to_value(error));
    }

    /// Sets `item` and `index`, which counts from 0.
    pub fn set_item(&mut self, item: &Value, index: usize) {
        let root = self.change();
        root.item = Some(to_value(item));
        root.index = Some(index.into());
    }

    /// Removes `item` and `index`.
    pub fn clear_item(&mut self) {
        let root = self.change();
        root.item = None;
        root.index = None;
    }

    /// The value of a name.
    pub(super) fn name(&self, name: &str) -> Option<EngineValue> {
        self.root.name(name)
    }

    pub(super) fn root(&self) -> EngineValue {
        EngineValue::from_dyn_object(DynObject::from(Arc::clone(&self.root)))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context { .. }")
    }
}

impl Root {
    fn name(&self, name: &str) -> Option<EngineValue> {
        let shared = |values: &Arc<Values>| EngineValue::from_dyn_object(DynObject::from(Arc::clone(values)));
        match name {
            "steps" => Some(shared(&self.steps)),
            "event" => self.event.clone(),
            "inputs" => self.inputs.clone(),
            "vars" => Some(shared(&self.vars)),
            "item" => self.item.clone(),
            "index" => self.index.clone(),
            "execution" => self.execution.clone(),
            "error" => self.error.clone(),
            "secrets" => Some(self.secrets.clone()),
            "env" => Some(self.env.clone()),
            "tenant" => self.tenant.clone(),
            _ => None,
        }
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context { .. }")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &EngineValue) -> Option<EngineValue> {
        self.name(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<EngineValue> {
        self.name(key)
    }
}

fn map<const N: usize>(entries: [(&str, EngineValue); N]) -> EngineValue {
    JsonMap::value(entries.map(|(k, v)| (k.into(), v)))
}

/// The name `env`.
#[derive(Debug)]
struct Env(Arc<BTreeMap<String, String>>);

impl Object for Env {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &EngineValue) -> Option<EngineValue> {
        self.get_value_by_str(key.as_str().unwrap_or_default())
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<EngineValue> {
        Some(match self.0.get(key) {
            Some(value) => value.as_str().into(),
            None => {
                let message = format!(
                    "the environment variable `{}` is not set, or templates may not read it: add it to \
                     `templates.env_allow` in the configuration",
                    super::error::cut(key, 64)
                );
                note(TEMPLATE_ENV, message.clone());
                EngineValue::from(Error::new(ErrorKind::InvalidOperation, message))
            }
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
