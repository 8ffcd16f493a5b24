//! What is looked at in lists.

use std::collections::BTreeSet;

use automate_core::limits;
use automate_store::resource::{ColumnKind, ListQuery};

use super::{CheckError, fault};
use crate::column::Shows;
use crate::filter::FilterKind;
use crate::spec::Spec;

/// Parameters of lists that no filter may be called.
const TAKEN: [&str; 7] = ["q", "o", "p", "d", "trash", "view", "facets"];

pub(super) fn check(spec: &Spec, found: &mut Vec<CheckError>) {
    filters(spec, found);
    actions(spec, found);
    let hidden = |name: &str| {
        spec.sensitive.contains(&name) || spec.model.column(name).is_none_or(|column| !column.shown || !column.stored)
    };
    if let Some(name) = spec.date_hierarchy
        && (hidden(name) || spec.model.column(name).is_none_or(|column| column.kind != ColumnKind::Time))
    {
        found.push(fault(
            spec,
            "A013",
            format!("one cannot drill down by `{name}`"),
            "name a time that is shown, and that the table has an index for",
        ));
    }
    if hidden(spec.text) {
        found.push(fault(
            spec,
            "A007",
            format!("rows are named by `{}`, which is shown to nobody", spec.text),
            "name another column with `text`",
        ));
    }
    for name in &spec.list_editable {
        if !spec.list_display.iter().skip(1).any(|column| matches!(column.shows, Shows::Field(field) if field == *name))
        {
            found.push(fault(
                spec,
                "A009",
                format!("`{name}` is to be changed in the list, which does not show it behind its first column"),
                "add it to `list_display`",
            ));
        }
    }
    if spec.per_page == 0 || spec.per_page > limits::LIST_LIMIT_MAX {
        found.push(fault(
            spec,
            "A014",
            format!("a page of the list has {} rows", spec.per_page),
            format!("take from 1 to {}", limits::LIST_LIMIT_MAX),
        ));
    }
}

fn filters(spec: &Spec, found: &mut Vec<CheckError>) {
    let mut keys = BTreeSet::new();
    for filter in &spec.filters {
        if !keys.insert(filter.key) || TAKEN.contains(&filter.key) {
            found.push(fault(
                spec,
                "A002",
                format!("the list has a filter `{}` twice, or a parameter of that name", filter.key),
                "give each filter a key of its own",
            ));
        }
        let FilterKind::Custom(choices) = filter.kind else { continue };
        for (value, _, conditions) in choices {
            let pairs: Vec<(String, String)> =
                conditions.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            let only_filters =
                |query: ListQuery| query == ListQuery { filters: query.filters.clone(), ..ListQuery::default() };
            if value.is_empty() || !ListQuery::parse(spec.model, &pairs).is_ok_and(only_filters) {
                found.push(fault(
                    spec,
                    "A002",
                    format!(
                        "the choice `{value}` of the filter `{}` has conditions that lists do not take",
                        filter.key
                    ),
                    "write them as the parameters of the REST API's list",
                ));
            }
        }
    }
}

fn actions(spec: &Spec, found: &mut Vec<CheckError>) {
    let mut keys = BTreeSet::from(["delete"]);
    for action in &spec.actions {
        if action.key.is_empty() || !keys.insert(action.key) {
            found.push(fault(
                spec,
                "A015",
                format!("there are two actions `{}`", action.key),
                "give each action a key of its own; `delete` is the admin's",
            ));
        }
    }
}
