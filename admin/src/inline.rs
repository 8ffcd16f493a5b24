//! Rows of another model that are shown, and changed, on a row's own page.

use std::sync::Arc;

use automate_store::resource::{Expansion, Model, ResourceHooks, no_hooks};
use sea_orm::{EntityTrait, IdenStatic as _};

use crate::column::ListColumn;

/// Rows that belong to the row of a page: a table below its form.
pub trait InlineBaseAdmin: Send + Sync + 'static {
    /// The entity of the rows.
    type Entity: EntityTrait;
    /// Their column that names the page's row. That it is one of the entity's columns is checked by
    /// the compiler, that both hold the same kind of key when the site is started (A008).
    const FOREIGN_KEY: <Self::Entity as EntityTrait>::Column;

    /// The declaration of the rows.
    fn model(&self) -> &'static Model;

    /// The columns of the table; of a stacked inline, the fields of each form.
    fn columns(&self) -> Vec<<Self::Entity as EntityTrait>::Column>;

    /// What the rows are called above the table.
    fn title(&self) -> String {
        crate::column::label_of(self.model().name)
    }

    /// Whether rows can be added, changed and deleted there; they are only shown otherwise.
    fn is_editable(&self) -> bool {
        false
    }

    /// Empty rows that are offered for adding.
    fn extra(&self) -> usize {
        1
    }

    /// Rows at most.
    fn limit(&self) -> u64 {
        50
    }

    /// What happens around a change of the rows.
    fn hooks(&self) -> Arc<dyn ResourceHooks> {
        no_hooks()
    }
}

/// An inline whose rows are forms one below the other, instead of a table.
pub trait StackedInlineBaseAdmin: InlineBaseAdmin {}

/// An inline, erased.
#[derive(Clone)]
pub struct Inline {
    /// The declaration of the rows.
    pub model: &'static Model,
    /// The column that names the page's row.
    pub foreign_key: &'static str,
    /// The columns.
    pub columns: Vec<ListColumn>,
    /// The heading.
    pub title: String,
    /// Whether the rows are forms one below the other.
    pub stacked: bool,
    /// Whether rows can be written.
    pub editable: bool,
    /// Empty rows that are offered.
    pub extra: usize,
    /// Rows at most.
    pub limit: u64,
    /// What happens around a change.
    pub hooks: Arc<dyn ResourceHooks>,
}

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inline({} by {})", self.model.name, self.foreign_key)
    }
}

impl Inline {
    pub(crate) fn of<I: InlineBaseAdmin>(inline: &I, stacked: bool) -> Self {
        Self {
            model: inline.model(),
            foreign_key: I::FOREIGN_KEY.as_str(),
            columns: inline.columns().into_iter().map(ListColumn::of).collect(),
            title: inline.title(),
            stacked,
            editable: inline.is_editable(),
            extra: inline.extra(),
            limit: inline.limit(),
            hooks: inline.hooks(),
        }
    }

    /// How the service reads its rows together with the page's row.
    #[must_use]
    pub fn expansion(&self) -> Expansion {
        let order = self.model.ordering.first().map_or(self.model.key, |(column, _)| column);
        Expansion { name: self.model.name, model: self.model, on: ("id", self.foreign_key), many: true, order }
    }
}
