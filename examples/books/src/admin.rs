//! The pages for people.

use automate::admin::layers::{BulkActions, BulkActionsMixin, ImportExport, ImportExportBaseAdmin};
use automate::admin::{Action, ActionOutcome, AdminSpec, ListFilter, Selection};
use automate::prelude::*;
use automate::store::resource::no_hooks;
use serde_json::{Map, json};

use crate::BOOKS;
use crate::book::{self, Column};

/// A list that is sorted, searched, filtered, changed in place, imported and exported, and an action.
pub(crate) struct BookAdmin;

impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = (ImportExport, BulkActions);

    fn model(&self) -> &'static Model {
        &BOOKS
    }

    fn configure(&self, spec: &mut AdminSpec<book::Entity>) {
        spec.list_display([Column::Title, Column::Author, Column::Pages, Column::CreatedAt])
            .list_editable([Column::Pages])
            .list_filter([ListFilter::of(Column::Author), ListFilter::range(Column::Pages)]);
    }
}

impl ImportExportBaseAdmin for BookAdmin {}

impl BulkActionsMixin for BookAdmin {
    fn get_actions(&self) -> Vec<Action> {
        let shorten = |cx: automate::admin::Cx, selection: Selection| async move {
            let mut outcome = ActionOutcome::default();
            let resources = cx.state().resources();
            for id in selection.ids {
                let fields = Map::from_iter([("pages".to_owned(), json!(1))]);
                match resources.update(&BOOKS, &cx.writer(), &no_hooks(), id, fields, None).await {
                    Ok(_) => outcome.done += 1,
                    Err(error) => outcome.failed.push((id, error.to_string())),
                }
            }
            Ok(outcome)
        };
        vec![Action::new("shorten", "Shorten", "books.change_book", shorten).consequence("cut to one page each")]
    }
}
