//! What a list is asked for, and what it answers.

use automate_core::limits;
use serde_json::{Map, Value};

use super::{ColumnKind, Model, ResourceError, parse};

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `?field=`
    Equal,
    /// `?field__ne=`
    NotEqual,
    /// `?field__gt=`
    Greater,
    /// `?field__gte=`
    GreaterOrEqual,
    /// `?field__lt=`
    Less,
    /// `?field__lte=`
    LessOrEqual,
    /// `?field__in=a,b`
    In,
    /// `?field__icontains=`: text, without regard to case
    Contains,
    /// `?field__startswith=`
    StartsWith,
    /// `?field__isnull=true`
    IsNull,
}

/// One condition; all conditions of a list hold together.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The column.
    pub column: &'static str,
    /// How.
    pub comparison: Comparison,
    /// With what; several for `in`. Of the column's kind already.
    pub values: Vec<Value>,
}

/// One column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordering {
    /// The column.
    pub column: &'static str,
    /// From the greatest down.
    pub descending: bool,
}

/// What a list is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// Conditions.
    pub filters: Vec<Filter>,
    /// Words that each must be found in one of the searched columns; quotes hold words together.
    pub search: Option<String>,
    /// The order; the model's where empty.
    pub ordering: Vec<Ordering>,
    /// `next` or `previous` of another page.
    pub cursor: Option<String>,
    /// Rows to pass over; instead of a cursor.
    pub offset: Option<u64>,
    /// Rows of the page.
    pub limit: u64,
    /// Only these fields; all where empty.
    pub fields: Vec<&'static str>,
    /// Related models to show.
    pub expand: Vec<&'static str>,
    /// Whether to count all rows that match.
    pub count: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            search: None,
            ordering: Vec::new(),
            cursor: None,
            offset: None,
            limit: limits::LIST_LIMIT,
            fields: Vec::new(),
            expand: Vec::new(),
            count: false,
        }
    }
}

impl ListQuery {
    /// Reads the parameters of a list. Every fault is told, not only the first.
    ///
    /// # Errors
    /// [`ResourceError::Query`].
    pub fn parse(model: &Model, pairs: &[(String, String)]) -> Result<Self, ResourceError> {
        parse::list(model, pairs)
    }

    /// The same with one more condition, which need not be on a column that people may filter by.
    #[must_use]
    pub fn filter(mut self, column: &'static str, comparison: Comparison, values: Vec<Value>) -> Self {
        self.filters.push(Filter { column, comparison, values });
        self
    }
}

/// Which fields of one row are shown, and with what.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Only these fields; all where empty.
    pub fields: Vec<&'static str>,
    /// Related models to show.
    pub expand: Vec<&'static str>,
}

impl Selection {
    /// Reads the parameters of a request for one row: `fields` and `expand`.
    ///
    /// # Errors
    /// [`ResourceError::Query`].
    pub fn parse(model: &Model, pairs: &[(String, String)]) -> Result<Self, ResourceError> {
        parse::selection(model, pairs)
    }
}

/// A parameter that a list takes.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterDoc {
    /// Its name: `created_at__gte`.
    pub name: String,
    /// What it is, or what each of its values is.
    pub kind: ColumnKind,
    /// Whether it takes several values, with commas between them.
    pub many: bool,
    /// The words that it takes, where it takes no others.
    pub choices: Vec<String>,
    /// The least and the greatest number that it takes.
    pub range: Option<(i64, i64)>,
    /// What it does.
    pub doc: String,
}

/// Every parameter that [`ListQuery::parse`] takes for a model.
#[must_use]
pub fn parameters(model: &Model) -> Vec<ParameterDoc> {
    parse::parameters(model)
}

/// The parameters that [`Selection::parse`] takes for a model.
#[must_use]
pub fn selection_parameters(model: &Model) -> Vec<ParameterDoc> {
    parse::selection_parameters(model)
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The rows as shown.
    pub results: Vec<Map<String, Value>>,
    /// The version of each of these rows, where the model has one; also where it is not shown.
    pub versions: Vec<Option<i64>>,
    /// The cursor of the page behind.
    pub next: Option<String>,
    /// The cursor of the page before.
    pub previous: Option<String>,
    /// All rows that match, where asked for.
    pub count: Option<u64>,
}
