//! Lists as files: what the list shows, row by row, read page by page while the browser takes it.

use std::sync::Arc;

use automate_core::limits;
use automate_store::resource::{ListQuery, ResourceError};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::Here;
use super::list::{Asked, CURSOR, judged, rows_of, sees};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Reply, csv_attachment};
use crate::spec::Verb;

/// The parameter that says which kind of file.
const FORMAT: &str = "format";

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

impl Format {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::JsonLines),
            _ => None,
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// An export under way.
struct Export {
    cx: Cx,
    admin: Arc<dyn AnyAdmin>,
    format: Format,
    columns: Vec<&'static str>,
    query: ListQuery,
    /// Whether the headings are written.
    begun: bool,
    over: bool,
}

pub(super) async fn download(cx: Cx, here: Here) -> Reply {
    let admin = &here.0;
    let spec = admin.spec();
    if !spec.allows(&cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    let mut columns = spec.export.clone().ok_or(AdminError::NotFound)?;
    columns.retain(|name| sees(&cx, spec, name));
    if columns.is_empty() {
        // Without any column named the service would show all of them.
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    let format = Format::parse(cx.query().text(FORMAT))
        .ok_or_else(|| AdminError::Query("`format` must be csv or jsonl".to_owned()))?;
    let asked = Asked::of(&cx, admin, &cx.query().without(&[FORMAT, CURSOR]))?;
    let mut query = ListQuery { cursor: None, limit: limits::LIST_LIMIT_MAX, ..asked.query };
    query.fields = judged(spec, columns.clone());
    let told = cx.query().without(&[FORMAT, CURSOR]).to_query();
    let entry = cx
        .entry(&format!("{}.export", spec.model.noun))
        .about(spec.model.noun, "")
        .with(json!({ "format": format.suffix(), "query": told, "columns": columns }));
    cx.state().audit().record(vec![entry]).await?;
    let name = format!("{}-{}.{}", spec.model.name, cx.now().format("%Y%m%d-%H%M%S"), format.suffix());
    let export = Export { admin: Arc::clone(admin), format, columns, query, begun: false, over: false, cx };
    let rows = stream::unfold(export, |mut export| async move {
        let part = export.next().await.transpose()?;
        Some((part, export))
    });
    csv_attachment(&name, format.media_type(), Body::from_stream(rows))
}

impl Export {
    /// The next part of the file; none at its end.
    async fn next(&mut self) -> Result<Option<Bytes>, ResourceError> {
        if self.over {
            return Ok(None);
        }
        let spec = self.admin.spec();
        let page = match self.cx.state().resources().list(spec.model, &self.cx.writer(), &self.query).await {
            Ok(page) => page,
            Err(error) => {
                // The file is cut off, and the browser says so.
                tracing::warn!(%error, model = spec.model.name, "an export was broken off");
                self.over = true;
                return Err(error);
            }
        };
        let mut text = String::new();
        if !self.begun && self.format == Format::Csv {
            line(&mut text, self.columns.iter().map(|name| (*name).to_owned()));
        }
        self.begun = true;
        let next = page.next.clone();
        for row in rows_of(&self.cx, spec, page) {
            let row = &row.fields;
            match self.format {
                Format::Csv => line(&mut text, self.columns.iter().map(|name| csv_cell(row.get(*name)))),
                Format::JsonLines => {
                    let value = |name: &&'static str| ((*name).to_owned(), row.get(*name).cloned().unwrap_or_default());
                    let fields: Map<String, Value> = self.columns.iter().map(value).collect();
                    text.push_str(&Value::Object(fields).to_string());
                    text.push('\n');
                }
            }
        }
        self.over = next.is_none();
        self.query.cursor = next;
        Ok(Some(Bytes::from(text)))
    }
}

/// A value as a cell. A program that opens the file takes a text which begins like a formula for one:
/// such a text gets an apostrophe. Numbers are numbers.
pub(crate) fn csv_cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::Number(number)) => return number.to_string(),
        Some(Value::Bool(yes)) => return yes.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

/// A line as RFC 4180 writes it.
pub(crate) fn line(into: &mut String, cells: impl Iterator<Item = String>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            into.push(',');
        }
        let plain = !cell.contains([',', '"', '\r', '\n']) && cell.trim() == cell;
        if plain {
            into.push_str(&cell);
        } else {
            into.push('"');
            into.push_str(&cell.replace('"', "\"\""));
            into.push('"');
        }
    }
    into.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a13_a_text_that_looks_like_a_formula_is_a_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(csv_cell(Some(&json!(text))), format!("'{text}"), "{text:?}");
        }
        assert_eq!(csv_cell(Some(&json!(-5))), "-5");
        assert_eq!(csv_cell(Some(&json!(-0.5))), "-0.5");
        assert_eq!(csv_cell(Some(&json!("a=b"))), "a=b");
        assert_eq!(csv_cell(Some(&json!(true))), "true");
        assert_eq!(csv_cell(None), "");
        assert_eq!(csv_cell(Some(&json!({ "a": 1 }))), r#"{"a":1}"#);
    }

    #[test]
    fn a_line_is_quoted_where_it_must_be() {
        let mut text = String::new();
        line(&mut text, ["a", "b,c", "say \"hi\"", "two\nlines", " spaced", ""].map(str::to_owned).into_iter());
        assert_eq!(text, "a,\"b,c\",\"say \"\"hi\"\"\",\"two\nlines\",\" spaced\",\r\n");
    }
}
