//! Creating, changing and deleting rows.

use std::sync::Arc;

use automate_core::audit::AuditEntry;
use automate_core::clock;
use automate_core::ids::new_v7;
use automate_core::store::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, Value as Parameter};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::check::{self, Deed};
use super::diff::{self, Inputs};
use super::get::version;
use super::shape::Shape;
use super::value::{bind, time_text};
use super::viewed::{Viewed, log_of};
use super::{
    Column, ColumnKind, FieldProblem, Model, ResourceError, ResourceHooks, Resources, Row, Scoped, Writer, codes,
    scoped,
};
use crate::error::{Violation, store_error, violation};

impl Resources {
    /// Creates a row and answers with it as the caller sees it.
    ///
    /// # Errors
    /// `Invalid` with every fault of the fields, `Conflict` where another row has what must be
    /// unique, those of the hooks, `NotFound` where the caller has no tenant, `Store`.
    pub async fn create(
        &self,
        model: &'static Model,
        writer: &Writer,
        hooks: &Arc<dyn ResourceHooks>,
        fields: Map<String, Value>,
    ) -> Result<Row, ResourceError> {
        let (writer, hooks) = (writer.clone(), hooks.clone());
        self.run(move |resources| async move {
            let txn = resources.db.begin().await?;
            let row = resources.create_in(&txn, model, &writer, &*hooks, fields).await?;
            let row = resources.show_in(&txn, model, &writer, row).await?;
            txn.commit().await.map_err(store_error)?;
            Ok(row)
        })
        .await
    }

    /// Changes the given fields of a row and answers with the row as the caller sees it. Where
    /// nothing differs from what is stored, nothing is written and the version stays.
    ///
    /// # Errors
    /// As [`Resources::create`]; `NotFound`; `Changed` where the row is not at the `expected`
    /// version.
    pub async fn update(
        &self,
        model: &'static Model,
        writer: &Writer,
        hooks: &Arc<dyn ResourceHooks>,
        id: Uuid,
        fields: Map<String, Value>,
        expected: Option<i64>,
    ) -> Result<Row, ResourceError> {
        let (writer, hooks) = (writer.clone(), hooks.clone());
        self.run(move |resources| async move {
            let txn = resources.db.begin().await?;
            let row = resources.update_in(&txn, model, &writer, &*hooks, id, fields, expected).await?;
            let row = resources.show_in(&txn, model, &writer, row).await?;
            txn.commit().await.map_err(store_error)?;
            Ok(row)
        })
        .await
    }

    /// Deletes a row.
    ///
    /// # Errors
    /// `NotFound`, `Changed`, `Conflict` where the row is in use, those of the hooks, `Store`.
    pub async fn delete(
        &self,
        model: &'static Model,
        writer: &Writer,
        hooks: &Arc<dyn ResourceHooks>,
        id: Uuid,
        expected: Option<i64>,
    ) -> Result<(), ResourceError> {
        let (writer, hooks) = (writer.clone(), hooks.clone());
        self.run(move |resources| async move {
            let txn = resources.db.begin().await?;
            resources.delete_in(&txn, model, &writer, &*hooks, id, expected).await?;
            txn.commit().await.map_err(|error| store_error(error).into())
        })
        .await
    }

    /// As [`Resources::create`], within a transaction; answers with all columns. After an error the
    /// transaction is to be given up.
    ///
    /// # Errors
    /// As [`Resources::create`].
    pub async fn create_in(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        writer: &Writer,
        hooks: &dyn ResourceHooks,
        fields: Map<String, Value>,
    ) -> Result<Row, ResourceError> {
        let scope = Self::scope(model, &writer.principal);
        let scoped = scoped(model, scope).ok_or(ResourceError::NotFound(model.noun))?;
        let mut fields = check::fields(model, Deed::Create, &fields).map_err(ResourceError::Invalid)?;
        self.check_references(txn, model, writer, &fields).await?;
        let own = self::own(model, scoped);
        fields.extend(own.clone());
        hooks.before_save(txn, writer, None, &mut fields).await?;
        fields.extend(own);
        let inputs = Inputs::taken(model, &mut fields);

        let mut insert = scoped.insert();
        insert.columns(columns_of(model, &fields)?.iter().map(|column| column.name));
        let values = values_of(model, &fields)?.into_iter().map(|(_, value)| Expr::value(value));
        insert.values(values).map_err(|error| StoreError::Internal(error.to_string()))?;
        txn.execute(&insert).await.map_err(|error| refused(model, error))?;

        let row = stored(txn, model, scoped, &fields).await?;
        hooks.after_save(txn, writer, None, &row).await?;
        let changes = diff::created(model, &row.fields, &inputs);
        self.note(txn, model, writer, "create", &row, changes).await?;
        Ok(row)
    }

    /// As [`Resources::update`], within a transaction; answers with all columns. Whoever changes
    /// several rows locks them all first: [`Resources::get_many_in`].
    ///
    /// # Errors
    /// As [`Resources::update`].
    #[expect(clippy::too_many_arguments, reason = "each is one thing that the caller has")]
    pub async fn update_in(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        writer: &Writer,
        hooks: &dyn ResourceHooks,
        id: Uuid,
        fields: Map<String, Value>,
        expected: Option<i64>,
    ) -> Result<Row, ResourceError> {
        let scope = Self::scope(model, &writer.principal);
        let scoped = scoped(model, scope).ok_or(ResourceError::NotFound(model.noun))?;
        let old = self.get_in(txn, model, writer, id).await?;
        unchanged_since(&old, expected)?;
        let mut fields = check::fields(model, Deed::Update, &fields).map_err(ResourceError::Invalid)?;
        self.check_references(txn, model, writer, &fields).await?;
        hooks.before_save(txn, writer, Some(&old), &mut fields).await?;
        let inputs = Inputs::taken(model, &mut fields);
        for system in [Some(model.key), model.tenant, model.version, model.created_at, model.updated_at] {
            system.map(|column| fields.shift_remove(column));
        }
        fields.retain(|name, value| old.fields.get(name) != Some(value));
        if fields.is_empty() && inputs.is_empty() {
            hooks.after_save(txn, writer, Some(&old), &old).await?;
            return Ok(old);
        }

        let mut update = scoped.update();
        update.and_where(Expr::col(model.key).eq(id));
        for (column, value) in values_of(model, &fields)? {
            update.value(column.name, Expr::value(value));
        }
        if let Some(updated_at) = model.updated_at {
            update.value(updated_at, Expr::value(clock::now()));
        }
        if let (Some(column), Some(version)) = (model.version, old.version) {
            // The row is locked; the condition is for what writes past the lock.
            update.and_where(Expr::col(column).eq(version));
            update.value(column, Expr::col(column).add(1_i32));
        }
        if !update.get_values().is_empty() {
            let done = txn.execute(&update).await.map_err(|error| refused(model, error))?;
            if done.rows_affected() != 1 {
                return Err(ResourceError::NotFound(model.noun));
            }
        }
        let row = stored(txn, model, scoped, &old.fields).await?;
        hooks.after_save(txn, writer, Some(&old), &row).await?;
        let changes = diff::updated(model, &old.fields, &row.fields, &inputs);
        self.note(txn, model, writer, "update", &row, changes).await?;
        Ok(row)
    }

    /// As [`Resources::delete`], within a transaction.
    ///
    /// # Errors
    /// As [`Resources::delete`].
    pub async fn delete_in(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        writer: &Writer,
        hooks: &dyn ResourceHooks,
        id: Uuid,
        expected: Option<i64>,
    ) -> Result<(), ResourceError> {
        let scope = Self::scope(model, &writer.principal);
        let scoped = scoped(model, scope).ok_or(ResourceError::NotFound(model.noun))?;
        let old = self.get_in(txn, model, writer, id).await?;
        unchanged_since(&old, expected)?;
        hooks.before_delete(txn, writer, &old).await?;
        let mut delete = scoped.delete();
        delete.and_where(Expr::col(model.key).eq(id));
        let done = txn.execute(&delete).await.map_err(|error| refused(model, error))?;
        if done.rows_affected() != 1 {
            return Err(ResourceError::NotFound(model.noun));
        }
        let changes = diff::deleted(model, &old.fields);
        self.note(txn, model, writer, "delete", &old, changes).await
    }

    /// Whether each row that the fields name is there, as far as the writer may know of it. It stays
    /// until the transaction ends.
    async fn check_references(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        writer: &Writer,
        fields: &Map<String, Value>,
    ) -> Result<(), ResourceError> {
        let mut problems = Vec::new();
        for column in model.columns.iter().filter(|column| fields.get(column.name).is_some_and(|v| !v.is_null())) {
            let Some(other) = column.references else { continue };
            let found = match scoped(other, Self::scope(other, &writer.principal)) {
                Some(scoped) => {
                    let mut select = scoped.select();
                    let value = bind(column, &fields[column.name])?;
                    select.column(other.key).and_where(Expr::col(other.key).eq(Expr::value(value)));
                    select.lock(LockType::KeyShare);
                    txn.query_one(&select).await.map_err(store_error)?.is_some()
                }
                None => false,
            };
            if !found {
                let message = format!("names no {} that there is", other.noun);
                problems.push(FieldProblem::new(column.name, codes::NO_SUCH_ROW, message));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ResourceError::Invalid(problems)) }
    }

    async fn note(
        &self,
        txn: &DatabaseTransaction,
        model: &Model,
        writer: &Writer,
        verb: &str,
        row: &Row,
        changes: Value,
    ) -> Result<(), ResourceError> {
        let id = row.fields.get(model.key).and_then(Value::as_str).unwrap_or_default();
        let action = format!("{}.{verb}", model.noun);
        let entry = AuditEntry::new(log_of(model, writer), writer.principal.actor.clone(), &action)
            .from(writer.origin.clone())
            .about(model.noun, id)
            .with(changes);
        Ok(self.audit.append(txn, entry).await?)
    }

    /// A row of one of the `…_in` methods as the caller sees it; seeing what takes a permission is
    /// audited in the same transaction. [`Row::shown`] does not audit.
    ///
    /// # Errors
    /// `Store`.
    pub async fn show_in(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        writer: &Writer,
        row: Row,
    ) -> Result<Row, ResourceError> {
        let shape = Shape::of(model, &writer.principal, &[], true)?;
        if shape.reveals(&row.fields) {
            let mut viewed = Viewed::of(&shape, &[]);
            viewed.add(model, &row.fields);
            if let Some(entry) = viewed.entry(model, writer) {
                self.audit.append(txn, entry).await?;
            }
        }
        Ok(Row { fields: shape.shown(&row.fields), version: row.version })
    }
}

/// What the service itself sets in a new row.
fn own(model: &Model, scoped: Scoped<'_>) -> Map<String, Value> {
    let mut own = Map::new();
    let key = model.column(model.key).filter(|key| key.kind == ColumnKind::Uuid && !key.on_create);
    if let Some(key) = key {
        own.insert(key.name.to_owned(), Value::String(new_v7().to_string()));
    }
    if let (Some(column), Some(tenant)) = (model.tenant, scoped.tenant()) {
        own.insert(column.to_owned(), Value::String(tenant.to_string()));
    }
    let now = time_text(clock::now());
    for column in [model.created_at, model.updated_at].into_iter().flatten() {
        own.insert(column.to_owned(), Value::String(now.clone()));
    }
    if let Some(column) = model.version {
        own.insert(column.to_owned(), Value::from(1));
    }
    own
}

fn columns_of<'m>(model: &'m Model, fields: &Map<String, Value>) -> Result<Vec<&'m Column>, StoreError> {
    let column = |name: &String| {
        let column = model.columns.iter().find(|column| column.name == name && column.stored);
        column.ok_or_else(|| StoreError::Internal(format!("`{}` has no column `{name}`", model.table)))
    };
    fields.keys().map(column).collect()
}

fn values_of<'m>(model: &'m Model, fields: &Map<String, Value>) -> Result<Vec<(&'m Column, Parameter)>, StoreError> {
    let columns = columns_of(model, fields)?;
    columns.into_iter().zip(fields.values()).map(|(column, value)| Ok((column, bind(column, value)?))).collect()
}

/// The row with the key that is among some fields, with all columns as they are stored.
async fn stored(
    txn: &DatabaseTransaction,
    model: &'static Model,
    scoped: Scoped<'_>,
    fields: &Map<String, Value>,
) -> Result<Row, ResourceError> {
    let shape = Shape::whole(model);
    let mut select = scoped.select();
    shape.select_all(&mut select);
    for key in &model.keys {
        let (Some(column), Some(value)) = (model.column(key), fields.get(*key)) else {
            return Err(StoreError::Internal(format!("a row of `{}` without its key", model.table)).into());
        };
        select.and_where(Expr::col(*key).eq(Expr::value(bind(column, value)?)));
    }
    let row = txn.query_one(&select).await.map_err(store_error)?.ok_or(ResourceError::NotFound(model.noun))?;
    let fields = shape.read_all(&row)?;
    Ok(Row { version: version(model, &fields), fields })
}

/// Whether a row is still as whoever changes it has read it.
fn unchanged_since(row: &Row, expected: Option<i64>) -> Result<(), ResourceError> {
    match (expected, row.version) {
        (Some(expected), Some(current)) if expected != current => Err(ResourceError::Changed { current }),
        (Some(_), None) => {
            // To answer as if it had been looked at would lose somebody's change.
            let message = "rows of this kind have no versions; leave the condition out";
            Err(ResourceError::Invalid(vec![FieldProblem::new("", codes::CONTRADICTION, message)]))
        }
        _ => Ok(()),
    }
}

/// What the database refused, in the words of the model.
fn refused(model: &Model, error: DbErr) -> ResourceError {
    match violation(&error) {
        Some(Violation::Unique(columns)) => {
            let names: Vec<&str> = columns.iter().filter_map(|column| known_as(model, column)).collect();
            ResourceError::Conflict(if names.is_empty() {
                format!("there is another {} like this one", model.noun)
            } else {
                format!("there is another {} with this `{}`", model.noun, names.join("` and `"))
            })
        }
        Some(Violation::Foreign) => ResourceError::Conflict(format!("the {} is in use", model.noun)),
        None => store_error(error).into(),
    }
}

/// The field under which people know a column. Uniqueness is often of a hidden form of a field:
/// `email_key` of `email`.
fn known_as<'m>(model: &'m Model, column: &str) -> Option<&'m str> {
    if Some(column) == model.tenant {
        return None;
    }
    let shown = |name: &str| model.columns.iter().find(|column| column.name == name && column.shown);
    shown(column).or_else(|| shown(column.strip_suffix("_key")?)).map(|column| column.name)
}
