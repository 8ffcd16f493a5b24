//! A library: shelves and books of tenants, and branches of the installation.

use std::sync::LazyLock;

use automate_core::access::{Actor, ActorKind, Principal};
use automate_core::audit::Origin;
use automate_core::ids::{TenantId, new_v7};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::resource::{
    Column, ColumnKind, Expansion, ListQuery, Model, Page, ResourceError, Resources, Row, Writer, no_hooks,
};
use automate_tests::postgres::TestDatabase;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[expect(unreachable_pub, reason = "sea-orm's derives expect public models")]
pub(super) mod shelves {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "shelves")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub name: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "sea-orm's derives expect public models")]
pub(super) mod books {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "books")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub shelf_id: Option<Uuid>,
        pub title: String,
        pub slug: String,
        pub genre: Option<String>,
        pub pages: i32,
        pub size: Option<i64>,
        pub weight: Option<f64>,
        pub is_lent: bool,
        pub lent_at: Option<DateTimeUtc>,
        pub meta: Option<String>,
        pub body: Option<String>,
        pub cover: Option<Vec<u8>>,
        pub code: Option<String>,
        pub row_version: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "sea-orm's derives expect public models")]
pub(super) mod branches {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "branches")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) static SHELVES: LazyLock<Model> = LazyLock::new(|| {
    use shelves::Column;
    Model::of::<shelves::Entity>("shelves", "shelf")
        .permissions("library", "shelf")
        .filters([Column::Name])
        .writable([Column::Name])
        .build()
});

pub(super) static BOOKS: LazyLock<Model> = LazyLock::new(|| {
    use books::Column as C;
    Model::of::<books::Entity>("books", "book")
        .permissions("library", "book")
        .filters([
            C::Id,
            C::ShelfId,
            C::Title,
            C::Slug,
            C::Genre,
            C::Pages,
            C::Size,
            C::Weight,
            C::IsLent,
            C::LentAt,
            C::Meta,
            C::Body,
            C::Cover,
            C::Code,
        ])
        .orderings([C::Title, C::Pages, C::Size, C::Weight, C::IsLent, C::LentAt, C::Genre, C::Body, C::CreatedAt])
        .search([C::Id, C::Title, C::Genre, C::Code])
        .writable([
            C::ShelfId,
            C::Title,
            C::Genre,
            C::Pages,
            C::Size,
            C::Weight,
            C::LentAt,
            C::Meta,
            C::Body,
            C::Cover,
            C::IsLent,
        ])
        .on_create([C::Slug])
        .optional([C::IsLent])
        .hidden([C::Code])
        .json([C::Meta])
        .detail([C::Body, C::Cover])
        .needs("library.read_body", [C::Body])
        .names([C::Slug])
        .choices(C::Genre, &["novel", "poem", "essay"])
        .max_length(C::Title, 40)
        .max_length(C::Body, 20 * 1024 * 1024)
        .references(C::ShelfId, &SHELVES)
        .expansion(Expansion { name: "shelf", model: &SHELVES, on: ("shelf_id", "id"), many: false, order: "id" })
        .input(Column {
            on_create: true,
            on_update: true,
            optional: true,
            ..Column::plain("signature", ColumnKind::Text)
        })
        .build()
});

/// Shelves with their books.
pub(super) static FULL_SHELVES: LazyLock<Model> = LazyLock::new(|| {
    let mut model = SHELVES.clone();
    model.expansions.push(Expansion {
        name: "books",
        model: &BOOKS,
        on: ("id", "shelf_id"),
        many: true,
        order: "pages",
    });
    model
});

pub(super) static BRANCHES: LazyLock<Model> = LazyLock::new(|| {
    use branches::Column as C;
    Model::of::<branches::Entity>("branches", "branch").filters([C::Name]).writable([C::Name]).build()
});

const TABLES: &[&str] = &[
    "CREATE TABLE shelves (id {uuid} PRIMARY KEY NOT NULL, tenant_id {uuid} NOT NULL, name text NOT NULL,
        created_at {time} NOT NULL)",
    "CREATE TABLE books (id {uuid} PRIMARY KEY NOT NULL, tenant_id {uuid} NOT NULL, shelf_id {uuid},
        title text NOT NULL, slug text NOT NULL, genre text, pages integer NOT NULL, size bigint,
        weight double precision, is_lent boolean NOT NULL, lent_at {time}, meta text, body text, cover {bytes},
        code text, row_version integer NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL)",
    "CREATE UNIQUE INDEX books_slug ON books (tenant_id, slug)",
    "CREATE TABLE branches (id {uuid} PRIMARY KEY NOT NULL, name text NOT NULL)",
];

/// The service over a database with a library, and who uses it.
pub(super) struct Bed {
    pub(super) resources: Resources,
    pub(super) ours: Writer,
    pub(super) theirs: Writer,
}

pub(super) fn key() -> AuditKey {
    AuditKey { id: "k1".to_owned(), key: [7; 32].into() }
}

/// Somebody of a tenant, with all permissions there unless some are named.
pub(super) fn somebody(tenant: Option<TenantId>, permissions: &[&str]) -> Writer {
    let actor = Actor { kind: ActorKind::User, id: new_v7().to_string(), name: "ada@example.com".to_owned() };
    let permissions = permissions.iter().map(|permission| (*permission).to_owned()).collect();
    let principal = Principal { actor, tenant, permissions, scopes: None, ..Principal::anonymous() };
    let origin =
        Origin { correlation_id: "c-1".to_owned(), address: "192.0.2.7".to_owned(), agent: "tests".to_owned() };
    Writer { principal, origin }
}

pub(super) fn superuser() -> Writer {
    let mut writer = somebody(Some(TenantId::DEFAULT), &[]);
    writer.principal.is_superuser = true;
    writer
}

impl Bed {
    pub(super) async fn new(test: &TestDatabase) -> Self {
        let orm = test.db.orm();
        let postgres = orm.get_database_backend() == DbBackend::Postgres;
        for table in TABLES {
            let (uuid, time, bytes) =
                if postgres { ("uuid", "timestamptz", "bytea") } else { ("blob", "text", "blob") };
            let sql = table.replace("{uuid}", uuid).replace("{time}", time).replace("{bytes}", bytes);
            orm.execute_unprepared(&sql).await.unwrap();
        }
        let audit = AuditLog::new(test.db.clone(), vec![key()]).unwrap();
        Self {
            resources: Resources::new(test.db.clone(), audit, [9; 32]),
            ours: somebody(Some(TenantId::new()), &["*"]),
            theirs: somebody(Some(TenantId::new()), &["*"]),
        }
    }

    pub(super) async fn book(&self, fields: Value) -> Row {
        self.try_book(fields).await.unwrap()
    }

    pub(super) async fn try_book(&self, fields: Value) -> Result<Row, ResourceError> {
        let mut all = map(json!({ "title": "A book", "slug": new_v7().to_string(), "pages": 1, "is_lent": false }));
        all.extend(map(fields));
        self.resources.create(&BOOKS, &self.ours, &no_hooks(), all).await
    }

    pub(super) async fn list(&self, parameters: &[(&str, &str)]) -> Page {
        self.try_list(parameters).await.unwrap()
    }

    pub(super) async fn try_list(&self, parameters: &[(&str, &str)]) -> Result<Page, ResourceError> {
        self.resources.list(&BOOKS, &self.ours, &ListQuery::parse(&BOOKS, &pairs(parameters))?).await
    }

    /// The titles of a list that is read to its end, or some other field of it.
    pub(super) async fn all(&self, field: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        self.walk(field, parameters, false).await
    }

    /// As [`Bed::all`], backwards from the last page.
    pub(super) async fn walk(&self, field: &str, parameters: &[(&str, &str)], backwards: bool) -> Vec<Value> {
        let mut page = self.list(parameters).await;
        if backwards {
            while let Some(next) = page.next {
                page = self.list(&with(parameters, &next)).await;
            }
        }
        let mut found: Vec<Value> = of(&page, field);
        while let Some(on) = if backwards { page.previous.take() } else { page.next.take() } {
            page = self.list(&with(parameters, &on)).await;
            let mut more = of(&page, field);
            if backwards {
                std::mem::swap(&mut more, &mut found);
            }
            found.append(&mut more);
        }
        found
    }

    /// The entries of our audit log, oldest first: action, object id, changes.
    pub(super) async fn entries(&self) -> Vec<(String, String, Value)> {
        let orm = self.resources.db().orm_reader();
        let tenant = self.ours.principal.tenant.unwrap();
        let sql = "SELECT action, object_id, changes FROM audit_log WHERE tenant_id = $1 ORDER BY seq";
        let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, [tenant.0.into()]);
        let rows = orm.query_all_raw(statement).await.unwrap();
        let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
        rows.iter()
            .map(|row| {
                let changes = serde_json::from_str(&text(row, "changes")).unwrap();
                (text(row, "action"), text(row, "object_id"), changes)
            })
            .collect()
    }

    pub(super) async fn execute(&self, sql: &str) {
        self.resources.db().orm().execute_unprepared(sql).await.unwrap();
    }
}

fn with<'p>(parameters: &[(&'p str, &'p str)], cursor: &'p str) -> Vec<(&'p str, &'p str)> {
    let mut parameters = parameters.to_vec();
    parameters.retain(|(name, _)| *name != "offset");
    parameters.push(("cursor", cursor));
    parameters
}

/// A field of each row of a page.
pub(super) fn of(page: &Page, field: &str) -> Vec<Value> {
    page.results.iter().map(|row| row[field].clone()).collect()
}

pub(super) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

pub(super) fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn id_of(row: &Row) -> Uuid {
    row.id(&BOOKS).unwrap()
}

/// The problems of an error, as `path CODE`.
pub(super) fn problems<T: std::fmt::Debug>(result: Result<T, ResourceError>) -> Vec<String> {
    match result {
        Err(ResourceError::Query(found) | ResourceError::Invalid(found)) => {
            found.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
        }
        other => panic!("no problems: {other:?}"),
    }
}
