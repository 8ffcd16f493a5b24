//! Lists by a time that the key tells too.
//!
//! Ids of version 7 grow with the time at which they were made, and have an index; the column of that
//! time needs none then: it would be written with each row, for orders that the key gives already.

use automate_core::ids::first_v7_at;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Comparison, Filter, ListQuery, Model};

/// How far the time in an id may be from the time in the row, at most: both are of the process that
/// made the row.
const APART: TimeDelta = TimeDelta::hours(1);

/// The same query, ordered by the key where it is to be ordered by the time that the key tells, and
/// bounded by it where it is bounded by that time.
pub(super) fn by_key(model: &Model, mut query: ListQuery) -> ListQuery {
    let Some(time) = model.time_of_key else { return query };
    query.ordering.iter_mut().filter(|by| by.column == time).for_each(|by| by.column = model.key);
    query.ordering.dedup_by_key(|by| by.column);
    let bounds = query.filters.iter().filter(|filter| filter.column == time).filter_map(|filter| bound(model, filter));
    let bounds: Vec<Filter> = bounds.collect();
    query.filters.extend(bounds);
    query
}

/// What a condition on the time says about the key.
fn bound(model: &Model, filter: &Filter) -> Option<Filter> {
    let time: DateTime<Utc> = filter.values.first()?.as_str()?.parse().ok()?;
    let (comparison, id): (Comparison, Uuid) = match filter.comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => {
            (Comparison::GreaterOrEqual, first_v7_at(time.checked_sub_signed(APART)?))
        }
        Comparison::Less | Comparison::LessOrEqual => (Comparison::Less, first_v7_at(time.checked_add_signed(APART)?)),
        _ => return None,
    };
    Some(Filter { column: model.key, comparison, values: vec![Value::String(id.to_string())] })
}
