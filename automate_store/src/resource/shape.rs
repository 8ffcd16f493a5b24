//! Which columns of a model somebody is shown.

use automate_core::access::Principal;
use automate_core::store::StoreError;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseExecutor, DbBackend, QueryResult};
use serde_json::{Map, Value};

use super::condition::is_in;
use super::value::{bind, read_at};
use super::{Column, FieldProblem, Model, ResourceError, Scoped, codes};
use crate::error::store_error;

/// The name under which a statement tells how long the long columns of a row are.
const LONG_BYTES: &str = "automate_long_bytes";

/// What of a model's rows somebody is shown, and what is read for that.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    model: &'static Model,
    /// What is shown, in this order, and whether with its value.
    shown: Vec<(&'static Column, bool)>,
    /// What is read with each row.
    short: Vec<&'static Column>,
    /// What is read only of the rows that are shown.
    long: Vec<&'static Column>,
}

impl Shape {
    /// All fields that people are shown, or only some; long ones where `details` or where they are
    /// named.
    ///
    /// # Errors
    /// `Query` where a field is none, or not for the caller's eyes.
    pub(super) fn of(
        model: &'static Model,
        principal: &Principal,
        fields: &[&'static str],
        details: bool,
    ) -> Result<Self, ResourceError> {
        let sees = |column: &Column| column.needs.is_none_or(|permission| principal.can(permission));
        let mut wanted: Vec<&'static Column> = Vec::new();
        for name in fields {
            let column = model.column(name).filter(|column| column.shown && column.stored);
            let none = || FieldProblem::new("fields", codes::UNKNOWN_FIELD, format!("there is no field `{name}`"));
            wanted.push(column.ok_or_else(|| ResourceError::Query(vec![none()]))?);
        }
        if fields.is_empty() {
            let all = model.columns.iter().filter(|column| column.shown && column.stored);
            wanted.extend(all.filter(|column| details || !column.detail));
        }
        let shown: Vec<_> = wanted.into_iter().map(|column| (column, sees(column))).collect();
        let read = shown.iter().filter(|(_, sees)| *sees).map(|(column, _)| *column);
        let (long, short) = read.partition(|column| column.detail && !model.keys.contains(&column.name));
        let mut shape = Self { model, shown, short, long };
        for name in model.keys.iter().copied().chain(model.version) {
            shape.also(name)?;
        }
        Ok(shape)
    }

    /// Every column that the table has, whoever may see it.
    pub(super) fn whole(model: &'static Model) -> Self {
        let all = || model.columns.iter().filter(|column| column.stored);
        Self { model, shown: all().map(|column| (column, true)).collect(), short: all().collect(), long: Vec::new() }
    }

    /// Reads a column besides, without showing it.
    pub(super) fn also(&mut self, name: &str) -> Result<(), StoreError> {
        let column = self
            .model
            .column(name)
            .filter(|column| column.stored)
            .ok_or_else(|| StoreError::Internal(format!("`{}` has no column `{name}`", self.model.table)))?;
        if !self.short.iter().any(|known| known.name == column.name) {
            self.short.push(column);
        }
        Ok(())
    }

    /// Whether some columns are read apart.
    pub(super) fn has_long(&self) -> bool {
        !self.long.is_empty()
    }

    /// The fields that took a permission to see.
    pub(super) fn protected(&self) -> Vec<&'static str> {
        let protected = self.shown.iter().filter(|(column, sees)| *sees && column.needs.is_some());
        protected.map(|(column, _)| column.name).collect()
    }

    /// Adds the columns that are read with each row, and the length of those that are not.
    pub(super) fn select_short(&self, backend: DbBackend, select: &mut SelectStatement) {
        select.columns(self.short.iter().map(|column| column.name));
        let lengths = self.long.iter().map(|column| length_of(column, backend));
        if let Some(length) = lengths.reduce(|sum, length| sum.add(length)) {
            select.expr_as(length, LONG_BYTES);
        }
    }

    /// Adds all columns.
    pub(super) fn select_all(&self, select: &mut SelectStatement) {
        select.columns(self.short.iter().chain(&self.long).map(|column| column.name));
    }

    /// The sum of the lengths of the long columns over all rows of a statement.
    pub(super) fn long_sum(&self, backend: DbBackend) -> Option<Expr> {
        let length = self.long.iter().map(|column| length_of(column, backend)).reduce(|sum, length| sum.add(length))?;
        // PostgreSQL makes a `numeric` of a sum of `bigint`s.
        Some(Func::sum(length).cast_as("bigint"))
    }

    /// What [`Shape::select_short`] has selected of a row.
    pub(super) fn read_short(&self, row: &QueryResult) -> Result<Map<String, Value>, StoreError> {
        fields_of(0, &self.short, row)
    }

    /// What [`Shape::select_all`] has selected of a row.
    pub(super) fn read_all(&self, row: &QueryResult) -> Result<Map<String, Value>, StoreError> {
        let mut fields = fields_of(0, &self.short, row)?;
        fields.extend(fields_of(self.short.len(), &self.long, row)?);
        Ok(fields)
    }

    /// How long the long columns of a row are.
    pub(super) fn long_bytes(&self, row: &QueryResult) -> Result<u64, StoreError> {
        if self.long.is_empty() {
            return Ok(0);
        }
        let bytes: i64 = row.try_get("", LONG_BYTES).map_err(store_error)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Reads the long columns of rows that were read without, in one statement. Rows that are gone
    /// meanwhile are taken out.
    pub(super) async fn fill(
        &self,
        db: &DatabaseExecutor<'_>,
        scoped: Scoped<'_>,
        rows: &mut Vec<Map<String, Value>>,
    ) -> Result<(), StoreError> {
        if self.long.is_empty() || rows.is_empty() {
            return Ok(());
        }
        let mut select = scoped.select();
        select.columns(self.model.keys.iter().copied());
        select.columns(self.long.iter().map(|column| column.name));
        select.cond_where(keys_are(self.model, rows)?);
        let keys: Vec<&Column> = self.model.keys.iter().filter_map(|key| self.model.column(key)).collect();
        let mut found = std::collections::HashMap::with_capacity(rows.len());
        for row in db.query_all(&select).await.map_err(store_error)? {
            found.insert(key_of(self.model, &fields_of(0, &keys, &row)?), fields_of(keys.len(), &self.long, &row)?);
        }
        rows.retain_mut(|row| match found.remove(&key_of(self.model, row)) {
            Some(long) => {
                row.extend(long);
                true
            }
            None => false,
        });
        Ok(())
    }

    /// A row as it is shown, of what was read of it.
    pub(super) fn shown(&self, read: &Map<String, Value>) -> Map<String, Value> {
        self.narrowed(read.clone())
    }

    /// As [`Shape::shown`], of a row that is needed for nothing else.
    pub(super) fn narrowed(&self, mut read: Map<String, Value>) -> Map<String, Value> {
        // Most rows are shown as they were read. What was read for an order alone is not shown to whoever
        // may not see it.
        let as_read = self.shown.iter().map(|(column, sees)| sees.then_some(column.name));
        if read.keys().map(|name| Some(name.as_str())).eq(as_read) {
            return read;
        }
        let show = |(column, sees): &(&'static Column, bool)| {
            let (name, value) = read.swap_remove_entry(column.name).unwrap_or((column.name.to_owned(), Value::Null));
            (name, if *sees { value } else { Value::Null })
        };
        self.shown.iter().map(show).collect()
    }

    /// Whether anything is shown of a row that took a permission.
    pub(super) fn reveals(&self, read: &Map<String, Value>) -> bool {
        let reveals = |(column, sees): &(&'static Column, bool)| {
            *sees && column.needs.is_some() && read.get(column.name).is_some_and(|value| !value.is_null())
        };
        self.shown.iter().any(reveals)
    }
}

/// Columns of a row, the first of which is the `first` of the statement. By place: a driver looks a
/// name up for each value, which is a good part of what a list costs.
fn fields_of(first: usize, columns: &[&Column], row: &QueryResult) -> Result<Map<String, Value>, StoreError> {
    let mut fields = Map::with_capacity(columns.len());
    for (column, place) in columns.iter().zip(first..) {
        fields.insert(column.name.to_owned(), read_at(place, column, row)?);
    }
    Ok(fields)
}

/// The bytes of a column; PostgreSQL knows them of a long value without reading it, SQLite too.
fn length_of(column: &Column, backend: DbBackend) -> Expr {
    let length = Func::cust("octet_length").arg(Expr::col(column.name));
    let length = Func::coalesce([Expr::from(length), Expr::value(0_i32)]);
    match backend {
        DbBackend::Postgres => Func::cast_as(length, "bigint").into(),
        _ => length.into(),
    }
}

/// The key of a row that was read, as one text.
pub(super) fn key_of(model: &Model, row: &Map<String, Value>) -> String {
    model.keys.iter().filter_map(|key| row.get(*key)).map(Value::to_string).collect::<Vec<_>>().join("\n")
}

/// The condition that a row is one of those that were read.
fn keys_are(model: &Model, rows: &[Map<String, Value>]) -> Result<Condition, StoreError> {
    let column = |key: &str| {
        model.column(key).ok_or_else(|| StoreError::Internal(format!("`{}` has no key `{key}`", model.table)))
    };
    let value = |row: &Map<String, Value>, key: &str| row.get(key).cloned().unwrap_or_default();
    if let [key] = model.keys.as_slice() {
        let values: Vec<Value> = rows.iter().map(|row| value(row, key)).collect();
        return Ok(Condition::all().add(is_in(column(key)?, &values)?));
    }
    let mut any = Condition::any();
    for row in rows {
        let mut all = Condition::all();
        for key in &model.keys {
            all = all.add(Expr::col(*key).eq(Expr::value(bind(column(key)?, &value(row, key))?)));
        }
        any = any.add(all);
    }
    Ok(any)
}
