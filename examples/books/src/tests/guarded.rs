//! Rows of which an admin says for each who may do what with it.

use automate::admin::layers::{BulkActions, BulkActionsMixin, Export, ExportMixin};
use automate::admin::{Action, AdminSpec, Cx, InlineBaseAdmin, PermissionMixin, Permissions};
use automate::core::ids::new_v7;
use automate::store::db::Database;
use automate::store::error::store_error;
use automate::store::resource::Row;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, EntityTrait as _, Order, Schema};

use super::*;
use crate::book::Column;
use crate::steps::entity::review;
use crate::steps::four_inline::REVIEWS;

/// Books of `Hidden` are seen by nobody, those of `Fixed` are changed and deleted by nobody.
struct Guarded;

fn is_by(row: Option<&Row>, author: &str) -> bool {
    row.is_some_and(|row| row.fields.get("author") == Some(&json!(author)))
}

impl BaseModelAdmin for Guarded {
    type Entity = book::Entity;
    type Layers = (Export, BulkActions, Permissions);
    fn model(&self) -> &'static Model {
        &BOOKS
    }
    fn configure(&self, spec: &mut AdminSpec<book::Entity>) {
        spec.list_display([Column::Title, Column::Author, Column::Pages])
            .list_editable([Column::Pages])
            .inline(Reviews);
    }
}
impl ExportMixin for Guarded {}
impl BulkActionsMixin for Guarded {
    fn get_actions(&self) -> Vec<Action> {
        admin::BookAdmin.get_actions()
    }
}
impl PermissionMixin for Guarded {
    fn has_view_permission(&self, _: &Cx, row: Option<&Row>) -> bool {
        !is_by(row, "Hidden")
    }
    fn has_change_permission(&self, _: &Cx, row: Option<&Row>) -> bool {
        !is_by(row, "Fixed")
    }
    fn has_delete_permission(&self, _: &Cx, row: Option<&Row>) -> bool {
        !is_by(row, "Fixed")
    }
}

struct Reviews;
impl InlineBaseAdmin for Reviews {
    type Entity = review::Entity;
    const FOREIGN_KEY: review::Column = review::Column::BookId;
    fn model(&self) -> &'static Model {
        &REVIEWS
    }
    fn columns(&self) -> Vec<review::Column> {
        vec![review::Column::Stars, review::Column::Text]
    }
    fn is_editable(&self) -> bool {
        true
    }
}

/// Nobody adds reviews; those of five stars stay as they are, those of none are not shown.
struct ReviewAdmin;
impl BaseModelAdmin for ReviewAdmin {
    type Entity = review::Entity;
    type Layers = (Permissions,);
    fn model(&self) -> &'static Model {
        &REVIEWS
    }
}
impl PermissionMixin for ReviewAdmin {
    fn has_view_permission(&self, _: &Cx, row: Option<&Row>) -> bool {
        row.is_none_or(|row| row.fields.get("stars") != Some(&json!(0)))
    }
    fn has_add_permission(&self, _: &Cx) -> bool {
        false
    }
    fn has_change_permission(&self, _: &Cx, row: Option<&Row>) -> bool {
        row.is_none_or(|row| row.fields.get("stars") != Some(&json!(5)))
    }
    fn has_delete_permission(&self, cx: &Cx, row: Option<&Row>) -> bool {
        self.has_change_permission(cx, row)
    }
}

async fn make_reviews(database: Database) -> Result<(), automate::core::store::StoreError> {
    let orm = database.orm();
    let mut table = Schema::new(orm.get_database_backend()).create_table_from_entity(review::Entity);
    orm.execute(table.if_not_exists()).await.map_err(store_error)?;
    Ok(())
}

fn guarded() -> App {
    App::new().prepare(book::make_table).prepare(make_reviews).viewset(Books).admin(Guarded).admin(ReviewAdmin)
}

/// Somebody who may do everything, at their browser.
struct Reader<'l> {
    library: &'l Library,
    cookie: String,
    csrf: String,
}

impl<'l> Reader<'l> {
    async fn of(library: &'l Library) -> Self {
        let cookie = library.cookie().await;
        let mut reader = Self { library, cookie, csrf: String::new() };
        let (_, page) = reader.get("/admin/me/").await;
        reader.csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        reader
    }

    async fn get(&self, at: &str) -> (u16, String) {
        let (head, body) = self.library.send("GET", at, &format!("cookie: {}\r\n", self.cookie), "").await;
        (head[9..12].parse().unwrap(), body)
    }

    /// The status, and where it leads or else the page.
    async fn post(&self, at: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let csrf = [("csrf", self.csrf.as_str())];
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let pairs = fields.iter().chain(&csrf).map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let headers = format!("cookie: {}\r\n{form}", self.cookie);
        let (head, page) = self.library.send("POST", at, &headers, &pairs.collect::<Vec<_>>().join("&")).await;
        let to = head.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned);
        (head[9..12].parse().unwrap(), to.unwrap_or(page))
    }

    async fn pages(&self, id: &str) -> Value {
        self.library.get(&format!("/api/v1/books/{id}")).await["pages"].clone()
    }
}

const BOOKS_PAGE: &str = "/admin/books/book/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_its_admin_keeps_from_somebody_is_not_there_for_them() {
    let library = Library::of(guarded()).await;
    let (dune, secret) = (library.add("Dune", "Herbert", 612).await, library.add("Zebra", "Hidden", 99).await);
    let reader = Reader::of(&library).await;
    let none = new_v7().to_string();
    let (status, list) = reader.get(BOOKS_PAGE).await;
    assert!(status == 200 && list.contains("Dune") && list.contains("1 row<") && !list.contains("Zebra"), "{list}");
    for at in ["export/?format=csv", "export/?format=jsonl", "autocomplete/", "autocomplete/?q=Zebra", "?q=Zebra"] {
        let (status, file) = reader.get(&format!("{BOOKS_PAGE}{at}")).await;
        assert!(status == 200 && !file.contains(&secret), "{at}: {file}");
        assert_eq!(file.contains("Dune"), !at.contains('q'), "{at}: {file}");
    }
    let (_, found) = reader.get("/admin/palette/?q=Zebra").await;
    assert!(!found.contains(&secret), "{found}");
    for page in ["change", "delete", "history"] {
        let at = |id: &str| format!("{BOOKS_PAGE}{id}/{page}/");
        assert_eq!(reader.get(&at(&dune)).await.0, 200, "{page}");
        let ((status, kept), (_, absent)) = (reader.get(&at(&secret)).await, reader.get(&at(&none)).await);
        assert!(status == 404 && kept.len() == absent.len(), "{page}: {kept}\n{absent}");
        let fields = [("title", "Mine"), ("row_version", "1"), ("_save", "1")];
        let ((status, kept), (_, absent)) =
            (reader.post(&at(&secret), &fields).await, reader.post(&at(&none), &fields).await);
        let refused = if page == "history" { 405 } else { 404 };
        assert!(status == refused && kept.len() == absent.len(), "{page}: {kept}\n{absent}");
    }
    let (version, name, was) = (format!("version.{secret}"), format!("pages.{secret}"), format!("was.pages.{secret}"));
    let fields = [(version.as_str(), "1"), (name.as_str(), "3"), (was.as_str(), "99")];
    assert_eq!(reader.post(&format!("{BOOKS_PAGE}edit/"), &fields).await.0, 409);
    for action in ["shorten", "delete"] {
        let (_, run) =
            reader.post(&format!("{BOOKS_PAGE}actions/"), &[("action", action), ("pk", secret.as_str())]).await;
        let (_, page) = reader.get(&run).await;
        assert!(!page.contains("Zebra"), "{page}");
        drop(reader.post(&run, &[]).await);
    }
    assert_eq!(reader.pages(&secret).await, 99);
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_may_not_change_is_shown_and_stays_as_it_is() {
    let library = Library::of(guarded()).await;
    let (dune, stone) = (library.add("Dune", "Herbert", 612).await, library.add("Stone", "Fixed", 300).await);
    let reader = Reader::of(&library).await;
    let (_, list) = reader.get(BOOKS_PAGE).await;
    assert!(list.contains("Stone") && list.contains("2 rows"), "{list}");
    assert!(list.contains(&format!("\"pages.{dune}\"")) && !list.contains(&format!("\"pages.{stone}\"")), "{list}");
    let at = |page: &str| format!("{BOOKS_PAGE}{stone}/{page}/");
    let (status, form) = reader.get(&at("change")).await;
    assert!(status == 200 && !form.contains("_save") && !form.contains(&at("delete")), "{form}");
    for (page, fields) in
        [("change", vec![("title", "Mine"), ("row_version", "1")]), ("delete", vec![("row_version", "1")])]
    {
        assert_eq!(reader.post(&at(page), &fields).await.0, 403, "{page}");
    }
    assert_eq!(reader.get(&at("delete")).await.0, 403);
    let (version, name, was) = (format!("version.{stone}"), format!("pages.{stone}"), format!("was.pages.{stone}"));
    let fields = [(version.as_str(), "1"), (name.as_str(), "3"), (was.as_str(), "300")];
    assert_eq!(reader.post(&format!("{BOOKS_PAGE}edit/"), &fields).await.0, 409);
    // What is done with many rows is done with those that it may be done with, and says so of the others.
    for action in ["shorten", "delete"] {
        let picked = [("action", action), ("pk", dune.as_str()), ("pk", stone.as_str())];
        let (_, run) = reader.post(&format!("{BOOKS_PAGE}actions/"), &picked).await;
        let (status, to) = reader.post(&run, &[]).await;
        assert!(status == 303 && to.contains("/runs/"), "{action}: {to}");
        let (_, report) = reader.get(&run).await;
        assert!(report.contains("You may not do this with it.") && report.contains("Stone"), "{action}: {report}");
        assert_eq!(reader.pages(&stone).await, 300, "{action}");
    }
    assert_eq!(library.get("/api/v1/books").await["results"].as_array().unwrap().len(), 1);
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a10_rows_cannot_be_slipped_into_an_inline_that_does_not_take_them() {
    let library = Library::of(guarded()).await;
    let dune = library.add("Dune", "Herbert", 612).await;
    let orm = library.parts.database.orm();
    let mut ids = Vec::new();
    for (text, stars) in [("so so", 3), ("a classic", 5), ("unseen", 0)] {
        let id = new_v7();
        let row = review::ActiveModel {
            id: Set(id),
            tenant_id: Set(TenantId::DEFAULT.0),
            book_id: Set(dune.parse().unwrap()),
            text: Set(text.to_owned()),
            stars: Set(stars),
            row_version: Set(1),
            created_at: Set(std::time::SystemTime::UNIX_EPOCH.into()),
        };
        review::Entity::insert(row).exec(orm).await.unwrap();
        ids.push(id.to_string());
    }
    let reader = Reader::of(&library).await;
    let at = format!("{BOOKS_PAGE}{dune}/change/");
    let (_, form) = reader.get(&at).await;
    assert!(form.contains("so so") && form.contains("a classic") && !form.contains("unseen"), "{form}");
    assert!(!form.contains("Add another review") && form.matches("-DELETE\" value=").count() == 1, "{form}");
    assert_eq!(form.matches("name=\"reviews-0-text\"").count() + form.matches("name=\"reviews-1-text\"").count(), 1);
    let one = |id: &str, more: &[(&'static str, &'static str)]| {
        let book = [("title", "Dune"), ("author", "Herbert"), ("pages", "612"), ("row_version", "1"), ("_save", "1")];
        let row = [("reviews-TOTAL_FORMS", "1"), ("reviews-0-row_version", "1")];
        let mut all: Vec<(&str, String)> =
            book.iter().chain(&row).chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
        all.push(("reviews-0-id", id.to_owned()));
        all
    };
    let post = async |fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        reader.post(&at, &fields).await.0
    };
    let text = [("reviews-0-text", "forged"), ("reviews-0-stars", "1")];
    assert_eq!(post(one("", &text)).await, 403, "nobody adds reviews");
    assert_eq!(post(one(&ids[1], &[("reviews-0-DELETE", "1")])).await, 403, "five stars stay");
    assert_eq!(post(one(&ids[1], &text)).await, 303, "what the form does not have is dropped");
    assert_eq!(post(one(&ids[2], &text)).await, 422, "what is not seen is not there");
    assert_eq!(post(one(&ids[0], &text)).await, 303);
    let rows = review::Entity::find().order_by_id(Order::Asc).all(orm).await.unwrap();
    let texts: Vec<(&str, i32)> = rows.iter().map(|row| (row.text.as_str(), row.stars)).collect();
    assert_eq!(texts, [("forged", 1), ("a classic", 5), ("unseen", 0)]);
    library.close().await;
}
