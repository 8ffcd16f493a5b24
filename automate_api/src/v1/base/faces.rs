//! How rows look outside, where it is not as the model's columns are.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::call::unreadable;
use super::shape::Shape;
use crate::Problem;

type Reads = Arc<dyn Fn(Map<String, Value>) -> Result<Value, Problem> + Send + Sync>;
type Writes = Arc<dyn Fn(Value) -> Result<Map<String, Value>, Problem> + Send + Sync>;

/// How rows look outside, where it is not as the model's columns are.
#[derive(Clone, Default)]
pub struct Faces {
    pub(super) read: Option<(Shape, Reads)>,
    pub(super) create: Option<(Shape, Writes)>,
    pub(super) extra: Vec<(String, Shape)>,
    pub(super) without: Vec<String>,
}

impl std::fmt::Debug for Faces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faces")
    }
}

impl Faces {
    /// As the columns are.
    #[must_use]
    pub fn columns() -> Self {
        Self::default()
    }

    /// Rows are shown as a type: the columns that it names, renamed and shaped as serde says. Of a
    /// view set with `fields` or long columns, members that a list may lack must be optional.
    #[must_use]
    pub fn reads_as<T: Serialize + DeserializeOwned + ToSchema>(mut self) -> Self {
        let of = std::any::type_name::<T>();
        let read = move |fields: Map<String, Value>| {
            let typed: T = serde_json::from_value(Value::Object(fields)).map_err(|error| {
                tracing::error!(%error, of, "a row does not fit the type that it is shown as");
                Problem::internal()
            })?;
            serde_json::to_value(typed).map_err(|error| {
                tracing::error!(%error, of, "a row cannot be written as JSON");
                Problem::internal()
            })
        };
        self.read = Some((Shape::of::<T>(), Arc::new(read)));
        self
    }

    /// Rows are created from a type, whose members as serialised are columns.
    #[must_use]
    pub fn writes_as<T: Serialize + DeserializeOwned + ToSchema>(mut self) -> Self {
        let of = std::any::type_name::<T>();
        let write = move |body: Value| {
            let typed: T = serde_json::from_value(body).map_err(|error| unreadable(&error))?;
            match serde_json::to_value(typed) {
                Ok(Value::Object(fields)) => Ok(fields),
                Ok(_) | Err(_) => {
                    tracing::error!(of, "rows are written as objects only");
                    Err(Problem::internal())
                }
            }
        };
        self.create = Some((Shape::of::<T>().closed(), Arc::new(write)));
        self
    }

    /// A member that `represent` adds to what is shown, or shows otherwise.
    #[must_use]
    pub fn adds<T: ToSchema>(mut self, name: &str) -> Self {
        self.extra.push((name.to_owned(), Shape::of::<T>()));
        self
    }

    /// As [`Faces::adds`], of a list.
    #[must_use]
    pub fn adds_many<T: ToSchema>(self, name: &str) -> Self {
        self.adds_shape(name, Shape::list_of(&Shape::of::<T>()))
    }

    /// As [`Faces::adds`], of a shape.
    #[must_use]
    pub fn adds_shape(mut self, name: &str, shape: Shape) -> Self {
        self.extra.push((name.to_owned(), shape));
        self
    }

    /// A column that `represent` takes away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }
}
