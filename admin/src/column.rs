//! Columns of lists, and what is in their cells.

use std::fmt;
use std::sync::Arc;

use sea_orm::ColumnTrait;
use serde_json::{Map, Value};

/// What one cell shows. Text is text: nothing of it is ever taken for markup.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing: shown as a dash.
    Empty,
    /// Text.
    Text(String),
    /// Text of secondary importance.
    Muted(String),
    /// A word of a state: it gets its icon and colour.
    State(String),
    /// A number, to the right.
    Number(String),
    /// Yes or no.
    Bool(bool),
    /// A time as RFC 3339 writes it: shown as how long ago, with the time itself behind it.
    Time(String),
    /// An id, a hash, an expression: in the fixed-width font, and short.
    Code(String),
    /// Text that leads somewhere in the admin.
    Link {
        /// Where to, beginning with `/`.
        url: String,
        /// What it says.
        text: String,
    },
}

/// How a column makes its cell from a row's fields.
pub type CellOf = Arc<dyn Fn(&Map<String, Value>) -> Cell + Send + Sync>;

/// What a column shows.
#[derive(Clone)]
pub enum Shows {
    /// A column of the model, by its kind.
    Field(&'static str),
    /// A row of another model, which a column names: its `text` column, with a link to it.
    Related {
        /// The column with the key.
        column: &'static str,
    },
    /// Something made of the row.
    Computed {
        /// The columns that it is made of.
        needs: Vec<&'static str>,
        /// How.
        cell: CellOf,
    },
}

/// A column of a list.
#[derive(Clone)]
pub struct ListColumn {
    /// Its name in addresses, unique in the list.
    pub key: &'static str,
    /// Its heading.
    pub label: String,
    /// What it shows.
    pub shows: Shows,
    /// The model's column that it is sorted by; none where it cannot be sorted.
    pub sort: Option<&'static str>,
}

impl fmt::Debug for ListColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListColumn({})", self.key)
    }
}

impl ListColumn {
    /// A column of the entity. It can be sorted by where the model's declaration says so.
    pub fn of<C: ColumnTrait>(column: C) -> Self {
        Self::named(column.as_str())
    }

    pub(crate) fn named(name: &'static str) -> Self {
        Self { key: name, label: label_of(name), shows: Shows::Field(name), sort: Some(name) }
    }

    /// The row that a column of the entity names, as a link with its own text.
    pub fn related<C: ColumnTrait>(column: C) -> Self {
        let name = column.as_str();
        let label = label_of(name.strip_suffix("_id").unwrap_or(name));
        Self { key: name, label, shows: Shows::Related { column: name }, sort: None }
    }

    /// Something made of the columns that it names.
    pub fn computed<C: ColumnTrait>(
        key: &'static str,
        needs: impl IntoIterator<Item = C>,
        cell: impl Fn(&Map<String, Value>) -> Cell + Send + Sync + 'static,
    ) -> Self {
        let needs = needs.into_iter().map(|column| column.as_str()).collect();
        Self { key, label: label_of(key), shows: Shows::Computed { needs, cell: Arc::new(cell) }, sort: None }
    }

    /// The heading.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The column that a computed one is sorted by.
    #[must_use]
    pub fn sorted_by<C: ColumnTrait>(mut self, column: C) -> Self {
        self.sort = Some(column.as_str());
        self
    }

    /// The model's columns that it is made of.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        match &self.shows {
            Shows::Field(name) | Shows::Related { column: name } => vec![name],
            Shows::Computed { needs, .. } => needs.clone(),
        }
    }
}

/// A name as people read it: `last_login_at` is "Last login".
#[must_use]
pub fn label_of(name: &str) -> String {
    let plain = name.strip_suffix("_at").unwrap_or(name).replace(['_', '-'], " ");
    let plain: Vec<&str> = plain.split(' ').map(spelled).collect();
    capital(&plain.join(" "))
}

/// A name within a sentence: "Workflow versions" are "workflow versions", "API tokens" stay as they are.
#[must_use]
pub fn in_sentence(name: &str) -> String {
    let lower =
        |word: &str| if word.chars().skip(1).any(char::is_uppercase) { word.to_owned() } else { word.to_lowercase() };
    name.split(' ').map(lower).collect::<Vec<_>>().join(" ")
}

/// A word that is not written as it is stored.
fn spelled(word: &str) -> &str {
    const SPELLED: &[(&str, &str)] = &[
        ("id", "ID"),
        ("totp", "TOTP"),
        ("http", "HTTP"),
        ("llm", "LLM"),
        ("url", "URL"),
        ("api", "API"),
        ("ip", "IP"),
        ("json", "JSON"),
        ("sha256", "SHA-256"),
        ("addr", "address"),
        ("seq", "place"),
    ];
    SPELLED.iter().find(|(stored, _)| *stored == word).map_or(word, |(_, read)| read)
}

/// A text that begins with a capital letter.
pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// An id as lists show it: its beginning and its end. The beginnings of ids of one minute are alike.
#[must_use]
pub fn short(id: &str) -> String {
    let characters: Vec<char> = id.chars().collect();
    if characters.len() <= 14 {
        return id.to_owned();
    }
    let start: String = characters.iter().take(4).collect();
    let end: String = characters.iter().skip(characters.len() - 6).collect();
    format!("{start}…{end}")
}

/// A word as it is stored, as people read it: `outcome_unknown` is "outcome unknown".
#[must_use]
pub fn words(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels() {
        assert_eq!(in_sentence("Workflow versions"), "workflow versions");
        assert_eq!(in_sentence("API tokens"), "API tokens");
        assert_eq!(label_of("last_login_at"), "Last login");
        assert_eq!(label_of("id"), "ID");
        assert_eq!(label_of("user_id"), "User ID");
        assert_eq!(label_of("http_status"), "HTTP status");
        assert_eq!(label_of("remote_addr"), "Remote address");
        assert_eq!(label_of(""), "");
    }
}
