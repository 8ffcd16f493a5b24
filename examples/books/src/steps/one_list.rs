use std::sync::LazyLock;

use automate::prelude::*;

use super::entity::book;

pub static BOOKS: LazyLock<Model> = LazyLock::new(|| {
    use book::Column::*;
    Model::of::<book::Entity>("books", "book").writable([Title, AuthorId, Pages, Lent, PublishedAt]).build()
});

#[derive(Default)]
pub struct BookAdmin;
impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = ();
    fn model(&self) -> &'static Model {
        &BOOKS
    }
}
