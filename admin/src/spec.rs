//! The declarative part of an admin.

use std::sync::Arc;

use automate_store::resource::{Model, ResourceHooks, no_hooks};
use sea_orm::{EntityTrait, IdenStatic as _};

use crate::action::Action;
use crate::column::{ListColumn, label_of};
use crate::filter::{ListFilter, ShowFacets};
use crate::form::{Fieldset, Widget};
use crate::http::Cx;
use crate::inline::{Inline, InlineBaseAdmin, StackedInlineBaseAdmin};

/// Asked before a row is shown or changed: `(caller, verb, row)`.
pub type MayDo = Arc<dyn Fn(&Cx, Verb, Option<&automate_store::resource::Row>) -> bool + Send + Sync>;

/// Another page of a row: `(what the link says, its address)`.
pub type RowLink = fn(&serde_json::Map<String, serde_json::Value>) -> Option<(String, String)>;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// See rows.
    View,
    /// Add a row.
    Add,
    /// Change a row.
    Change,
    /// Delete a row.
    Delete,
}

impl Verb {
    /// As permissions spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// What an admin is, erased.
#[derive(Clone)]
pub struct Spec {
    /// The model.
    pub model: &'static Model,
    /// One row, in sentences: "book".
    pub noun: String,
    /// Several, as headings have it: "Books".
    pub plural: String,
    /// Where it stands in the navigation.
    pub group: &'static str,
    /// The columns of the list.
    pub list_display: Vec<ListColumn>,
    /// Fields that can be changed in the list.
    pub list_editable: Vec<&'static str>,
    /// The filters of the list.
    pub filters: Vec<ListFilter>,
    /// Whether the choices of the filters have counts.
    pub show_facets: ShowFacets,
    /// The time by which one drills down.
    pub date_hierarchy: Option<&'static str>,
    /// Whether there is a field for searching.
    pub search: bool,
    /// The column that names a row to people: links, pickers, headings.
    pub text: &'static str,
    /// Rows of a page.
    pub per_page: u64,
    /// The fields of the form, by heading; all that may be written where empty.
    pub fieldsets: Vec<Fieldset>,
    /// Fields that the form shows and does not take, besides those that cannot be written.
    pub readonly: Vec<&'static str>,
    /// Fields that are never shown, searched, filtered or exported.
    pub sensitive: Vec<&'static str>,
    /// Widgets other than the kind's own.
    pub widgets: Vec<(&'static str, Widget)>,
    /// Labels other than the name.
    pub labels: Vec<(&'static str, &'static str)>,
    /// Rows of other models on the form's page.
    pub inlines: Vec<Inline>,
    /// What can be done with selected rows.
    pub actions: Vec<Action>,
    /// What happens around a change.
    pub hooks: Arc<dyn ResourceHooks>,
    /// Whether rows can be added, changed and deleted at all.
    pub verbs: Vec<Verb>,
    /// Whether a form offers to save what it holds as a new row.
    pub save_as: bool,
    /// The column that says since when a row is in the trash.
    pub deleted_at: Option<&'static str>,
    /// The columns that say who made a row and who changed it last.
    pub authors: Option<(&'static str, &'static str)>,
    /// Whether rows belong to tenants: set by the layer, and compared with the model (A004).
    pub tenant: Option<&'static str>,
    /// Whether each look at a row is put into the audit log, too.
    pub audit_views: bool,
    /// The columns of an export; none where there is no export.
    pub export: Option<Vec<&'static str>>,
    /// The columns of an import; none where there is no import.
    pub import: Option<Vec<&'static str>>,
    /// More than the model's permissions say.
    pub may: Option<MayDo>,
    /// Pages of the operations part that a row has: `(what the link says, its address of the row)`.
    pub row_link: Option<RowLink>,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spec({})", self.model.name)
    }
}

impl Spec {
    fn shows(&mut self, columns: Vec<&'static str>) {
        self.list_display = columns.into_iter().map(ListColumn::named).collect();
    }

    /// What follows from the model alone: every column that is shown and short, every filter and
    /// order that it declares.
    #[must_use]
    pub fn of(model: &'static Model) -> Self {
        let shown = |c: &&automate_store::resource::Column| c.shown && c.stored && !c.detail && c.needs.is_none();
        let text = ["name", "title", "slug", "email", "key"]
            .into_iter()
            .find(|wanted| model.column(wanted).is_some_and(|column| column.shown))
            .unwrap_or(model.key);
        let mut list: Vec<&'static str> =
            model.columns.iter().filter(shown).map(|c| c.name).filter(|name| *name != model.key).take(6).collect();
        // What names the row comes first; without such a column the key does.
        list.retain(|name| *name != text);
        list.insert(0, text);
        let filters = model
            .columns
            .iter()
            .filter(|c| c.filter && (!c.choices.is_empty() || c.kind == automate_store::resource::ColumnKind::Boolean))
            .map(|c| ListFilter::named(c.name, crate::filter::FilterKind::ByKind))
            .collect();
        let writes = model.columns.iter().any(|c| c.on_create || c.on_update);
        Self {
            model,
            noun: model.noun.replace('_', " "),
            plural: label_of(model.name),
            group: "Data",
            list_display: list.into_iter().map(ListColumn::named).collect(),
            list_editable: Vec::new(),
            filters,
            show_facets: ShowFacets::default(),
            date_hierarchy: None,
            search: model.columns.iter().any(|c| c.search),
            text,
            per_page: 50,
            fieldsets: Vec::new(),
            readonly: Vec::new(),
            sensitive: Vec::new(),
            widgets: Vec::new(),
            labels: Vec::new(),
            inlines: Vec::new(),
            actions: Vec::new(),
            hooks: no_hooks(),
            verbs: if writes { vec![Verb::View, Verb::Add, Verb::Change, Verb::Delete] } else { vec![Verb::View] },
            save_as: false,
            deleted_at: None,
            authors: None,
            tenant: None,
            audit_views: false,
            export: None,
            import: None,
            may: None,
            row_link: None,
        }
    }

    /// Where its list is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("/admin/{}/{}/", self.model.app, self.model.permission)
    }

    /// Where a row's page is.
    #[must_use]
    pub fn row_url(&self, id: &str) -> String {
        format!("{}{id}/change/", self.url())
    }

    /// The label of a field.
    #[must_use]
    pub fn label(&self, field: &str) -> String {
        let own = self.labels.iter().find(|(name, _)| *name == field);
        own.map_or_else(|| label_of(field), |(_, label)| (*label).to_owned())
    }

    /// Whether somebody may do something with rows, or with one of them.
    #[must_use]
    pub fn allows(&self, cx: &Cx, verb: Verb, row: Option<&automate_store::resource::Row>) -> bool {
        self.verbs.contains(&verb)
            && cx.can(&self.model.permission_for(verb.as_str()))
            && self.may.as_ref().is_none_or(|may| may(cx, verb, row))
    }
}

/// Declares a [`Spec`] with the entity's own columns, so that a wrong name does not compile.
#[derive(Debug)]
pub struct AdminSpec<E: EntityTrait> {
    pub(crate) spec: Spec,
    entity: std::marker::PhantomData<E>,
}

/// The names of an entity's columns. A loop and no iterators: it is compiled anew for each entity.
pub(crate) fn names<C: sea_orm::ColumnTrait>(columns: &[C]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for column in columns {
        names.push(column.as_str());
    }
    names
}

impl<E: EntityTrait> AdminSpec<E> {
    pub(crate) fn of(model: &'static Model) -> Self {
        Self { spec: Spec::of(model), entity: std::marker::PhantomData }
    }

    /// The columns of the list, in order. The first one leads to the row.
    pub fn list_display(&mut self, columns: impl AsRef<[E::Column]>) -> &mut Self {
        self.spec.shows(names(columns.as_ref()));
        self
    }

    /// One more column of the list: a computed one, or one over a relation.
    pub fn list_column(&mut self, column: ListColumn) -> &mut Self {
        self.spec.list_display.push(column);
        self
    }

    /// Fields that can be changed in the list itself.
    pub fn list_editable(&mut self, columns: impl AsRef<[E::Column]>) -> &mut Self {
        self.spec.list_editable = names(columns.as_ref());
        self
    }

    /// The filters of the list.
    pub fn list_filter(&mut self, filters: impl IntoIterator<Item = ListFilter>) -> &mut Self {
        self.spec.filters = filters.into_iter().collect();
        self
    }

    /// Whether the list says how many rows each choice of its filters would give: where somebody asks
    /// for it, unless this says otherwise.
    pub fn show_facets(&mut self, show: ShowFacets) -> &mut Self {
        self.spec.show_facets = show;
        self
    }

    /// The time by which one drills down into years, months and days.
    pub fn date_hierarchy(&mut self, column: E::Column) -> &mut Self {
        self.spec.date_hierarchy = Some(column.as_str());
        self
    }

    /// The column that names a row to people.
    pub fn text(&mut self, column: E::Column) -> &mut Self {
        self.spec.text = column.as_str();
        self
    }

    /// Rows of a page.
    pub fn per_page(&mut self, rows: u64) -> &mut Self {
        self.spec.per_page = rows;
        self
    }

    /// The fields of the form under headings.
    pub fn fieldsets(&mut self, fieldsets: impl IntoIterator<Item = Fieldset>) -> &mut Self {
        self.spec.fieldsets = fieldsets.into_iter().collect();
        self
    }

    /// Fields that are shown in the form and not taken from it.
    pub fn readonly_fields(&mut self, columns: impl AsRef<[E::Column]>) -> &mut Self {
        self.spec.readonly = names(columns.as_ref());
        self
    }

    /// Fields that are shown nowhere.
    pub fn sensitive(&mut self, columns: impl AsRef<[E::Column]>) -> &mut Self {
        self.spec.sensitive = names(columns.as_ref());
        self
    }

    /// The widget of a field.
    pub fn widget(&mut self, column: E::Column, widget: Widget) -> &mut Self {
        self.spec.widgets.push((column.as_str(), widget));
        self
    }

    /// The label of a field.
    pub fn label(&mut self, column: E::Column, label: &'static str) -> &mut Self {
        self.spec.labels.push((column.as_str(), label));
        self
    }

    /// Rows of another model, as a table below the form.
    pub fn inline<I: InlineBaseAdmin>(&mut self, inline: I) -> &mut Self {
        self.spec.inlines.push(Inline::of(&inline, false));
        self
    }

    /// Rows of another model, as forms one below the other.
    pub fn stacked_inline<I: StackedInlineBaseAdmin>(&mut self, inline: I) -> &mut Self {
        self.spec.inlines.push(Inline::of(&inline, true));
        self
    }

    /// Something that can be done with selected rows.
    pub fn action(&mut self, action: Action) -> &mut Self {
        self.spec.actions.push(action);
        self
    }

    /// What happens around a change, in its transaction.
    pub fn hooks(&mut self, hooks: Arc<dyn ResourceHooks>) -> &mut Self {
        self.spec.hooks = hooks;
        self
    }

    /// What can be done with rows at all; what is left out has no page.
    pub fn verbs(&mut self, verbs: impl IntoIterator<Item = Verb>) -> &mut Self {
        self.spec.verbs = verbs.into_iter().collect();
        self
    }

    /// Forms offer to save what they hold as a new row.
    pub fn save_as(&mut self) -> &mut Self {
        self.spec.save_as = true;
        self
    }

    /// Where it stands in the navigation, and what its rows are called there.
    pub fn placed(&mut self, group: &'static str, plural: impl Into<String>) -> &mut Self {
        self.spec.group = group;
        self.spec.plural = plural.into();
        self
    }

    /// A page that a row has besides its form.
    pub fn row_link(&mut self, link: RowLink) -> &mut Self {
        self.spec.row_link = Some(link);
        self
    }
}
