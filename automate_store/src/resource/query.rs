//! What a list is asked for, and what it answers.

use serde_json::{Map, Value};

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
#[derive(Debug, Clone, Default, PartialEq)]
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

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The rows as shown.
    pub results: Vec<Map<String, Value>>,
    /// The cursor of the page behind.
    pub next: Option<String>,
    /// The cursor of the page before.
    pub previous: Option<String>,
    /// All rows that match, where asked for.
    pub count: Option<u64>,
}
