use std::sync::LazyLock;

use automate::admin::{AdminSpec, ListColumn, ListFilter};
use automate::prelude::*;

use super::entity::{author, book};

pub static AUTHORS: LazyLock<Model> = LazyLock::new(|| {
    use author::Column::*;
    Model::of::<author::Entity>("authors", "author").writable([Name]).search([Name]).build()
});

pub static BOOKS: LazyLock<Model> = LazyLock::new(|| {
    use book::Column::*;
    Model::of::<book::Entity>("books", "book")
        .writable([Title, AuthorId, Pages, Lent, PublishedAt])
        .references(AuthorId, &AUTHORS)
        .search([Title])
        .filters([AuthorId, Lent, Pages, PublishedAt, DeletedAt])
        .orderings([Title, Pages, PublishedAt])
        .describe(PublishedAt, "When it first came out; empty where nobody knows.")
        .build()
});

pub struct AuthorAdmin;
impl BaseModelAdmin for AuthorAdmin {
    type Entity = author::Entity;
    type Layers = ();
    fn model(&self) -> &'static Model {
        &AUTHORS
    }
}

pub struct BookAdmin;
impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = ();
    fn model(&self) -> &'static Model {
        &BOOKS
    }
    fn configure(&self, spec: &mut AdminSpec<book::Entity>) {
        use book::Column::*;
        spec.list_display([Title, Pages, Lent])
            .list_column(ListColumn::related(AuthorId))
            .list_filter([ListFilter::of(Lent), ListFilter::related(AuthorId), ListFilter::range(Pages)])
            .list_editable([Lent])
            .date_hierarchy(PublishedAt);
    }
}
