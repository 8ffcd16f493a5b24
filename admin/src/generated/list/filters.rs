//! The filters beside a list.

use automate_store::resource::{ColumnKind, Model};

use super::dates::Bucket;
use super::params::{CURSOR, Params};
use crate::column::words;
use crate::filter::{FilterKind, ListFilter};
use crate::http::{Cx, Fields};
use crate::spec::Spec;

/// What a filter is, with its column looked up.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// One of a few words.
    Choices(&'static [&'static str]),
    /// Yes or no.
    Bool,
    /// Exactly this.
    Text,
    /// A span of time.
    Date,
    /// From one number to another.
    Range,
    /// A row of another model.
    Related(&'static Model),
    /// Empty or not.
    Empty,
    /// Conditions of one's own.
    Custom(&'static [crate::filter::CustomChoice]),
}

/// What a filter is for whoever asks; none where they may not see what it asks for.
pub(crate) fn kind_of(cx: &Cx, spec: &Spec, filter: &ListFilter) -> Option<Kind> {
    if let FilterKind::Custom(choices) = filter.kind {
        return Some(Kind::Custom(choices));
    }
    let column = spec.model.column(filter.key)?;
    if !super::columns::sees(cx, spec, filter.key) || !column.filter {
        return None;
    }
    Some(match filter.kind {
        FilterKind::Date => Kind::Date,
        FilterKind::Range => Kind::Range,
        FilterKind::Empty => Kind::Empty,
        FilterKind::Related => Kind::Related(column.references?),
        FilterKind::ByKind | FilterKind::Custom(_) => match column.kind {
            ColumnKind::Boolean => Kind::Bool,
            ColumnKind::Time => Kind::Date,
            ColumnKind::Integer | ColumnKind::Double => Kind::Range,
            ColumnKind::Uuid if column.references.is_some() => Kind::Related(column.references?),
            _ if !column.choices.is_empty() => Kind::Choices(column.choices),
            ColumnKind::Json | ColumnKind::Bytes => Kind::Empty,
            ColumnKind::Uuid | ColumnKind::Text => Kind::Text,
        },
    })
}

/// What may stand behind the filter's key in a parameter.
pub(crate) fn suffixes(spec: &Spec, filter: &ListFilter, kind: &Kind) -> Vec<&'static str> {
    let mut all = match kind {
        Kind::Date => vec!["", "__from", "__to"],
        Kind::Range => vec!["__min", "__max"],
        Kind::Empty => Vec::new(),
        _ => vec![""],
    };
    if !matches!(kind, Kind::Custom(_)) && spec.model.column(filter.key).is_some_and(|column| column.nullable) {
        all.push("__isnull");
    }
    all
}

/// A choice of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) url: String,
    pub(crate) current: bool,
    /// The parameters that it leads to, where its rows can be counted.
    pub(crate) to: Option<Fields>,
    /// How many rows it would give; empty where that was not asked for.
    pub(crate) count: String,
}

/// A field of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) label: String,
    /// `date`, `number`, `text`, or `related`.
    pub(crate) kind: &'static str,
    pub(crate) value: String,
    /// Of a related row: its text, where its choices come from, and where they are on a page.
    pub(crate) text: String,
    pub(crate) source: String,
    pub(crate) pick: String,
}

/// A filter as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilterView {
    pub(crate) label: String,
    pub(crate) open: bool,
    pub(crate) choices: Vec<Choice>,
    pub(crate) inputs: Vec<Input>,
    /// What the form of the inputs carries of the address.
    pub(crate) kept: Vec<(String, String)>,
}

/// The filters of a list for whoever asks.
pub(crate) fn views(cx: &Cx, spec: &Spec, params: &Params, query: &Fields) -> Vec<FilterView> {
    spec.filters.iter().filter_map(|filter| view(cx, spec, filter, params, query)).collect()
}

fn view(cx: &Cx, spec: &Spec, filter: &ListFilter, params: &Params, query: &Fields) -> Option<FilterView> {
    let kind = kind_of(cx, spec, filter)?;
    let names: Vec<String> =
        suffixes(spec, filter, &kind).iter().map(|suffix| format!("{}{suffix}", filter.key)).collect();
    let mut taken: Vec<&str> = names.iter().map(String::as_str).collect();
    taken.push(CURSOR);
    let rest = query.without(&taken);
    let value = |name: &str| query.text(name).to_owned();
    let url = |query: &Fields| format!("{}{}", cx.path(), super::or_all(query));
    let active = names.iter().any(|name| !value(name).is_empty());
    let any = "Any".to_owned();
    let mut choices = vec![Choice { label: any, url: url(&rest), current: !active, to: None, count: String::new() }];
    let choice = |name: &str, text: &str, label: String| {
        let to = rest.with(name, text);
        Choice { label, url: url(&to), current: value(name) == text, to: Some(to), count: String::new() }
    };
    let mut inputs = Vec::new();
    let input = |suffix: &str, label: &str, kind: &'static str| {
        let name = format!("{}{suffix}", filter.key);
        let value = query.text(&name).to_owned();
        Input {
            name,
            label: label.to_owned(),
            kind,
            value,
            text: String::new(),
            source: String::new(),
            pick: String::new(),
        }
    };
    match &kind {
        Kind::Choices(words_of) => {
            choices.extend(words_of.iter().map(|word| choice(filter.key, word, words(&word.to_lowercase()))));
        }
        Kind::Bool => {
            choices.push(choice(filter.key, "true", "Yes".to_owned()));
            choices.push(choice(filter.key, "false", "No".to_owned()));
        }
        Kind::Custom(all) => {
            choices.extend(all.iter().map(|(value, called, _)| choice(filter.key, value, (*called).to_owned())))
        }
        Kind::Date => {
            choices.extend(
                Bucket::ALL.map(|bucket| choice(filter.key, bucket.as_str(), crate::column::capital(bucket.label()))),
            );
            inputs = vec![input("__from", "From", "date"), input("__to", "To", "date")];
        }
        Kind::Range => inputs = vec![input("__min", "At least", "number"), input("__max", "At most", "number")],
        Kind::Text => inputs = vec![input("", &filter.label, "text")],
        Kind::Related(model) => {
            let mut input = input("", &filter.label, "related");
            let target = cx.state().site().of(model.name)?.spec();
            if !target.allows(cx, crate::spec::Verb::View, None) {
                return None;
            }
            input.source = format!("{}autocomplete/", target.url());
            let next = url(&rest);
            let pick = Fields::of(vec![("pick".to_owned(), filter.key.to_owned()), ("next".to_owned(), next)]);
            input.pick = format!("{}{}", input.source, pick.to_query());
            let said = params.active.iter().find(|active| active.name == filter.key);
            input.text = said.map(|active| active.said.clone()).unwrap_or_default();
            inputs = vec![input];
        }
        Kind::Empty => {}
    }
    if names.iter().any(|name| name.ends_with("__isnull")) {
        let name = format!("{}__isnull", filter.key);
        choices.push(choice(&name, "true", "Empty".to_owned()));
        choices.push(choice(&name, "false", "Not empty".to_owned()));
    }
    let mut kept: Vec<(String, String)> = rest.pairs().to_vec();
    if kept.is_empty() {
        kept.push((super::params::VIEW.to_owned(), "all".to_owned()));
    }
    Some(FilterView { label: filter.label.clone(), open: active || spec.filters.len() <= 6, choices, inputs, kept })
}
