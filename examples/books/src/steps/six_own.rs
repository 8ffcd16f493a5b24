use automate::admin::{AdminError, Cx, FieldErrors, Spec, save_row};
use automate::prelude::*;
use automate::store::resource::{Comparison, ListQuery, Row};
use serde_json::{Map, Value, json};

use super::entity::book;
use super::two_find::BOOKS;

pub struct BookAdmin;

#[async_trait]
impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = ();
    fn model(&self) -> &'static Model {
        &BOOKS
    }

    /// Whoever may not change books sees those that are there.
    fn get_queryset(&self, cx: &Cx, query: ListQuery) -> ListQuery {
        if cx.can("books.change_book") {
            return query;
        }
        query.filter("lent", Comparison::Equal, vec![json!(false)])
    }

    async fn clean(
        &self,
        _: &Cx,
        _: Option<&Row>,
        fields: &mut Map<String, Value>,
        errors: &mut FieldErrors,
    ) -> Result<(), AdminError> {
        if fields.get("pages").and_then(Value::as_i64).is_some_and(|pages| pages < 1) {
            errors.add(book::Column::Pages, "a book has one page at least");
        }
        Ok(())
    }

    async fn save_model(
        &self,
        cx: &Cx,
        spec: &Spec,
        row: Option<&Row>,
        mut fields: Map<String, Value>,
        version: Option<i64>,
    ) -> Result<Row, AdminError> {
        if row.is_none() {
            fields.entry("published_at").or_insert_with(|| json!(cx.now().to_rfc3339()));
        }
        save_row(cx, spec, row, fields, version).await
    }
}
