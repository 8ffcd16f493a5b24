//! How many rows match, as far as one counts, and which: without reading more than a bound.

use std::time::Duration;

use sea_orm::sea_query::{Expr, SelectStatement, UnionType};
use sea_orm::{ConnectionTrait, DatabaseExecutor, DatabaseTransaction};
use uuid::Uuid;

use automate_core::limits;
use automate_core::store::StoreError;

use super::cursor::order;
use super::list::{Listing, snapshot};
use super::{ColumnKind, ListQuery, Model, ResourceError, Resources, Scoped, Writer, scope, scoped};
use crate::db::within;
use crate::error::store_error;

impl Resources {
    /// How many rows match a query, counted up to `most`: where there are more, the answer is `most`.
    /// The database gives up after [`limits::COUNT_TIME`], where it can be told so (PostgreSQL).
    ///
    /// # Errors
    /// As [`Resources::list`]; `Store` with `Unavailable` where counting took too long.
    pub async fn count_up_to(
        &self,
        model: &'static Model,
        caller: &Writer,
        query: &ListQuery,
        most: u64,
    ) -> Result<u64, ResourceError> {
        let listing = Listing::new(model, caller, query)?;
        self.run(move |resources| async move {
            let Some(scoped) = scoped(model, Self::scope(model, listing.principal())) else { return Ok(0) };
            let txn = snapshot(&resources.db).await?;
            let db = DatabaseExecutor::from(&txn);
            let backend = db.get_database_backend();
            let counted = async {
                within(&db, limits::COUNT_TIME).await?;
                let mut found = scoped.select();
                found.expr_as(Expr::value(1_i32), "one").cond_where(listing.conditions(backend)?).limit(most);
                let count = scope::count_of(found, "one");
                let row = db.query_one(&count).await.map_err(store_error)?;
                let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n")).map_err(store_error)?;
                Ok::<u64, StoreError>(u64::try_from(n).unwrap_or(0))
            }
            .await;
            drop(db);
            txn.rollback().await.map_err(store_error)?;
            Ok(counted?)
        })
        .await
    }

    /// How many rows match each of some queries, in their order, each counted up to `most`: one
    /// statement, which the database gives up after a time.
    ///
    /// # Errors
    /// As [`Resources::list`]; `Store` with `Unavailable` where counting took too long.
    pub async fn tally(
        &self,
        model: &'static Model,
        caller: &Writer,
        queries: &[ListQuery],
        most: u64,
        time: Duration,
    ) -> Result<Vec<u64>, ResourceError> {
        let listings: Vec<Listing> =
            queries.iter().map(|query| Listing::new(model, caller, query)).collect::<Result<_, _>>()?;
        let scope = Self::scope(model, &caller.principal);
        self.run(move |resources| async move {
            let Some(scoped) = scoped(model, scope).filter(|_| !listings.is_empty()) else {
                return Ok(vec![0; listings.len()]);
            };
            let txn = resources.db.begin_within(time).await?;
            let counted = tallied(&txn, scoped, &listings, most).await;
            txn.rollback().await.map_err(store_error)?;
            Ok(counted?)
        })
        .await
    }

    /// The ids of the rows that match a query, in its order, at most `most` of them. What it says of
    /// pages and fields does not matter.
    ///
    /// # Errors
    /// As [`Resources::list`]; `Internal` where rows of the model have no ids.
    pub async fn ids_up_to(
        &self,
        model: &'static Model,
        caller: &Writer,
        query: &ListQuery,
        most: u64,
    ) -> Result<Vec<Uuid>, ResourceError> {
        let is_id = model.column(model.key).is_some_and(|key| key.kind == ColumnKind::Uuid) && model.keys.len() == 1;
        if !is_id {
            return Err(StoreError::Internal(format!("rows of `{}` have no id of their own", model.table)).into());
        }
        let listing = Listing::new(model, caller, query)?;
        self.run(move |resources| async move {
            let Some(scoped) = scoped(model, Self::scope(model, listing.principal())) else { return Ok(Vec::new()) };
            let db = resources.db.orm_reader();
            let backend = db.get_database_backend();
            let mut select = scoped.select();
            select.column(model.key).cond_where(listing.conditions(backend)?).limit(most);
            order(model, listing.ordering(), false, &mut select);
            let rows = db.query_all(&select).await.map_err(store_error)?;
            let ids = rows.iter().map(|row| row.try_get::<Uuid>("", model.key));
            Ok(ids.collect::<Result<Vec<_>, _>>().map_err(store_error)?)
        })
        .await
    }
}

async fn tallied(
    txn: &DatabaseTransaction,
    scoped: Scoped<'_>,
    listings: &[Listing],
    most: u64,
) -> Result<Vec<u64>, StoreError> {
    let backend = txn.get_database_backend();
    let mut all: Option<SelectStatement> = None;
    for (place, listing) in (0_i32..).zip(listings) {
        let mut found = scoped.select();
        found.expr_as(Expr::value(1_i32), "one").cond_where(listing.conditions(backend)?).limit(most);
        let mut count = scope::count_of(found, "one");
        count.expr_as(Expr::value(place), "place");
        match &mut all {
            Some(all) => drop(all.union(UnionType::All, count)),
            None => all = Some(count),
        }
    }
    let mut counts = vec![0; listings.len()];
    let Some(all) = all else { return Ok(counts) };
    for row in txn.query_all(&all).await.map_err(store_error)? {
        let place: i32 = row.try_get("", "place").map_err(store_error)?;
        let n: i64 = row.try_get("", "n").map_err(store_error)?;
        if let Some(count) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
            *count = u64::try_from(n).unwrap_or(0);
        }
    }
    Ok(counts)
}
