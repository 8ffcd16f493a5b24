//! Filters and searches as conditions of a statement.

use automate_core::access::Principal;
use automate_core::store::StoreError;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, LikeExpr};
use serde_json::Value;

use super::parse::{is_searched, terms};
use super::service::exact_id;
use super::value::bind;
use super::{Column, ColumnKind, Comparison, Filter, Model};
use crate::like::{ESCAPE, escaped};

/// One filter.
pub(super) fn filter(model: &Model, backend: DbBackend, filter: &Filter) -> Result<Condition, StoreError> {
    let column = model
        .column(filter.column)
        .filter(|column| column.stored)
        .ok_or_else(|| StoreError::Internal(format!("`{}` has no column `{}`", model.table, filter.column)))?;
    let only = || match filter.values.as_slice() {
        [value] => Ok(value),
        _ => Err(StoreError::Internal(format!("a filter of `{}` takes one value", column.name))),
    };
    let text =
        || only()?.as_str().ok_or_else(|| StoreError::Internal(format!("`{}` is compared with text", column.name)));
    let it = || Expr::col(column.name);
    let all = Condition::all().add_option(of_partial_index(column, backend, filter));
    Ok(match filter.comparison {
        Comparison::Equal if only()?.is_null() => all.add(it().is_null()),
        Comparison::NotEqual if only()?.is_null() => all.add(it().is_not_null()),
        Comparison::Equal => all.add(it().eq(operand(column, only()?)?)),
        Comparison::NotEqual if column.nullable => {
            Condition::any().add(it().ne(operand(column, only()?)?)).add(it().is_null())
        }
        Comparison::NotEqual => all.add(it().ne(operand(column, only()?)?)),
        Comparison::Greater => all.add(it().gt(operand(column, only()?)?)),
        Comparison::GreaterOrEqual => all.add(it().gte(operand(column, only()?)?)),
        Comparison::Less => all.add(it().lt(operand(column, only()?)?)),
        Comparison::LessOrEqual => all.add(it().lte(operand(column, only()?)?)),
        Comparison::In => all.add(is_in(column, &filter.values)?),
        Comparison::Contains => contains(column, backend, text()?),
        Comparison::StartsWith => starts_with(column, backend, text()?),
        Comparison::IsNull if only()?.as_bool() == Some(false) => all.add(it().is_not_null()),
        Comparison::IsNull => all.add(it().is_null()),
    })
}

/// The condition of the column's partial index, where what is looked for is in it. PostgreSQL proves that by
/// itself, and would take both conditions to be met by few rows.
fn of_partial_index(column: &Column, backend: DbBackend, filter: &Filter) -> Option<Expr> {
    let covered = |value: &Value| value.as_str().is_some_and(|word| column.indexed.contains(&word));
    let looks = matches!(filter.comparison, Comparison::Equal | Comparison::In);
    if backend == DbBackend::Postgres || !looks || filter.values.is_empty() || !filter.values.iter().all(covered) {
        return None;
    }
    let words: Vec<String> = column.indexed.iter().map(|word| format!("'{word}'")).collect();
    Some(Expr::col(column.name).is_in(words.into_iter().map(Expr::cust)))
}

/// Whether a column is one of some values; of none, never. The list is filled up with its last
/// value, so that there are few different statements to prepare.
pub(super) fn is_in(column: &Column, values: &[Value]) -> Result<Expr, StoreError> {
    let Some(last) = values.last() else { return Ok(never()) };
    let filling = std::iter::repeat_n(last, values.len().next_power_of_two() - values.len());
    let operands = values.iter().chain(filling).map(|value| operand(column, value));
    Ok(Expr::col(column.name).is_in(operands.collect::<Result<Vec<Expr>, _>>()?))
}

fn never() -> Expr {
    Expr::cust("1 = 0")
}

fn operand(column: &Column, value: &Value) -> Result<Expr, StoreError> {
    // One of our own words, as a literal: that a partial index covers it cannot be proven for a
    // parameter.
    let own =
        |word: &&&str| value.as_str() == Some(**word) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match column.choices.iter().find(own) {
        Some(word) => Ok(Expr::cust(format!("'{word}'"))),
        None => Ok(Expr::value(bind(column, value)?)),
    }
}

/// Whether a text contains another without regard to case. The databases fold only the letters of
/// ASCII for certain, so that what has others is looked for as given, in small and in capital letters.
fn contains(column: &Column, backend: DbBackend, text: &str) -> Condition {
    let mut forms = vec![text.to_owned()];
    if !text.is_ascii() {
        let mut capitalized = text.to_lowercase();
        if let Some(first) = text.chars().next() {
            let rest: String = text.chars().skip(1).collect();
            capitalized = first.to_uppercase().collect::<String>() + &rest.to_lowercase();
        }
        for form in [text.to_lowercase(), text.to_uppercase(), capitalized] {
            if forms.iter().all(|known| *known != form) {
                forms.push(form);
            }
        }
    }
    forms.iter().fold(Condition::any(), |any, form| {
        let pattern = format!("%{}%", escaped(form));
        let it = Expr::col(column.name);
        any.add(match backend {
            DbBackend::Postgres => {
                // sea-query 1.0 puts the `ESCAPE` of its own `ilike` into brackets.
                Expr::cust_with_exprs(format!("$1 ILIKE $2 ESCAPE '{ESCAPE}'"), [it, Expr::value(pattern)])
            }
            // SQLite's LIKE disregards the case.
            _ => it.like(LikeExpr::new(pattern).escape(ESCAPE)),
        })
    })
}

fn starts_with(column: &Column, backend: DbBackend, text: &str) -> Condition {
    let it = || Expr::col(column.name);
    match backend {
        DbBackend::Postgres => {
            Condition::all().add(it().like(LikeExpr::new(format!("{}%", escaped(text))).escape(ESCAPE)))
        }
        // SQLite's LIKE disregards the case; the first condition is for an index.
        _ => {
            let characters = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
            let start = Func::cust("substr").args([it(), Expr::value(1_i64), Expr::value(characters)]);
            Condition::all().add(it().gte(text)).add(Expr::from(start).eq(text))
        }
    }
}

/// A search: each word in one of the searched columns, as far as the caller may see them.
pub(super) fn search(
    model: &Model,
    backend: DbBackend,
    principal: &Principal,
    text: &str,
) -> Result<Condition, StoreError> {
    let mut all = Condition::all();
    for term in terms(text) {
        let mut any = Condition::any().add(never());
        for column in model.columns.iter().filter(|column| is_searched(column)) {
            if column.needs.is_some_and(|permission| !principal.can(permission)) {
                continue;
            }
            match column.kind {
                ColumnKind::Text | ColumnKind::Json => any = any.add(contains(column, backend, &term)),
                ColumnKind::Uuid => {
                    if let Some(id) = exact_id(&term) {
                        any = any.add(Expr::col(column.name).eq(id));
                    }
                }
                _ => {}
            }
        }
        all = all.add(any);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
