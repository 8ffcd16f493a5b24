//! Filters of lists.

use sea_orm::ColumnTrait;

use crate::column::label_of;

/// A choice of a custom filter: its value in the address, what it is called, the parameters of the
/// list that it stands for, such as `("never", "never logged in", &[("last_login_at__isnull", "true")])`.
pub type CustomChoice = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Whether the list says how many rows each choice of its filters would give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShowFacets {
    /// Never.
    Never,
    /// Where somebody asks for it, by a link above the filters.
    #[default]
    Allow,
    /// Always.
    Always,
}

/// What a filter offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterKind {
    /// The words that the column takes, yes and no, or whether it is empty: by the column's kind.
    ByKind,
    /// Today, the past 7 days, this month, this year, or from one day to another.
    Date,
    /// From one number to another.
    Range,
    /// Rows of the model that the column names.
    Related,
    /// Whether the column is empty.
    Empty,
    /// Conditions of one's own.
    Custom(&'static [CustomChoice]),
}

/// A filter of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFilter {
    /// The column, and the name in addresses; of a custom filter only the latter.
    pub key: &'static str,
    /// Its heading.
    pub label: String,
    /// What it offers.
    pub kind: FilterKind,
}

impl ListFilter {
    /// By what the column holds.
    pub fn of<C: ColumnTrait>(column: C) -> Self {
        Self::named(column.as_str(), FilterKind::ByKind)
    }

    /// By date: buckets, or from one day to another.
    pub fn date<C: ColumnTrait>(column: C) -> Self {
        Self::named(column.as_str(), FilterKind::Date)
    }

    /// From one number to another.
    pub fn range<C: ColumnTrait>(column: C) -> Self {
        Self::named(column.as_str(), FilterKind::Range)
    }

    /// By the row that the column names.
    pub fn related<C: ColumnTrait>(column: C) -> Self {
        Self::named(column.as_str(), FilterKind::Related)
    }

    /// Whether the column is empty.
    pub fn empty<C: ColumnTrait>(column: C) -> Self {
        Self::named(column.as_str(), FilterKind::Empty)
    }

    /// Conditions of one's own.
    #[must_use]
    pub fn custom(key: &'static str, choices: &'static [CustomChoice]) -> Self {
        Self::named(key, FilterKind::Custom(choices))
    }

    pub(crate) fn named(key: &'static str, kind: FilterKind) -> Self {
        Self { key, label: label_of(key), kind }
    }

    /// The heading.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}
