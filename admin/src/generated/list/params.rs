//! The address of a list: what of it is asked for, and nothing else is taken.

use automate_core::limits;
use automate_store::resource::{Comparison, ListQuery, Ordering, ResourceError};
use serde_json::{Value, json};

use super::columns::sort_of;
use super::dates::{self, Bucket, Drill};
use crate::column::{ListColumn, words};
use crate::error::AdminError;
use crate::filter::{ListFilter, ShowFacets};
use crate::http::{Cx, Fields};
use crate::spec::Spec;

/// Where the list is in its pages.
pub(crate) const CURSOR: &str = "p";
/// The order: `-created_at,name`.
pub(crate) const ORDER: &str = "o";
/// The words that are searched for.
pub(crate) const SEARCH: &str = "q";
/// The year, the month or the day that one has drilled down to.
pub(crate) const DRILL: &str = "d";
/// `1`: the rows in the trash.
pub(crate) const TRASH: &str = "trash";
/// `all`: not the view that the list begins with.
pub(crate) const VIEW: &str = "view";

/// `1`: with counts beside the choices of the filters.
pub(crate) const FACETS: &str = "facets";

/// A condition that somebody chose: shown as a chip that takes it away.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Active {
    /// The parameter.
    pub(crate) name: String,
    /// What it is called.
    pub(crate) label: String,
    /// What was chosen, as people read it.
    pub(crate) said: String,
    /// Of a related row: the filter's column, whose text is still to be read.
    pub(crate) related: Option<&'static str>,
}

/// What a list is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Params {
    /// Conditions, search, order, cursor.
    pub(crate) query: ListQuery,
    /// The order by keys of columns.
    pub(crate) order: Vec<(&'static str, bool)>,
    /// The conditions that somebody chose.
    pub(crate) active: Vec<Active>,
    /// How far one has drilled down.
    pub(crate) drill: Option<Drill>,
    /// The words that are searched for.
    pub(crate) search: String,
    /// Whether it is the trash.
    pub(crate) trash: bool,
    /// Whether the choices of the filters have counts.
    pub(crate) facets: bool,
}

fn wrong(name: &str, what: &str) -> AdminError {
    let name: String = name.chars().take(60).collect();
    AdminError::Query(format!("`{name}` {what}"))
}

/// Reads the parameters of a list.
///
/// # Errors
/// `Query`: a parameter that the list does not take, or a value that does not fit it.
pub(crate) fn read(cx: &Cx, spec: &Spec, columns: &[ListColumn], fields: &Fields) -> Result<Params, AdminError> {
    let mut params = Params {
        query: ListQuery { limit: spec.per_page.clamp(1, 200), ..ListQuery::default() },
        facets: spec.show_facets == ShowFacets::Always,
        ..Params::default()
    };
    if fields.pairs().len() > limits::LIST_PARAMETERS {
        return Err(AdminError::Query("it has too many parameters".to_owned()));
    }
    for (index, (name, text)) in fields.pairs().iter().enumerate() {
        if fields.pairs()[..index].iter().any(|(before, _)| before == name) {
            return Err(wrong(name, "is given twice"));
        }
        let text = text.trim();
        if text.chars().nth(limits::LIST_VALUE_CHARS).is_some() && name != CURSOR {
            return Err(wrong(name, "is too long"));
        }
        match name.as_str() {
            VIEW if text == "all" => {}
            TRASH if spec.deleted_at.is_some() && text == "1" => params.trash = true,
            FACETS if spec.show_facets != ShowFacets::Never && text == "1" => params.facets = true,
            SEARCH if spec.search => search(&mut params, spec, text)?,
            ORDER => order(cx, &mut params, spec, columns, text)?,
            CURSOR => cursor(&mut params, spec, text)?,
            DRILL if spec.date_hierarchy.is_some() => drill(cx, &mut params, spec, text)?,
            _ => filter(cx, &mut params, spec, name, text)?,
        }
    }
    Ok(params)
}

/// Reads a parameter of the service's list, which addresses of pages call `shown`.
fn parsed(spec: &Spec, shown: &str, name: &str, text: &str) -> Result<ListQuery, AdminError> {
    ListQuery::parse(spec.model, &[(name.to_owned(), text.to_owned())]).map_err(|error| match error {
        ResourceError::Query(problems) => {
            let all: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            wrong(shown, &all.join("; "))
        }
        other => other.into(),
    })
}

fn search(params: &mut Params, spec: &Spec, text: &str) -> Result<(), AdminError> {
    if !text.is_empty() {
        params.query.search = parsed(spec, SEARCH, "search", text)?.search;
        params.search = text.to_owned();
    }
    Ok(())
}

fn cursor(params: &mut Params, spec: &Spec, text: &str) -> Result<(), AdminError> {
    params.query.cursor = parsed(spec, CURSOR, "cursor", text)?.cursor;
    Ok(())
}

fn order(cx: &Cx, params: &mut Params, spec: &Spec, columns: &[ListColumn], text: &str) -> Result<(), AdminError> {
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let (key, descending) = word.strip_prefix('-').map_or((word, false), |key| (key, true));
        let column = columns.iter().find(|column| column.key == key);
        let sort = column.and_then(|column| Some((column.key, sort_of(cx, spec, column)?)));
        let (key, sort) = sort.ok_or_else(|| wrong(ORDER, "names a column that the list is not sorted by"))?;
        if params.order.iter().any(|(known, _)| *known == key) {
            return Err(wrong(ORDER, "names a column twice"));
        }
        params.order.push((key, descending));
        params.query.ordering.push(Ordering { column: sort, descending });
    }
    if params.order.len() > limits::LIST_ORDERINGS {
        return Err(wrong(ORDER, "names too many columns"));
    }
    Ok(())
}

fn drill(cx: &Cx, params: &mut Params, spec: &Spec, text: &str) -> Result<(), AdminError> {
    let Some(column) = spec.date_hierarchy.filter(|_| !text.is_empty()) else { return Ok(()) };
    let drill = Drill::parse(text).ok_or_else(|| wrong(DRILL, "is no year, month or day"))?;
    within(params, column, drill.range(cx.prefs().zone));
    params.active.push(Active {
        name: DRILL.to_owned(),
        label: spec.label(column),
        said: drill.label(),
        related: None,
    });
    params.drill = Some(drill);
    Ok(())
}

/// Half-open: from the first moment, up to and without the last.
fn within(params: &mut Params, column: &'static str, (from, to): dates::Range) {
    let mut query = std::mem::take(&mut params.query);
    if let Some(from) = from {
        query = query.filter(column, Comparison::GreaterOrEqual, vec![json!(crate::http::iso(&from))]);
    }
    if let Some(to) = to {
        query = query.filter(column, Comparison::Less, vec![json!(crate::http::iso(&to))]);
    }
    params.query = query;
}

/// A filter that is declared, by the parameter that it takes, and what of the filter it is.
fn declared<'s>(cx: &Cx, spec: &'s Spec, name: &str) -> Option<(&'s ListFilter, super::filters::Kind, &'static str)> {
    use super::filters::{kind_of, suffixes};
    spec.filters.iter().find_map(|filter| {
        let kind = kind_of(cx, spec, filter)?;
        let suffix = suffixes(spec, filter, &kind)
            .into_iter()
            .find(|suffix| name.strip_prefix(filter.key).is_some_and(|rest| rest == *suffix))?;
        Some((filter, kind, suffix))
    })
}

fn filter(cx: &Cx, params: &mut Params, spec: &Spec, name: &str, text: &str) -> Result<(), AdminError> {
    use super::filters::Kind;
    let Some((filter, kind, suffix)) = declared(cx, spec, name) else {
        return Err(wrong(name, "is no parameter of this list"));
    };
    // What a form left empty was not chosen.
    if text.is_empty() {
        return Ok(());
    }
    let key = filter.key;
    let label = filter.label.clone();
    let mut said = words(text);
    let mut related = None;
    let take = |params: &mut Params, parameter: &str, text: &str| -> Result<(), AdminError> {
        params.query.filters.extend(parsed(spec, name, parameter, text)?.filters);
        Ok(())
    };
    match (&kind, suffix) {
        (_, "__isnull") => {
            take(params, name, text)?;
            said = if text == "true" { "empty".to_owned() } else { "not empty".to_owned() };
        }
        (Kind::Date, "") => {
            let bucket = Bucket::parse(text).ok_or_else(|| wrong(name, "is none of its choices"))?;
            within(params, key, bucket.range(cx.now(), cx.prefs().zone));
            said = bucket.label().to_owned();
        }
        (Kind::Date, _) => {
            let day = dates::day(text).ok_or_else(|| wrong(name, "is no day: write it as 2026-01-31"))?;
            let zone = cx.prefs().zone;
            let first = suffix == "__from";
            let range = if first { (dates::begins(day, zone), None) } else { (None, dates::ends(day, zone)) };
            within(params, key, range);
            said = if first { format!("from {day}") } else { format!("to {day}") };
        }
        (Kind::Range, "__min") => {
            take(params, &format!("{key}__gte"), text)?;
            said = format!("at least {text}");
        }
        (Kind::Range, _) => {
            take(params, &format!("{key}__lte"), text)?;
            said = format!("at most {text}");
        }
        (Kind::Custom(choices), _) => {
            let chosen = choices.iter().find(|(value, ..)| *value == text);
            let (_, called, conditions) = chosen.ok_or_else(|| wrong(name, "is none of its choices"))?;
            for (parameter, value) in *conditions {
                take(params, parameter, value)?;
            }
            said = (*called).to_owned();
        }
        (Kind::Bool, _) => {
            take(params, name, text)?;
            said = if text == "true" { "yes".to_owned() } else { "no".to_owned() };
        }
        (Kind::Related(_), _) => {
            take(params, name, text)?;
            said = crate::column::short(text);
            related = Some(key);
        }
        (Kind::Choices(_) | Kind::Text, _) => take(params, name, text)?,
        (Kind::Empty, _) => return Err(wrong(name, "is no parameter of this list")),
    }
    params.active.push(Active { name: name.to_owned(), label, said, related });
    Ok(())
}

/// A value of a row as text, for links and names; empty where there is none.
pub(crate) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
