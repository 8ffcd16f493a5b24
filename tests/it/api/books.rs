//! Rows to try everything on: books, as an application's own table.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use automate_api::Problem;
use automate_api::v1::base::{
    Access, Action, BaseModelViewSet, Call, Content, CorsMixin, Limit, Mixins, Operation, Parameter, RateLimitMixin,
    Reply, Shape, StreamEvent,
};
use automate_store::db::Database;
use automate_store::resource::{Model, ResourceError, ResourceHooks, Row, Writer};
use http::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseTransaction, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The entity.
pub(super) mod book {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "books")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) tenant_id: Uuid,
        pub(crate) title: String,
        pub(crate) author: String,
        pub(crate) pages: i32,
        pub(crate) note: Option<String>,
        pub(crate) row_version: i32,
        pub(crate) created_at: DateTimeUtc,
        pub(crate) updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) static BOOKS: LazyLock<Model> = LazyLock::new(|| {
    use book::Column::*;
    Model::of::<book::Entity>("books", "book")
        .permissions("library", "book")
        .hidden([TenantId, RowVersion])
        .writable([Title, Author, Pages, Note])
        .filters([Author, Pages])
        .orderings([Title, Pages, CreatedAt])
        .search([Title, Author])
        .max_length(Title, 100)
        .build()
});

/// Makes the table.
pub(super) async fn make_table(db: &Database) {
    let orm = db.orm();
    let backend = orm.get_database_backend();
    let statement = Schema::new(backend).create_table_from_entity(book::Entity);
    orm.execute(&statement).await.unwrap();
}

/// The view set, with an operation of each special kind.
pub(super) struct Books;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Lend {
    /// To whom.
    to: String,
    /// For how many days.
    days: u32,
}

#[async_trait]
impl BaseModelViewSet for Books {
    fn model(&self) -> &'static Model {
        &BOOKS
    }

    fn hooks(&self) -> Arc<dyn ResourceHooks> {
        Arc::new(NoFireSale)
    }

    fn mixins(&self) -> Mixins {
        Mixins::default().with(CorsMixin::origins(["https://library.example"]))
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        vec![
            Operation::post("/books/{id}/lend", Action::custom("lend"))
                .summary("Lends a book")
                .parameter(Parameter::integer("copies", 1, 9, "How many."))
                .reads::<Lend>()
                .answers_with(StatusCode::ACCEPTED, "It is lent.", anything())
                .handler(lend),
            Operation::post("/books/import", Action::custom("import"))
                .access(Access::new("books:write", "library.add_book"))
                .answers_with(StatusCode::OK, "How many there were.", anything())
                .handler(|_| async { Reply::ok(json!({ "imported": 0 })) }),
            Operation::post("/books/break", Action::custom("break"))
                .answers_nothing("Never.")
                .deadline(Duration::from_secs(1))
                .handler(break_down),
            Operation::get("/books/events", Action::custom("events"))
                .access(Access::new("books:read", "library.view_book"))
                .parameter(Parameter::boolean("endless", "Whether it never ends."))
                .answers_with(StatusCode::OK, "What happens.", Content::Events(any_shape()))
                .handler(events),
            Operation::get("/books/rare", Action::custom("rare"))
                .access(Access::new("books:read", "library.view_book"))
                .answers_nothing("Rarely.")
                .handler(|_| async { Ok(Reply::no_content()) }),
            Operation::post("/books/card", Action::custom("card"))
                .answers_with(StatusCode::CREATED, "A card, shown once.", anything())
                .handler(|_| async { Ok(Reply::ok(json!({ "secret": "once" }))?.confidential()) }),
        ]
        .into_iter()
        .map(|operation| {
            let rare = operation.action == Action::custom("rare");
            let limit = RateLimitMixin::new().per_principal("rare", Limit::per_minute(60).burst(2));
            if rare { Mixins::default().with(limit).wrap(operation) } else { operation }
        })
        .collect()
    }
}

fn any_shape() -> Shape {
    Shape::of::<Value>()
}

fn anything() -> Content {
    Content::Json(any_shape())
}

async fn lend(call: Call) -> Result<Reply, Problem> {
    let lend: Lend = call.read()?;
    let copies = call.query_integer("copies").unwrap_or(1);
    Reply::accepted(json!({ "book": call.path("id"), "to": lend.to, "days": lend.days, "copies": copies }))
}

async fn break_down(call: Call) -> Result<Reply, Problem> {
    match call.headers.get("x-how").map(|how| how.as_bytes()) {
        Some(b"panic") => panic!("at /secret/path.rs: SELECT * FROM users"),
        Some(b"slow") => tokio::time::sleep(Duration::from_secs(2)).await,
        Some(b"store") => {
            let error = automate_core::store::StoreError::Internal("SELECT * FROM users at /secret/path".to_owned());
            return Err(error.into());
        }
        _ => {}
    }
    Ok(Reply::no_content())
}

async fn events(call: Call) -> Result<Reply, Problem> {
    use futures_util::StreamExt as _;
    let after: u64 = call.headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    let some = futures_util::stream::iter(after + 1..=3)
        .map(|n| StreamEvent::new("lent", json!({ "n": n })).id(n.to_string()));
    if call.query_flag("endless") {
        return Ok(Reply::events(some.chain(futures_util::stream::pending())));
    }
    Ok(Reply::events(some))
}

/// Refuses what nobody would sell.
struct NoFireSale;

#[async_trait]
impl ResourceHooks for NoFireSale {
    async fn before_save(
        &self,
        _txn: &DatabaseTransaction,
        _writer: &Writer,
        _old: Option<&Row>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ResourceError> {
        if fields.get("title") == Some(&json!("Forbidden")) {
            return Err(ResourceError::Refused("that book is not sold".to_owned()));
        }
        Ok(())
    }
}
