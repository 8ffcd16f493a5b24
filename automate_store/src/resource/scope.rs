//! The one scoping point: every statement of the service on a model's table begins here, with the
//! tenant in it. Where nobody's rows are meant there is nothing to begin a statement with.

use automate_core::access::TenantScope;
use automate_core::ids::TenantId;
use sea_orm::sea_query::{
    DeleteStatement, Expr, ExprTrait, Func, InsertStatement, Query, SelectStatement, UpdateStatement,
};

use super::Model;

/// A model's table, as far as a scope reaches. Only [`scoped`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Scoped<'m> {
    model: &'m Model,
    /// The column of the tenant, and whose rows; none of a model of the installation.
    tenant: Option<(&'static str, TenantId)>,
}

/// What a scope reaches of a model; `None` where that is no row, and then the database need not be
/// asked.
#[must_use]
pub fn scoped(model: &Model, scope: TenantScope) -> Option<Scoped<'_>> {
    let tenant = match (model.tenant, scope) {
        (Some(column), TenantScope::One(tenant)) => Some((column, tenant)),
        (None, TenantScope::All) => None,
        // The rows of a tenant are never all rows, and those of the installation are no tenant's.
        (Some(_), TenantScope::All | TenantScope::Nothing) | (None, TenantScope::One(_) | TenantScope::Nothing) => {
            return None;
        }
    };
    Some(Scoped { model, tenant })
}

/// A `SELECT` of how many rows another one finds, as `n`; that one has begun here. `column` is one that
/// it selects, never null.
pub(super) fn count_of(found: SelectStatement, column: &'static str) -> SelectStatement {
    Query::select().expr_as(Func::count(Expr::col(column)), "n").from_subquery(found, "counted").take()
}

impl Scoped<'_> {
    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        self.model
    }

    /// Whose rows; none of a model of the installation.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant.map(|(_, tenant)| tenant)
    }

    fn condition(&self) -> Option<Expr> {
        self.tenant.map(|(column, tenant)| Expr::col(column).eq(tenant.0))
    }

    /// Begins a `SELECT` of these rows; columns and further conditions are to be added.
    #[must_use]
    pub fn select(&self) -> SelectStatement {
        Query::select().from(self.model.table).and_where_option(self.condition()).take()
    }

    /// Begins an `UPDATE` of these rows.
    #[must_use]
    pub fn update(&self) -> UpdateStatement {
        let mut statement = Query::update();
        statement.table(self.model.table);
        if let Some(condition) = self.condition() {
            statement.and_where(condition);
        }
        statement
    }

    /// Begins a `DELETE` of these rows.
    #[must_use]
    pub fn delete(&self) -> DeleteStatement {
        let mut statement = Query::delete();
        statement.from_table(self.model.table);
        if let Some(condition) = self.condition() {
            statement.and_where(condition);
        }
        statement
    }

    /// Begins an `INSERT`. The tenant is among the values only where the caller puts it.
    pub(super) fn insert(&self) -> InsertStatement {
        Query::insert().into_table(self.model.table).to_owned()
    }
}
