//! Books: a table of the application's own, listed, filtered, searched, created, changed and deleted
//! at `/api/v1/books`, with all that the system's own resources have; and at `/admin/books/book/`,
//! for people.
//!
//! `cargo run -p automate_books_example -- openapi` shows what comes of the ten lines below.

mod admin;
mod book;

use std::process::ExitCode;
use std::sync::LazyLock;

use automate::prelude::*;
use book::Column::{Author, Pages, RowVersion, TenantId, Title};

static BOOKS: LazyLock<Model> = LazyLock::new(|| {
    let model = Model::of::<book::Entity>("books", "book").writable([Title, Author, Pages]).search([Title, Author]);
    model.filters([Author, Pages]).orderings([Title, Pages]).hidden([TenantId, RowVersion]).build()
});
struct Books;
impl BaseModelViewSet for Books {
    fn model(&self) -> &'static Model {
        &BOOKS
    }
}

fn app() -> App {
    App::new().prepare(book::make_table).viewset(Books).admin(admin::BookAdmin)
}

fn main() -> ExitCode {
    app().run()
}

#[cfg(test)]
mod tests;
