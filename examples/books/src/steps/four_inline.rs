use std::sync::LazyLock;

use automate::admin::{AdminSpec, InlineBaseAdmin};
use automate::prelude::*;

use super::entity::{book, review};
use super::two_find::BOOKS;

pub static REVIEWS: LazyLock<Model> = LazyLock::new(|| {
    use review::Column::*;
    Model::of::<review::Entity>("reviews", "review").writable([Text, Stars]).build()
});

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

pub struct BookAdmin;
impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = ();
    fn model(&self) -> &'static Model {
        &BOOKS
    }
    fn configure(&self, spec: &mut AdminSpec<book::Entity>) {
        spec.inline(Reviews);
    }
}
