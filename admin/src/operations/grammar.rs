//! The language in which executions are searched for: `state:failed workflow:order-* created:<2h
//! "card declined"`. Parsing takes no IO; what is wrong is told with its place and what was meant.

mod when;

use std::ops::Range;

use automate_core::status::ExecutionStatus;
use automate_store::resource::exact_id;
use automate_store::search::{ExecutionSearch, Name, Queued};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Terms of a search at most.
const TERMS: usize = 20;
/// Characters of a search at most.
const CHARS: usize = 1_000;

/// The words before the colon, with an example each.
pub(crate) const KNOWN: &[(&str, &str)] = &[
    ("state", "state:failed,waiting"),
    ("workflow", "workflow:order-*"),
    ("error", "error:\"timeout\""),
    ("created", "created:<2h"),
    ("id", "id:0190…"),
    ("correlation", "correlation:abc"),
    ("trigger", "trigger:webhook"),
    ("parent", "parent:0190…"),
    ("replay", "replay:0190…"),
    ("event", "event:0190…"),
    ("is", "is:stuck"),
    ("sort", "sort:slowest"),
];

const TRIGGERS: &[&str] = &["webhook", "event", "manual", "replay", "schedule", "test"];

/// One term as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    /// The word before the colon; empty for a free word.
    pub(crate) key: String,
    /// What it says.
    pub(crate) text: String,
    /// Where it stands, in bytes.
    pub(crate) at: Range<usize>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where it begins, in characters from 1.
    pub(crate) at: usize,
    /// What was written there.
    pub(crate) term: String,
    /// What is wrong with it.
    pub(crate) message: String,
    /// What was meant, perhaps: to be put in its place.
    pub(crate) instead: Option<String>,
}

/// A search that was understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Query {
    /// As it was written.
    pub(crate) text: String,
    /// Its terms.
    pub(crate) terms: Vec<Term>,
    /// What the store is asked.
    pub(crate) search: ExecutionSearch,
}

impl Query {
    /// The search without one of its terms: where the chip's cross leads.
    pub(crate) fn without(&self, term: usize) -> String {
        let kept = self.terms.iter().enumerate().filter(|(n, _)| *n != term);
        kept.map(|(_, term)| term.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The search with a term in place of those with the same word.
    pub(crate) fn with(&self, key: &str, value: &str) -> String {
        let kept = self.terms.iter().filter(|term| term.key != key).map(|term| term.text.clone());
        kept.chain((!value.is_empty()).then(|| format!("{key}:{value}"))).collect::<Vec<_>>().join(" ")
    }
}

/// Reads a search. Days are those of the zone.
pub(crate) fn parse(text: &str, now: DateTime<Utc>, zone: Tz) -> Result<Query, Vec<Fault>> {
    if text.chars().count() > CHARS {
        return Err(vec![Fault {
            at: CHARS,
            term: String::new(),
            message: format!("a search has at most {CHARS} characters"),
            instead: None,
        }]);
    }
    let mut faults = Vec::new();
    let mut query = Query { text: text.trim().to_owned(), ..Query::default() };
    for term in terms(text) {
        let place = text.get(..term.at.start).map_or(0, |before| before.chars().count()) + 1;
        if query.terms.len() == TERMS {
            let message = format!("a search has at most {TERMS} terms");
            faults.push(Fault { at: place, term: term.text, message, instead: None });
            break;
        }
        let value = unquoted(term.text.get(if term.key.is_empty() { 0 } else { term.key.len() + 1 }..).unwrap_or(""));
        let read =
            if query.terms.iter().any(|other| !term.key.is_empty() && other.key == term.key && only_once(&term.key)) {
                Err((format!("`{}:` is there twice", term.key), None))
            } else {
                apply(&mut query.search, &term.key, &value, now, zone)
            };
        if let Err((message, instead)) = read {
            faults.push(Fault { at: place, term: term.text.clone(), message, instead });
        }
        query.terms.push(term);
    }
    if faults.is_empty() { Ok(query) } else { Err(faults) }
}

fn only_once(key: &str) -> bool {
    key != "error"
}

/// Splits at spaces that are not within quotes.
fn terms(text: &str) -> Vec<Term> {
    let (mut found, mut begin, mut quoted) = (Vec::new(), None, false);
    let mut end = |begin: &mut Option<usize>, to: usize| {
        let Some(from) = begin.take() else { return };
        let text = text.get(from..to).unwrap_or_default().to_owned();
        let word = text.split_once(':').filter(|(key, rest)| is_key(key) && !rest.starts_with("//"));
        let key = word.map(|(key, _)| key).unwrap_or_default().to_owned();
        found.push(Term { key, text, at: from..to });
    };
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        }
        if c.is_whitespace() && !quoted {
            end(&mut begin, at);
        } else if begin.is_none() {
            begin = Some(at);
        }
    }
    end(&mut begin, text.len());
    found
}

/// Whether something before a colon is meant as a word of ours: `https://…` and `10:30` are not.
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() < 20 && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

fn unquoted(text: &str) -> String {
    text.replace('"', "").trim().to_owned()
}

type Wrong = (String, Option<String>);

fn apply(search: &mut ExecutionSearch, key: &str, value: &str, now: DateTime<Utc>, zone: Tz) -> Result<(), Wrong> {
    if value.is_empty() {
        return if key.is_empty() { Ok(()) } else { Err((format!("`{key}:` says nothing"), None)) };
    }
    match key {
        "" => match exact_id(value) {
            Some(id) => search.ids.push(id),
            None => search.words.push(value.to_owned()),
        },
        "state" => states(search, value)?,
        "workflow" if value.contains('*') => search.workflow = Some(Name::Like(value.to_owned())),
        "workflow" => search.workflow = Some(Name::Is(value.to_owned())),
        "error" => search.errors.push(value.to_owned()),
        "created" => {
            let (from, before) = when::range(value, now, zone).map_err(|message| (message, None))?;
            (search.created_from, search.created_before) = (from, before);
        }
        "id" => {
            for one in value.split(',') {
                search.ids.push(id_of(one)?);
            }
        }
        "correlation" => search.correlation = Some(value.to_owned()),
        "trigger" => {
            search.trigger = Some(word("trigger", value, TRIGGERS)?.to_owned());
        }
        "parent" => search.parent = Some(id_of(value)?),
        "replay" => search.replay_of = Some(id_of(value)?),
        "event" => search.event = Some(id_of(value)?),
        "is" => {
            search.queued = Some(match word("is", value, &["stuck", "dead", "held"])? {
                "stuck" => Queued::Stuck,
                "dead" => Queued::Dead,
                _ => Queued::Held,
            });
        }
        "sort" => search.slowest = word("sort", value, &["newest", "slowest"])? == "slowest",
        unknown => {
            let known: Vec<&str> = KNOWN.iter().map(|(key, _)| *key).collect();
            let near = nearest(unknown, &known);
            let words = known.iter().map(|key| format!("`{key}:`")).collect::<Vec<_>>().join(", ");
            let message = format!("there is no `{unknown}:`; there are {words}; in quotes it is searched as text");
            return Err((message, near.map(|near| format!("{near}:{value}"))));
        }
    }
    Ok(())
}

fn states(search: &mut ExecutionSearch, value: &str) -> Result<(), Wrong> {
    let words: Vec<&str> = ExecutionStatus::ALL.iter().map(|status| status.as_str()).collect();
    for one in value.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let one = word("state", one, &words)?;
        let status = ExecutionStatus::ALL.iter().find(|status| status.as_str() == one);
        search.statuses.extend(status.filter(|status| !search.statuses.contains(status)).copied());
    }
    // What runs is what workers have: no index knows it, the queue does.
    if search.statuses == [ExecutionStatus::Running] && search.queued.is_none() {
        search.queued = Some(Queued::Held);
    }
    Ok(())
}

fn word<'a>(key: &str, value: &str, known: &[&'a str]) -> Result<&'a str, Wrong> {
    let lower = value.to_lowercase();
    known.iter().copied().find(|word| *word == lower).ok_or_else(|| {
        let message = format!("`{key}:` takes {}; not `{value}`", known.join(", "));
        (message, nearest(&lower, known).map(|near| format!("{key}:{near}")))
    })
}

fn id_of(value: &str) -> Result<uuid::Uuid, Wrong> {
    exact_id(value.trim()).ok_or_else(|| (format!("`{value}` is not an id"), None))
}

/// The known word that is meant, if one is near: two letters apart at most.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|known| (distance(word, known), *known)).min()?;
    (near.0 <= 2 && near.0 < near.1.len()).then_some(near.1)
}

/// The Levenshtein distance: letters to change, add or take away.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(40).enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let change = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
