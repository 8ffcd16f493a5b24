use automate::admin::{Action, ActionOutcome, AdminSpec, Fieldset};
use automate::prelude::*;
use automate::store::resource::no_hooks;
use serde_json::{Map, Value};

use super::entity::book;
use super::two_find::BOOKS;

pub struct BookAdmin;
impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = ();
    fn model(&self) -> &'static Model {
        &BOOKS
    }
    fn configure(&self, spec: &mut AdminSpec<book::Entity>) {
        use book::Column::*;
        spec.fieldsets([
            Fieldset::new("", [Title, AuthorId]),
            Fieldset::new("About it", [Pages, PublishedAt, Lent]).describe("What the catalogue shows."),
        ])
        .save_as()
        .action(
            Action::new("give_back", "Mark as given back", "books.change_book", |cx, selection| async move {
                let fields = Map::from_iter([("lent".to_owned(), Value::Bool(false))]);
                let mut outcome = ActionOutcome::default();
                for id in selection.ids {
                    let (model, writer) = (&*BOOKS, cx.writer());
                    match cx.state().resources().update(model, &writer, &no_hooks(), id, fields.clone(), None).await {
                        Ok(_) => outcome.done += 1,
                        Err(error) => outcome.failed.push((id, error.to_string())),
                    }
                }
                Ok(outcome)
            })
            .consequence("They can be lent again."),
        );
    }
}
