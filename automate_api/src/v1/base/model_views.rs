//! View sets over models: what a [`Model`] declares, as operations.

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::access::Principal;
use automate_store::resource::{ListQuery, Model, ResourceHooks, no_hooks};
use serde_json::{Map, Value};

use super::access::Access;
use super::call::Call;
use super::faces::Faces;
use super::mixins::Mixins;
use super::operation::{Action, Operation};
use super::throttle::Throttle;
use crate::Problem;

/// A resource whose rows are looked at: `GET /things` and `GET /things/{id}`, from a [`Model`].
#[async_trait]
pub trait BaseReadOnlyViewSet: Send + Sync + 'static {
    /// The model: columns, filters, orderings, search, expansions, permissions.
    fn model(&self) -> &'static Model;

    /// Who may; by default whoever has the scope `{resource}:read` (`:write` for what changes
    /// something) and the model's permission for it.
    fn get_permissions(&self, action: &Action) -> Access {
        model_access(self.model(), action)
    }

    /// How often, besides what holds for the whole API.
    fn get_throttles(&self, _action: &Action) -> Vec<Throttle> {
        Vec::new()
    }

    /// What wraps every operation.
    fn mixins(&self) -> Mixins {
        Mixins::default()
    }

    /// Narrows what a list shows of what the caller may see.
    ///
    /// # Errors
    /// What the client is told.
    fn get_queryset(&self, _principal: &Principal, query: ListQuery) -> Result<ListQuery, Problem> {
        Ok(query)
    }

    /// A row as it is answered. `fields` is what the caller may see of it, expansions included.
    ///
    /// # Errors
    /// What the client is told.
    fn represent(&self, _call: &Call, fields: Map<String, Value>) -> Result<Value, Problem> {
        Ok(Value::Object(fields))
    }

    /// Rows as they are answered, in their order: for what is looked up for all of them at once.
    ///
    /// # Errors
    /// What the client is told.
    async fn represent_all(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        rows.into_iter().map(|row| self.represent(call, row)).collect()
    }

    /// How rows look, where not as the columns are.
    fn faces(&self) -> Faces {
        Faces::columns()
    }

    /// What else can be done.
    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        Vec::new()
    }
}

/// A resource whose rows are looked at, created, changed and deleted, from a [`Model`].
#[async_trait]
pub trait BaseModelViewSet: Send + Sync + 'static {
    /// As [`BaseReadOnlyViewSet::model`].
    fn model(&self) -> &'static Model;

    /// What of the five can be done.
    fn actions(&self) -> &'static [Action] {
        &[Action::List, Action::Retrieve, Action::Create, Action::Update, Action::Destroy]
    }

    /// What happens around each change, in its transaction.
    fn hooks(&self) -> Arc<dyn ResourceHooks> {
        no_hooks()
    }

    /// As [`BaseReadOnlyViewSet::get_permissions`].
    fn get_permissions(&self, action: &Action) -> Access {
        model_access(self.model(), action)
    }

    /// As [`BaseReadOnlyViewSet::get_throttles`].
    fn get_throttles(&self, _action: &Action) -> Vec<Throttle> {
        Vec::new()
    }

    /// As [`BaseReadOnlyViewSet::mixins`].
    fn mixins(&self) -> Mixins {
        Mixins::default()
    }

    /// As [`BaseReadOnlyViewSet::get_queryset`].
    ///
    /// # Errors
    /// What the client is told.
    fn get_queryset(&self, _principal: &Principal, query: ListQuery) -> Result<ListQuery, Problem> {
        Ok(query)
    }

    /// As [`BaseReadOnlyViewSet::represent`].
    ///
    /// # Errors
    /// What the client is told.
    fn represent(&self, _call: &Call, fields: Map<String, Value>) -> Result<Value, Problem> {
        Ok(Value::Object(fields))
    }

    /// As [`BaseReadOnlyViewSet::represent_all`]. A new row is shown before its transaction ends: what
    /// is looked up here must not wait for the one connection that writes.
    ///
    /// # Errors
    /// What the client is told.
    async fn represent_all(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        rows.into_iter().map(|row| self.represent(call, row)).collect()
    }

    /// How rows look, where not as the columns are.
    fn faces(&self) -> Faces {
        Faces::columns()
    }

    /// What else can be done.
    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        Vec::new()
    }
}

/// Who may do what with rows of a model, where nobody says otherwise.
#[must_use]
pub fn model_access(model: &Model, action: &Action) -> Access {
    let (scope, verb) = match action {
        Action::List | Action::Retrieve => ("read", "view"),
        Action::Create => ("write", "add"),
        Action::Update | Action::Custom(_) => ("write", "change"),
        Action::Destroy => ("write", "delete"),
    };
    Access::new(format!("{}:{scope}", model.name), model.permission_for(verb))
}

/// What the operations of both kinds ask of their view set.
#[async_trait]
pub(super) trait RowsView: Send + Sync + 'static {
    fn narrow(&self, principal: &Principal, query: ListQuery) -> Result<ListQuery, Problem>;
    async fn show(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem>;
}

pub(super) struct ReadOnly<V>(pub(super) Arc<V>);

#[async_trait]
impl<V: BaseReadOnlyViewSet> RowsView for ReadOnly<V> {
    fn narrow(&self, principal: &Principal, query: ListQuery) -> Result<ListQuery, Problem> {
        self.0.get_queryset(principal, query)
    }

    async fn show(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        self.0.represent_all(call, rows).await
    }
}

pub(super) struct Writable<V>(pub(super) Arc<V>);

#[async_trait]
impl<V: BaseModelViewSet> RowsView for Writable<V> {
    fn narrow(&self, principal: &Principal, query: ListQuery) -> Result<ListQuery, Problem> {
        self.0.get_queryset(principal, query)
    }

    async fn show(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        self.0.represent_all(call, rows).await
    }
}
