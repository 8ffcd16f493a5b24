//! How many rows each choice of the filters would give.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use automate_core::limits;
use automate_store::resource::{ListQuery, ResourceError};
use tokio::time::Instant;

use super::filters::{Choice, FilterView};
use super::params::{self, FACETS};
use super::{Asked, count_text, or_all};
use crate::column::ListColumn;
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::filter::ShowFacets;
use crate::http::Cx;

/// What stands above the filters about their counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facets {
    /// Where the counts are shown, or not any more; empty where nobody can say.
    pub(super) url: String,
    /// Whether they are shown.
    pub(super) shown: bool,
    /// Whether some of them were not counted.
    pub(super) cut: bool,
}

/// Puts the number of its rows beside each choice, where that is asked for: the rows of the list that
/// the choice leads to, with the other filters as they are.
pub(super) async fn put(
    cx: &Cx,
    admin: &Arc<dyn AnyAdmin>,
    columns: &[ListColumn],
    asked: bool,
    filters: &mut [FilterView],
) -> Result<Facets, AdminError> {
    if filters.iter().all(|filter| filter.choices.len() < 2) {
        return Ok(Facets::default());
    }
    let rest = cx.query().without(&[FACETS]);
    let url = match admin.spec().show_facets {
        ShowFacets::Allow if asked => or_all(&rest),
        ShowFacets::Allow => rest.with(FACETS, "1").to_query(),
        ShowFacets::Never | ShowFacets::Always => String::new(),
    };
    let url = if url.is_empty() { url } else { format!("{}{url}", cx.path()) };
    let cut = asked && !count(cx, admin, columns, filters).await?;
    Ok(Facets { url, shown: asked, cut })
}

/// Counts; answers whether all was counted.
///
/// All choices are counted in one statement. Where that takes too long, one of them has no index: parts
/// are tried on their own, and parts of these, as far as statements and time go.
async fn count(
    cx: &Cx,
    admin: &Arc<dyn AnyAdmin>,
    columns: &[ListColumn],
    filters: &mut [FilterView],
) -> Result<bool, AdminError> {
    let counted_of = |filter: &FilterView| filter.choices.iter().filter(|choice| choice.to.is_some()).count();
    let sizes: Vec<usize> = filters.iter().map(counted_of).collect();
    let all = filters.iter_mut().flat_map(|filter| &mut filter.choices);
    let mut choices: Vec<&mut Choice> = all.filter(|choice| choice.to.is_some()).collect();
    choices.iter_mut().for_each(|choice| choice.count = count_text(None));
    let mut queries = Vec::with_capacity(choices.len());
    for to in choices.iter().take(limits::FACETS).filter_map(|choice| choice.to.as_ref()) {
        queries.push(Asked::rows(cx, admin, params::read(cx, admin.spec(), columns, to)?));
    }
    let end = Instant::now() + limits::FACET_TIME;
    let mut counted = 0;
    let mut parts = VecDeque::new();
    parts.push_back(0..queries.len());
    for statements in (1..=limits::FACET_STATEMENTS).rev() {
        let Some(part) = parts.pop_front() else { break };
        let left = end.saturating_duration_since(Instant::now());
        // What the parts before it did not need, those behind it have.
        let time = left / (statements - 1).max(1);
        match tally(cx, admin, &queries[part.clone()], time).await? {
            Some(counts) => {
                counted += counts.len();
                for (choice, count) in choices[part].iter_mut().zip(counts) {
                    choice.count = count_text(Some(count));
                }
            }
            None if part.len() > 1 => {
                let middle = middle(&part, &sizes);
                parts.extend([part.start..middle, middle..part.end]);
            }
            None => {}
        }
    }
    Ok(counted == choices.len())
}

/// Where a part of the choices is cut in two: between two filters, as near to the middle as there is
/// such a place, because the choices of one filter are looked for in one way. `sizes` are the choices of
/// each filter.
fn middle(part: &Range<usize>, sizes: &[usize]) -> usize {
    let half = part.start + part.len() / 2;
    let ends = sizes.iter().scan(0, |end, size| {
        *end += size;
        Some(*end)
    });
    let inside = ends.filter(|end| part.start < *end && *end < part.end);
    inside.min_by_key(|end| end.abs_diff(half)).unwrap_or(half)
}

/// None where counting took too long.
async fn tally(
    cx: &Cx,
    admin: &Arc<dyn AnyAdmin>,
    queries: &[ListQuery],
    time: Duration,
) -> Result<Option<Vec<u64>>, AdminError> {
    let (resources, writer) = (cx.state().resources(), cx.writer());
    let tally = resources.tally(admin.spec().model, &writer, queries, limits::LISTED_ROWS + 1, time);
    // The database gives up by itself; SQLite's one connection is free for the next part only then.
    match tokio::time::timeout(time * 2, tally).await {
        Ok(Ok(counts)) => Ok(Some(counts)),
        Err(_) => Ok(None),
        Ok(Err(ResourceError::Store(error))) if error.is_transient() => Ok(None),
        // A choice of one's own may ask for what takes a permission: whoever lacks it cannot take it.
        Ok(Err(ResourceError::Query(_))) => Ok(None),
        Ok(Err(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_parted_between_filters_and_then_in_the_middle() {
        let sizes = [6, 4, 2];
        assert_eq!(middle(&(0..12), &sizes), 6);
        assert_eq!(middle(&(6..12), &sizes), 10);
        assert_eq!(middle(&(0..6), &sizes), 3);
        assert_eq!(middle(&(0..2), &[2]), 1);
    }
}
