//! Storing rows of inlines in the transaction of the row that they belong to.

use std::sync::Arc;

use async_trait::async_trait;
use automate_store::resource::{FieldProblem, ResourceError, ResourceHooks, Resources, Row, Writer};
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::generated::store::Stamped;
use crate::inline::Inline;

/// What is to be done with one row.
#[derive(Debug, Clone)]
pub(in crate::generated) struct InlineChange {
    /// Its place in the form.
    pub(in crate::generated) prefix: String,
    /// The row; none for a new one.
    pub(in crate::generated) id: Option<Uuid>,
    /// The version that the form was made of.
    pub(in crate::generated) version: Option<i64>,
    /// What is stored; none where the row is deleted.
    pub(in crate::generated) fields: Option<Map<String, Value>>,
}

/// Hooks of a row that store the rows of its inlines after it.
pub(in crate::generated) struct InlineChanges {
    pub(in crate::generated) inner: Arc<dyn ResourceHooks>,
    pub(in crate::generated) resources: Resources,
    /// The key of the row that they belong to.
    pub(in crate::generated) key: &'static str,
    pub(in crate::generated) changes: Vec<(Inline, Vec<InlineChange>)>,
}

#[async_trait]
impl ResourceHooks for InlineChanges {
    async fn before_save(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        old: Option<&Row>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ResourceError> {
        self.inner.before_save(txn, writer, old, fields).await
    }

    async fn after_save(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        old: Option<&Row>,
        new: &Row,
    ) -> Result<(), ResourceError> {
        self.inner.after_save(txn, writer, old, new).await?;
        let parent = new.fields.get(self.key).cloned().unwrap_or_default();
        for (inline, changes) in &self.changes {
            self.store(txn, writer, inline, &parent, changes).await?;
        }
        Ok(())
    }

    async fn before_delete(&self, txn: &DatabaseTransaction, writer: &Writer, old: &Row) -> Result<(), ResourceError> {
        self.inner.before_delete(txn, writer, old).await
    }
}

impl InlineChanges {
    async fn store(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        inline: &Inline,
        parent: &Value,
        changes: &[InlineChange],
    ) -> Result<(), ResourceError> {
        let model = inline.model;
        let ids: Vec<Uuid> = changes.iter().filter_map(|change| change.id).collect();
        // All at once, so that two who change the same rows do not wait for each other.
        for row in self.resources.get_many_in(txn, model, writer, &ids).await? {
            if row.fields.get(inline.foreign_key) != Some(parent) {
                return Err(ResourceError::NotFound(model.noun));
            }
        }
        let given = model.column(inline.foreign_key).is_some_and(|column| column.on_create);
        let belongs = Map::from_iter([(inline.foreign_key.to_owned(), parent.clone())]);
        for change in changes {
            let done = match (change.id, change.fields.clone()) {
                (None, Some(mut fields)) => {
                    let (moved, always) = (Map::new(), Map::new());
                    let stamped = Stamped { inner: Arc::clone(&inline.hooks), moved, always, created: belongs.clone() };
                    if given {
                        fields.extend(belongs.clone());
                    }
                    self.resources.create_in(txn, model, writer, &stamped, fields).await.map(|_| ())
                }
                (Some(id), Some(fields)) => {
                    let hooks = &*inline.hooks;
                    self.resources.update_in(txn, model, writer, hooks, id, fields, change.version).await.map(|_| ())
                }
                (Some(id), None) => {
                    self.resources.delete_in(txn, model, writer, &*inline.hooks, id, change.version).await
                }
                (None, None) => Ok(()),
            };
            done.map_err(|error| at(&change.prefix, error))?;
        }
        Ok(())
    }
}

/// What is wrong with a row of an inline, at its place in the form.
fn at(prefix: &str, error: ResourceError) -> ResourceError {
    let whole =
        |code, message: String| ResourceError::Invalid(vec![FieldProblem::new(format!("{prefix}-"), code, message)]);
    match error {
        ResourceError::Invalid(problems) => {
            let moved = problems
                .into_iter()
                .map(|problem| FieldProblem { path: format!("{prefix}-{}", problem.path), ..problem });
            ResourceError::Invalid(moved.collect())
        }
        ResourceError::Changed { .. } => {
            whole("CHANGED", "was changed by somebody else in the meantime; look at it before you change it".to_owned())
        }
        ResourceError::Conflict(message) => whole("CONFLICT", message),
        ResourceError::Refused(message) => whole("REFUSED", message),
        ResourceError::NotFound(noun) => whole("NOT_FOUND", format!("the {noun} is no more")),
        other => other,
    }
}
