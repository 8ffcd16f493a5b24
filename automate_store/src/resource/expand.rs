//! Related rows, shown with the rows they belong to: one statement for all rows of a page.

use std::collections::HashMap;

use automate_core::access::Principal;
use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::sea_query::{Expr, Func, Order};
use sea_orm::{ConnectionTrait, DatabaseExecutor};
use serde_json::{Map, Value};

use super::condition::is_in;
use super::shape::Shape;
use super::{Expansion, FieldProblem, Model, ResourceError, Resources, codes, scoped};
use crate::error::store_error;

/// The expansions of a request, and what is shown of each.
#[derive(Debug, Clone)]
pub(super) struct Expanded {
    expansion: &'static Expansion,
    shape: Shape,
}

/// What is shown with each row, and whether that took a permission.
pub(super) type Related = Vec<(Value, bool)>;

impl Expanded {
    /// Looks expansions up.
    ///
    /// # Errors
    /// `Query` where there is none of that name, where there are too many, and where the caller may
    /// not see rows of the related model.
    pub(super) fn all(
        model: &'static Model,
        principal: &Principal,
        names: &[&'static str],
        details: bool,
    ) -> Result<Vec<Self>, ResourceError> {
        let problem = |code, message: String| ResourceError::Query(vec![FieldProblem::new("expand", code, message)]);
        if names.len() > limits::LIST_EXPANSIONS {
            return Err(problem(codes::TOO_LONG, format!("takes {} names at most", limits::LIST_EXPANSIONS)));
        }
        let of_name = |name: &&'static str| {
            let expansion = model.expansions.iter().find(|expansion| expansion.name == *name);
            let expansion = expansion.ok_or_else(|| problem(codes::UNKNOWN_FIELD, format!("there is no `{name}`")))?;
            let permission = expansion.model.permission_for("view");
            if !principal.can(&permission) {
                return Err(problem(codes::NOT_ALLOWED, format!("`{name}` takes the permission `{permission}`")));
            }
            let mut shape = Shape::of(expansion.model, principal, &[], details)?;
            shape.also(expansion.on.1)?;
            Ok(Self { expansion, shape })
        };
        names.iter().map(of_name).collect()
    }

    /// The field that it fills.
    pub(super) fn name(&self) -> &'static str {
        self.expansion.name
    }

    /// The column of our rows that is looked up.
    pub(super) fn ours(&self) -> &'static str {
        self.expansion.on.0
    }

    /// The fields that took a permission to see.
    pub(super) fn protected(&self) -> Vec<String> {
        self.shape.protected().into_iter().map(|field| format!("{}.{field}", self.expansion.name)).collect()
    }

    /// What belongs to each of some rows, in their order.
    pub(super) async fn of_rows(
        &self,
        db: &DatabaseExecutor<'_>,
        principal: &Principal,
        rows: &[Map<String, Value>],
    ) -> Result<Related, ResourceError> {
        let value = |row: &Map<String, Value>| row.get(self.ours()).cloned().unwrap_or_default();
        let mut wanted: Vec<Value> = Vec::new();
        for value in rows.iter().map(value).filter(|value| !value.is_null()) {
            if !wanted.contains(&value) {
                wanted.push(value);
            }
        }
        let mut found = self.read(db, principal, &wanted).await?;
        let of_row = |row: &Map<String, Value>| {
            let related = if self.expansion.many {
                // Several of our rows may have the same ones.
                found.get(&value(row).to_string()).cloned().unwrap_or_default()
            } else {
                found.get_mut(&value(row).to_string()).map(|all| all[..all.len().min(1)].to_vec()).unwrap_or_default()
            };
            let reveals = related.iter().any(|(_, reveals)| *reveals);
            let mut values = related.into_iter().map(|(value, _)| value);
            let value =
                if self.expansion.many { Value::Array(values.collect()) } else { values.next().unwrap_or(Value::Null) };
            (value, reveals)
        };
        Ok(rows.iter().map(of_row).collect())
    }

    async fn read(
        &self,
        db: &DatabaseExecutor<'_>,
        principal: &Principal,
        wanted: &[Value],
    ) -> Result<HashMap<String, Vec<(Value, bool)>>, ResourceError> {
        let mut found: HashMap<String, Vec<(Value, bool)>> = HashMap::new();
        let (model, theirs) = (self.expansion.model, self.expansion.on.1);
        let scope = Resources::scope(model, principal);
        let Some(scoped) = scoped(model, scope).filter(|_| !wanted.is_empty()) else { return Ok(found) };
        let column = model
            .column(theirs)
            .ok_or_else(|| StoreError::Internal(format!("`{}` has no column `{theirs}`", model.table)))?;
        let belongs = is_in(column, wanted)?;
        if let Some(sum) = self.shape.long_sum(db.get_database_backend()) {
            let mut measure = scoped.select();
            measure.expr_as(sum, "bytes").expr_as(Func::count(Expr::col(theirs)), "n").and_where(belongs.clone());
            if let Some(row) = db.query_one(&measure).await.map_err(store_error)? {
                let bytes: Option<i64> = row.try_get("", "bytes").map_err(store_error)?;
                let count: i64 = row.try_get("", "n").map_err(store_error)?;
                let over = |number: i64, most: u64| u64::try_from(number).is_ok_and(|number| number > most);
                if over(bytes.unwrap_or(0), limits::PAGE_BYTES) || over(count, limits::EXPANSION_ROWS) {
                    return Err(self.too_much());
                }
            }
        }
        let mut select = scoped.select();
        self.shape.select_all(&mut select);
        select.and_where(belongs).order_by(self.expansion.order, Order::Asc);
        for key in model.keys.iter().filter(|key| **key != self.expansion.order) {
            select.order_by(*key, Order::Asc);
        }
        select.limit(limits::EXPANSION_ROWS + 1);
        let rows = db.query_all(&select).await.map_err(store_error)?;
        if rows.len() as u64 > limits::EXPANSION_ROWS {
            return Err(self.too_much());
        }
        for row in rows {
            let row = self.shape.read_all(&row)?;
            let shown = (Value::Object(self.shape.shown(&row)), self.shape.reveals(&row));
            found.entry(row.get(theirs).cloned().unwrap_or_default().to_string()).or_default().push(shown);
        }
        Ok(found)
    }

    fn too_much(&self) -> ResourceError {
        let message =
            format!("`{}` are too many or too long; ask for fewer rows, or list them on their own", self.name());
        ResourceError::Query(vec![FieldProblem::new("expand", codes::TOO_MUCH, message)])
    }
}
