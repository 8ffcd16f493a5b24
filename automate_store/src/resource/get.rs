//! Single rows, and rows by their ids.

use std::collections::HashMap;

use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, Order, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseExecutor, DatabaseTransaction};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::expand::Expanded;
use super::list::{show, snapshot};
use super::shape::Shape;
use super::{ColumnKind, FieldProblem, Model, ResourceError, Resources, Row, Scoped, Selection, Writer, codes, scoped};
use crate::error::store_error;

impl Resources {
    /// One row as the caller sees it, and its expansions. Where a field that takes a permission is
    /// shown, the audit log says so first: no entry, no row.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's row; `Query` where the selection does not fit; `Store`.
    pub async fn get(
        &self,
        model: &'static Model,
        caller: &Writer,
        id: Uuid,
        selection: &Selection,
    ) -> Result<Row, ResourceError> {
        let mut rows = self.read(model, caller, vec![id], selection).await?;
        rows.pop().ok_or(ResourceError::NotFound(model.noun))
    }

    /// Rows by their ids, as the caller sees them, in the order of the ids, each once. All or none.
    ///
    /// # Errors
    /// `NotFound` where one of them is not there or another tenant's; `Invalid` where they are too
    /// many; `Store`.
    pub async fn get_many(
        &self,
        model: &'static Model,
        caller: &Writer,
        ids: &[Uuid],
    ) -> Result<Vec<Row>, ResourceError> {
        self.read(model, caller, distinct(ids)?, &Selection::default()).await
    }

    async fn read(
        &self,
        model: &'static Model,
        caller: &Writer,
        ids: Vec<Uuid>,
        selection: &Selection,
    ) -> Result<Vec<Row>, ResourceError> {
        let principal = &caller.principal;
        let mut shape = Shape::of(model, principal, &selection.fields, true)?;
        let expanded = Expanded::all(model, principal, &selection.expand, true)?;
        for one in &expanded {
            shape.also(one.ours())?;
        }
        let caller = caller.clone();
        self.run(move |resources| async move {
            let scope = Self::scope(model, &caller.principal);
            let scoped = scoped(model, scope).ok_or(ResourceError::NotFound(model.noun))?;
            let txn = snapshot(&resources.db).await?;
            let db = DatabaseExecutor::from(&txn);
            let read = async {
                let mut select = by_ids(scoped, &ids)?;
                shape.select_short(db.get_database_backend(), &mut select);
                let found = db.query_all(&select).await.map_err(store_error)?;
                let bytes = found.iter().map(|row| shape.long_bytes(row)).sum::<Result<u64, _>>()?;
                if ids.len() > 1 && bytes > limits::PAGE_BYTES {
                    let message = "these rows are too long together; ask for fewer";
                    return Err(ResourceError::Query(vec![FieldProblem::new("ids", codes::TOO_MUCH, message)]));
                }
                let rows = found.iter().map(|row| shape.read_short(row)).collect::<Result<Vec<_>, _>>()?;
                let rows = in_order(model, &ids, rows)?;
                let versions: Vec<Option<i64>> = rows.iter().map(|row| version(model, row)).collect();
                let (shown, _, viewed) = show(&shape, &expanded, &caller, &db, scoped, rows).await?;
                if shown.len() < versions.len() {
                    return Err(ResourceError::NotFound(model.noun));
                }
                let rows = shown.into_iter().zip(versions).map(|(fields, version)| Row { fields, version });
                Ok((rows.collect::<Vec<Row>>(), viewed))
            }
            .await;
            txn.rollback().await.map_err(store_error)?;
            let (rows, viewed) = read?;
            if let Some(entry) = viewed.entry(model, &caller) {
                resources.audit.record(vec![entry]).await?;
            }
            Ok(rows)
        })
        .await
    }

    /// A row with all of its columns, hidden ones too, locked until the transaction ends.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's row; `Store`.
    pub async fn get_in(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        caller: &Writer,
        id: Uuid,
    ) -> Result<Row, ResourceError> {
        let mut rows = self.get_many_in(txn, model, caller, &[id]).await?;
        rows.pop().ok_or(ResourceError::NotFound(model.noun))
    }

    /// As [`Resources::get_in`], of several rows, in the order of the ids, each once; locked in one
    /// order, so that two callers with the same rows do not wait for each other. All or none.
    ///
    /// # Errors
    /// As [`Resources::get_many`].
    pub async fn get_many_in(
        &self,
        txn: &DatabaseTransaction,
        model: &'static Model,
        caller: &Writer,
        ids: &[Uuid],
    ) -> Result<Vec<Row>, ResourceError> {
        let ids = distinct(ids)?;
        let scope = Self::scope(model, &caller.principal);
        let scoped = scoped(model, scope).ok_or(ResourceError::NotFound(model.noun))?;
        let shape = Shape::whole(model);
        let mut select = by_ids(scoped, &ids)?;
        shape.select_all(&mut select);
        select.order_by(model.key, Order::Asc).lock(LockType::Update);
        let found = txn.query_all(&select).await.map_err(store_error)?;
        let rows = found.iter().map(|row| shape.read_all(row)).collect::<Result<Vec<_>, _>>()?;
        let rows = in_order(model, &ids, rows)?;
        Ok(rows.into_iter().map(|fields| Row { version: version(model, &fields), fields }).collect())
    }
}

/// The version of a row that was read.
pub(super) fn version(model: &Model, row: &Map<String, Value>) -> Option<i64> {
    row.get(model.version?)?.as_i64()
}

fn by_ids(scoped: Scoped<'_>, ids: &[Uuid]) -> Result<SelectStatement, StoreError> {
    let model = scoped.model();
    let is_id = model.column(model.key).is_some_and(|key| key.kind == ColumnKind::Uuid) && model.keys.len() == 1;
    if !is_id {
        return Err(StoreError::Internal(format!("rows of `{}` have no id of their own", model.table)));
    }
    let mut select = scoped.select();
    match ids {
        [id] => select.and_where(Expr::col(model.key).eq(*id)),
        _ => select.and_where(Expr::col(model.key).is_in(ids.iter().copied())),
    };
    Ok(select)
}

fn distinct(ids: &[Uuid]) -> Result<Vec<Uuid>, ResourceError> {
    if ids.len() > limits::IDS_PER_REQUEST {
        let message = format!("at most {} rows at once", limits::IDS_PER_REQUEST);
        return Err(ResourceError::Invalid(vec![FieldProblem::new("ids", codes::TOO_LONG, message)]));
    }
    let mut distinct = Vec::with_capacity(ids.len());
    for id in ids {
        if !distinct.contains(id) {
            distinct.push(*id);
        }
    }
    Ok(distinct)
}

/// Rows in the order of their ids. All or none.
fn in_order(
    model: &Model,
    ids: &[Uuid],
    rows: Vec<Map<String, Value>>,
) -> Result<Vec<Map<String, Value>>, ResourceError> {
    let id = |row: &Map<String, Value>| row.get(model.key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found: HashMap<String, Map<String, Value>> = rows.into_iter().map(|row| (id(&row), row)).collect();
    ids.iter().map(|id| found.remove(&id.to_string()).ok_or(ResourceError::NotFound(model.noun))).collect()
}
