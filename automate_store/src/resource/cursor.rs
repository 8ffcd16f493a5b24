//! Where in a list a page ends, and how its client carries it.

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, NullOrdering, Order, SelectStatement};
use serde_json::{Value, json};
use sha2::Sha256;

use super::value::bind_place;
use super::{Column, FieldProblem, ListQuery, Model, Ordering, ResourceError, codes};

/// A place in a list: beside which row, and to which side the page lies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor {
    /// The row's values of the columns of the order.
    pub(super) place: Vec<Value>,
    /// Whether the page lies before the place.
    pub(super) backwards: bool,
    /// Whether the row of the place belongs to the page.
    pub(super) inclusive: bool,
}

impl Cursor {
    /// What of it is signed.
    fn bare(&self) -> String {
        json!({ "at": self.place, "back": self.backwards, "with": self.inclusive }).to_string()
    }
}

/// What a cursor belongs to. It is signed together with this, and is of no use elsewhere.
pub(super) struct List<'l> {
    pub(super) key: &'l [u8; 32],
    pub(super) model: &'l Model,
    pub(super) tenant: Option<TenantId>,
    pub(super) query: &'l ListQuery,
    /// The whole order, with the key at its end.
    pub(super) ordering: &'l [Ordering],
}

impl List<'_> {
    /// HMAC-SHA256 (RFC 2104) over the list and the cursor's bytes.
    fn mac(&self, cursor: &[u8]) -> Result<Hmac<Sha256>, StoreError> {
        // The order in which conditions are given means nothing.
        let mut filters: Vec<String> = self
            .query
            .filters
            .iter()
            .map(|filter| json!([filter.column, format!("{:?}", filter.comparison), filter.values]).to_string())
            .collect();
        filters.sort_unstable();
        let ordering: Vec<_> = self.ordering.iter().map(|o| json!([o.column, o.descending])).collect();
        let list = json!([
            "automate list cursor 1",
            self.model.name,
            self.model.table,
            self.tenant.map(|tenant| tenant.to_string()),
            filters,
            self.query.search,
            ordering
        ])
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key)
            .map_err(|_| StoreError::Internal("the key of cursors cannot be used".to_owned()))?;
        mac.update(&(list.len() as u64).to_be_bytes());
        mac.update(list.as_bytes());
        mac.update(cursor);
        Ok(mac)
    }

    /// Writes a cursor: base64url over JSON.
    pub(super) fn write(&self, cursor: &Cursor) -> Result<String, ResourceError> {
        let code = self.mac(cursor.bare().as_bytes())?.finalize().into_bytes();
        let signed = json!({ "at": cursor.place, "back": cursor.backwards, "with": cursor.inclusive,
                             "mac": URL_SAFE_NO_PAD.encode(code) });
        let text = URL_SAFE_NO_PAD.encode(signed.to_string());
        if text.len() > limits::LIST_CURSOR_CHARS {
            let message = "the rows cannot be ordered by this: a value is too long for a cursor";
            return Err(ResourceError::Query(vec![FieldProblem::new("ordering", codes::TOO_LONG, message)]));
        }
        Ok(text)
    }

    /// Reads a cursor of this list: exactly what [`List::write`] wrote.
    pub(super) fn read(&self, text: &str) -> Result<Cursor, ResourceError> {
        self.read_signed(text)?.ok_or_else(|| {
            let message = "is not a cursor of this list; take `next` or `previous` of one of its pages, and give the \
                           same filters and ordering with it";
            ResourceError::Query(vec![FieldProblem::new("cursor", codes::BAD_CURSOR, message)])
        })
    }

    fn read_signed(&self, text: &str) -> Result<Option<Cursor>, ResourceError> {
        let Some(signed) = parsed(text) else { return Ok(None) };
        let cursor = Cursor {
            place: signed["at"].as_array().cloned().unwrap_or_default(),
            backwards: signed["back"].as_bool().unwrap_or_default(),
            inclusive: signed["with"].as_bool().unwrap_or_default(),
        };
        let code = signed["mac"].as_str().and_then(|code| URL_SAFE_NO_PAD.decode(code).ok()).unwrap_or_default();
        let ours = self.mac(cursor.bare().as_bytes())?.verify_slice(&code).is_ok();
        if !ours || cursor.place.len() != self.ordering.len() || self.write(&cursor)? != text {
            return Ok(None);
        }
        Ok(Some(cursor))
    }
}

fn parsed(text: &str) -> Option<Value> {
    if text.len() > limits::LIST_CURSOR_CHARS {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The column of an order, as declared.
pub(super) fn column_of<'m>(model: &'m Model, ordering: &Ordering) -> Result<&'m Column, StoreError> {
    model
        .column(ordering.column)
        .filter(|column| column.stored)
        .ok_or_else(|| StoreError::Internal(format!("`{}` has no column `{}`", model.table, ordering.column)))
}

/// Orders a statement, backwards where the page lies before its cursor. Null is the greatest on both
/// databases, as PostgreSQL has it.
pub(super) fn order(model: &Model, ordering: &[Ordering], backwards: bool, select: &mut SelectStatement) {
    for one in ordering {
        let descending = one.descending != backwards;
        let order = if descending { Order::Desc } else { Order::Asc };
        if model.column(one.column).is_some_and(|column| column.nullable) {
            let nulls = if descending { NullOrdering::First } else { NullOrdering::Last };
            select.order_by_with_nulls(one.column, order, nulls);
        } else {
            select.order_by(one.column, order);
        }
    }
}

/// The condition that rows lie behind a cursor's place, or before it where it points backwards.
pub(super) fn beyond(
    model: &Model,
    ordering: &[Ordering],
    cursor: &Cursor,
    backend: DbBackend,
) -> Result<Condition, StoreError> {
    let mut condition = None;
    for (index, (one, place)) in ordering.iter().zip(&cursor.place).enumerate().rev() {
        let column = column_of(model, one)?;
        let value = if place.is_null() { None } else { Some(Expr::value(bind_place(column, place, backend)?)) };
        let descending = one.descending != cursor.backwards;
        let equal = value.clone().map_or_else(|| Expr::col(one.column).is_null(), |v| Expr::col(one.column).eq(v));
        let strictly = strictly_behind(column, value, descending);
        let last = condition.is_none();
        let tied = match condition.take() {
            Some(rest) => Some(Condition::all().add(equal.clone()).add::<Condition>(rest)),
            None => cursor.inclusive.then(|| Condition::all().add(equal.clone())),
        };
        let mut this = Condition::any().add_option(strictly.clone()).add_option(tied);
        if this.is_empty() {
            this = this.add(Expr::cust("1 = 0"));
        }
        if index == 0 && !last {
            // The first column alone, so that an index on it finds where to begin.
            let bound = Condition::any().add_option(strictly).add(equal);
            this = Condition::all().add(bound).add(this);
        }
        condition = Some(this);
    }
    Ok(condition.unwrap_or_else(Condition::all))
}

/// What lies strictly behind a value in one direction; `None` where nothing can.
fn strictly_behind(column: &Column, value: Option<Expr>, descending: bool) -> Option<Condition> {
    let it = || Expr::col(column.name);
    match (value, descending) {
        (Some(value), true) => Some(Condition::all().add(it().lt(value))),
        (Some(value), false) => {
            Some(Condition::any().add(it().gt(value)).add_option(column.nullable.then(|| it().is_null())))
        }
        (None, true) => Some(Condition::all().add(it().is_not_null())),
        (None, false) => None,
    }
}
