//! Pages of lists.

use automate_core::access::Principal;
use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::sea_query::{Condition, Expr, Func, SelectStatement};
use sea_orm::{
    ConnectionTrait, DatabaseExecutor, DatabaseTransaction, DbBackend, IsolationLevel, QueryResult, Statement,
    TransactionTrait,
};
use serde_json::{Map, Value};

use super::cursor::{Cursor, List, beyond, column_of, order};
use super::expand::Expanded;
use super::get::version;
use super::key_time::by_key;
use super::shape::Shape;
use super::value::place;
use super::viewed::Viewed;
use super::{
    FieldProblem, ListQuery, Model, Ordering, Page, ResourceError, Resources, Scoped, Writer, codes, condition, scoped,
};
use crate::db::Database;
use crate::error::store_error;

/// A list as it is asked for, checked.
pub(super) struct Listing {
    model: &'static Model,
    caller: Writer,
    query: ListQuery,
    ordering: Vec<Ordering>,
    shape: Shape,
    expanded: Vec<Expanded>,
}

impl Resources {
    /// A page of a list. A page may have fewer rows than were asked for where their long columns
    /// are long; there is a `next` then.
    ///
    /// Where a field that takes a permission is shown, the audit log says so first: no entry, no page.
    ///
    /// # Errors
    /// `Query` where the query does not fit the model or the cursor is not of this list, `Store`.
    pub async fn list(&self, model: &'static Model, caller: &Writer, query: &ListQuery) -> Result<Page, ResourceError> {
        let listing = Listing::new(model, caller, query)?;
        self.run(move |resources| async move {
            let Some(scoped) = scoped(model, Self::scope(model, &listing.caller.principal)) else {
                return Ok(Page { count: listing.query.count.then_some(0), ..Page::default() });
            };
            let (page, viewed) = listing.read(&resources, scoped).await?;
            if let Some(entry) = viewed.entry(model, &listing.caller) {
                resources.audit.record(vec![entry]).await?;
            }
            Ok(page)
        })
        .await
    }
}

/// A transaction in which all statements read the same state.
pub(super) async fn snapshot(db: &Database) -> Result<DatabaseTransaction, StoreError> {
    let reader = db.orm_reader();
    // A transaction of SQLite is one anyway.
    let postgres = reader.get_database_backend() == DbBackend::Postgres;
    let isolation = postgres.then_some(IsolationLevel::RepeatableRead);
    reader.begin_with_config(isolation, None).await.map_err(store_error)
}

impl Listing {
    pub(super) fn new(model: &'static Model, caller: &Writer, query: &ListQuery) -> Result<Self, ResourceError> {
        let principal = &caller.principal;
        let refuse = |path: &str, column: &str| {
            let column = model.column(column)?;
            let permission = column.needs.filter(|permission| !principal.can(permission))?;
            let message = format!("`{}` takes the permission `{permission}`", column.name);
            Some(FieldProblem::new(path, codes::NOT_ALLOWED, message))
        };
        // What one may not see cannot be found out by asking for what is greater, either.
        let filtered = query.filters.iter().filter_map(|filter| refuse(filter.column, filter.column));
        let ordered = query.ordering.iter().filter_map(|ordering| refuse("ordering", ordering.column));
        let problems: Vec<_> = filtered.chain(ordered).collect();
        if !problems.is_empty() {
            return Err(ResourceError::Query(problems));
        }
        let query = by_key(model, query.clone());
        let mut ordering = query.ordering.clone();
        if ordering.is_empty() {
            ordering.extend(model.ordering.iter().map(|&(column, descending)| Ordering { column, descending }));
        }
        let descending = ordering.last().is_none_or(|last| last.descending);
        for key in &model.keys {
            if !ordering.iter().any(|one| one.column == *key) {
                ordering.push(Ordering { column: key, descending });
            }
        }
        let mut shape = Shape::of(model, principal, &query.fields, false)?;
        let expanded = Expanded::all(model, principal, &query.expand, false)?;
        for name in ordering.iter().map(|one| one.column).chain(expanded.iter().map(Expanded::ours)) {
            shape.also(name)?;
        }
        Ok(Self { model, caller: caller.clone(), query, ordering, shape, expanded })
    }

    async fn read(&self, resources: &Resources, scoped: Scoped<'_>) -> Result<(Page, Viewed), ResourceError> {
        let several = self.query.count || self.shape.has_long() || !self.expanded.is_empty();
        let txn = if several { Some(snapshot(&resources.db).await?) } else { None };
        let db: DatabaseExecutor<'_> = match &txn {
            Some(txn) => txn.into(),
            None => resources.db.orm_reader().into(),
        };
        let read = self.read_from(&db, resources, scoped).await;
        drop(db);
        // Ended before the audit log needs a connection of its own.
        if let Some(txn) = txn {
            txn.rollback().await.map_err(store_error)?;
        }
        read
    }

    async fn read_from(
        &self,
        db: &DatabaseExecutor<'_>,
        resources: &Resources,
        scoped: Scoped<'_>,
    ) -> Result<(Page, Viewed), ResourceError> {
        let backend = db.get_database_backend();
        let list = List {
            key: &resources.cursor_key,
            model: self.model,
            tenant: scoped.tenant(),
            query: &self.query,
            ordering: &self.ordering,
        };
        let cursor = self.query.cursor.as_deref().map(|cursor| list.read(cursor)).transpose()?;
        let conditions = self.conditions(backend)?;
        let count = if self.query.count { Some(count(db, scoped, conditions.clone()).await?) } else { None };

        let limit = self.query.limit.clamp(1, limits::LIST_LIMIT_MAX);
        let backwards = cursor.as_ref().is_some_and(|cursor| cursor.backwards);
        let mut select = scoped.select();
        self.shape.select_short(backend, &mut select);
        select.cond_where(conditions);
        if let Some(cursor) = &cursor {
            select.cond_where(beyond(self.model, &self.ordering, cursor, backend)?);
        }
        order(self.model, &self.ordering, backwards, &mut select);
        let offset = self.query.offset.filter(|_| cursor.is_none()).unwrap_or(0).min(limits::LIST_OFFSET_MAX);
        // One row more tells whether there is another page.
        let whole = self.query.filters.is_empty() && self.query.search.is_none();
        let mut found = if whole && offset == 0 {
            db.query_all_raw(limited(backend, &select, limit + 1)).await
        } else {
            select.limit(limit + 1).offset(offset);
            db.query_all(&select).await
        }
        .map_err(store_error)?;
        let kept = self.fitting(&found, limit)?;
        let more = found.len() > kept;
        found.truncate(kept);
        if backwards {
            found.reverse();
        }

        let place_of = |row: &QueryResult| -> Result<Vec<Value>, StoreError> {
            self.ordering.iter().map(|one| place(column_of(self.model, one)?, row, backend)).collect()
        };
        let beside = |row: Option<&QueryResult>, backwards: bool| -> Result<Option<String>, ResourceError> {
            let cursor = match (row, &cursor) {
                (Some(row), _) => Cursor { place: place_of(row)?, backwards, inclusive: false },
                // Beside a page without rows: what lies on the other side of its cursor, with the row
                // there, which the page began behind.
                (None, Some(cursor)) => {
                    let place = cursor.place.clone();
                    Cursor { place, backwards, inclusive: cursor.backwards != backwards && !cursor.inclusive }
                }
                (None, None) => return Ok(None),
            };
            list.write(&cursor).map(Some)
        };
        let came_from = cursor.is_some() || offset > 0;
        let (has_next, has_previous) = match (backwards, found.is_empty()) {
            (false, true) => (false, cursor.is_some()),
            (true, true) => (true, false),
            (false, false) => (more, came_from),
            (true, false) => (true, more),
        };
        let next = if has_next { beside(found.last(), false)? } else { None };
        let previous = if has_previous { beside(found.first(), true)? } else { None };

        let rows = found.iter().map(|row| self.shape.read_short(row)).collect::<Result<Vec<_>, _>>()?;
        let (results, versions, viewed) = self.show(db, scoped, rows).await?;
        Ok((Page { results, versions, next, previous, count }, viewed))
    }

    /// Who asks.
    pub(super) fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    /// The whole order.
    pub(super) fn ordering(&self) -> &[Ordering] {
        &self.ordering
    }

    pub(super) fn conditions(&self, backend: DbBackend) -> Result<Condition, StoreError> {
        let mut all = Condition::all();
        for filter in &self.query.filters {
            all = all.add(condition::filter(self.model, backend, filter)?);
        }
        if let Some(search) = &self.query.search {
            all = all.add(condition::search(self.model, backend, &self.caller.principal, search)?);
        }
        Ok(all)
    }

    /// How many of the rows make a page: as many as were asked for, or as are not too long.
    fn fitting(&self, found: &[QueryResult], limit: u64) -> Result<usize, StoreError> {
        let (mut bytes, mut kept) = (0, 0);
        for row in found.iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            bytes += self.shape.long_bytes(row)?;
            if kept > 0 && bytes > limits::PAGE_BYTES {
                break;
            }
            kept += 1;
        }
        Ok(kept)
    }

    async fn show(
        &self,
        db: &DatabaseExecutor<'_>,
        scoped: Scoped<'_>,
        rows: Vec<Map<String, Value>>,
    ) -> Result<Shown, ResourceError> {
        show(&self.shape, &self.expanded, &self.caller, db, scoped, rows).await
    }
}

/// Rows as they are shown, the version of each, and what of it was seen.
pub(super) type Shown = (Vec<Map<String, Value>>, Vec<Option<i64>>, Viewed);

/// Rows that were read as they are shown, with what belongs to them.
pub(super) async fn show(
    shape: &Shape,
    expanded: &[Expanded],
    caller: &Writer,
    db: &DatabaseExecutor<'_>,
    scoped: Scoped<'_>,
    mut rows: Vec<Map<String, Value>>,
) -> Result<Shown, ResourceError> {
    shape.fill(db, scoped, &mut rows).await?;
    let versions = rows.iter().map(|row| version(scoped.model(), row)).collect();
    if expanded.is_empty() && shape.protected().is_empty() {
        let shown = rows.into_iter().map(|row| shape.narrowed(row)).collect();
        return Ok((shown, versions, Viewed::of(shape, expanded)));
    }
    let mut shown: Vec<(Map<String, Value>, bool)> =
        rows.iter().map(|row| (shape.shown(row), shape.reveals(row))).collect();
    for one in expanded {
        let related = one.of_rows(db, &caller.principal, &rows).await?;
        for ((fields, reveals), (value, also)) in shown.iter_mut().zip(related) {
            fields.insert(one.name().to_owned(), value);
            *reveals |= also;
        }
    }
    let mut viewed = Viewed::of(shape, expanded);
    for (row, (_, reveals)) in rows.iter().zip(&shown) {
        if *reveals {
            viewed.add(scoped.model(), row);
        }
    }
    Ok((shown.into_iter().map(|(fields, _)| fields).collect(), versions, viewed))
}

/// A statement with its limit written out. PostgreSQL takes a limit that is a parameter for a tenth
/// of the table; by that measure no plan may serve more than one call, and each is planned anew, which
/// takes several times as long as to read a page. Not for lists that are filtered: which plan is good
/// for them depends on the values.
fn limited(backend: DbBackend, select: &SelectStatement, limit: u64) -> Statement {
    let mut statement = backend.build(select);
    statement.sql.push_str(" LIMIT ");
    statement.sql.push_str(&limit.to_string());
    statement
}

async fn count(db: &DatabaseExecutor<'_>, scoped: Scoped<'_>, conditions: Condition) -> Result<u64, StoreError> {
    let mut select = scoped.select();
    select.expr_as(Func::count(Expr::col(scoped.model().key)), "n").cond_where(conditions);
    let row = db.query_one(&select).await.map_err(store_error)?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "n")).map_err(store_error)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
