//! The fields of a model's form: which there are, and which may be typed in.

mod choices;
mod show;
mod typed;

use automate_store::resource::{Column, ColumnKind, Model, Row};
use serde_json::{Map, Value};

use crate::column::label_of;
use crate::control::Field;
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::form::{FieldErrors, Widget};
use crate::http::{Cx, Fields};
use crate::schema_form::SchemaForm;
use crate::spec::{Spec, Verb};

pub(super) use choices::Picks;
pub(super) use show::shown_text;

/// One column in a form.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) column: &'static Column,
    pub(super) label: String,
    pub(super) widget: Option<Widget>,
    /// Whether it is taken from what is posted.
    pub(super) writable: bool,
    /// Whether it must be filled in.
    pub(super) required: bool,
}

/// Slots under one heading.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) folded: bool,
    pub(super) slots: Vec<Slot>,
}

/// Fields under one heading, as the page shows them.
#[derive(Debug, Clone)]
pub(super) struct SectionView {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) folded: bool,
    pub(super) fields: Vec<Field>,
}

/// What fields are filled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) values: &'a Map<String, Value>,
    /// What was typed; it comes before what is stored.
    pub(super) posted: Option<&'a Fields>,
}

/// A form: its sections.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) sections: Vec<Section>,
}

/// Whether whoever adds or changes a row of a model may give a column at all.
pub(super) fn takes(cx: &Cx, model: &Model, sensitive: &[&str], column: &Column, verb: Verb) -> bool {
    let own = [model.tenant, model.version, model.created_at, model.updated_at];
    let given = if verb == Verb::Add { column.on_create } else { column.on_update };
    given
        && !own.contains(&Some(column.name))
        && !sensitive.contains(&column.name)
        && column.kind != ColumnKind::Bytes
        && column.needs.is_none_or(|permission| cx.can(permission))
}

/// Whether a column is shown at all.
fn seen(model: &Model, sensitive: &[&str], column: &Column) -> bool {
    column.shown
        && column.stored
        && !sensitive.contains(&column.name)
        && Some(column.name) != model.tenant
        && column.kind != ColumnKind::Bytes
}

pub(super) fn slot(column: &'static Column, label: String, widget: Option<Widget>, writable: bool, verb: Verb) -> Slot {
    // A text that may be left out may be empty as well.
    let left_out = column.optional && (verb == Verb::Add || column.kind == ColumnKind::Text);
    let required = !column.nullable && !left_out && column.stored;
    Slot { column, label, widget, writable, required }
}

impl Plan {
    /// The form for adding a row, or for changing `row`. Whoever may only look gets fields that are
    /// only shown.
    pub(super) async fn of(cx: &Cx, admin: &dyn AnyAdmin, row: Option<&Row>) -> Result<Self, AdminError> {
        let spec = admin.spec();
        let verb = if row.is_some() { Verb::Change } else { Verb::Add };
        let may = spec.allows(cx, verb, row);
        let widgets = admin.widgets(cx, row).await?;
        let mut readonly = admin.readonly_fields(cx, row);
        readonly.extend(spec.authors.into_iter().flat_map(|(created, updated)| [created, updated]));
        readonly.extend(spec.deleted_at);
        let slot_of = |name: &'static str| {
            let column = spec.model.column(name)?;
            let takes = may && !readonly.contains(&name) && takes(cx, spec.model, &spec.sensitive, column, verb);
            let is_input = !column.stored && takes;
            if !(is_input || seen(spec.model, &spec.sensitive, column)) || (row.is_none() && !takes) {
                return None;
            }
            let given = widgets.iter().chain(&spec.widgets).find(|(of, _)| *of == name);
            let label = spec.label(name);
            let label = if column.references.is_some() && label == label_of(name) {
                label_of(name.strip_suffix("_id").unwrap_or(name))
            } else {
                label
            };
            Some(slot(column, label, given.map(|(_, widget)| widget.clone()), takes, verb))
        };
        let declared = admin.fieldsets(cx, row);
        let mut sections = Vec::new();
        if declared.is_empty() {
            let all: Vec<Slot> = spec.model.columns.iter().filter_map(|column| slot_of(column.name)).collect();
            let (typed, facts): (Vec<Slot>, Vec<Slot>) = all.into_iter().partition(|slot| slot.writable);
            sections.push(Section { title: String::new(), description: String::new(), folded: false, slots: typed });
            let title = if sections[0].slots.is_empty() { String::new() } else { "Facts".to_owned() };
            sections.push(Section { title, description: String::new(), folded: false, slots: facts });
        } else {
            for set in declared {
                sections.push(Section {
                    title: set.title.to_owned(),
                    description: set.description.to_owned(),
                    folded: set.folded,
                    slots: set.fields.iter().filter_map(|name| slot_of(name)).collect(),
                });
            }
        }
        sections.retain(|section| !section.slots.is_empty());
        Ok(Self { sections })
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.sections.iter().flat_map(|section| &section.slots)
    }

    pub(super) fn writable(&self) -> impl Iterator<Item = &Slot> {
        self.slots().filter(|slot| slot.writable)
    }

    /// The fields as the page shows them.
    pub(super) fn views(&self, cx: &Cx, picks: &Picks, held: Held<'_>, errors: &FieldErrors) -> Vec<SectionView> {
        let view = |section: &Section| {
            let fields = section.slots.iter().flat_map(|slot| slot.fields(cx, slot.column.name, picks, held, errors));
            let fields = fields.collect::<Vec<Field>>();
            // What is wrong stands open.
            let folded = section.folded && fields.iter().all(|field| field.errors.is_empty());
            SectionView { title: section.title.clone(), description: section.description.clone(), folded, fields }
        };
        self.sections.iter().map(view).collect()
    }

    /// What was typed, as values. What is wrong goes to `errors`.
    pub(super) fn read(
        &self,
        cx: &Cx,
        posted: &Fields,
        stored: &Map<String, Value>,
        errors: &mut FieldErrors,
    ) -> Map<String, Value> {
        let mut read = Map::new();
        for slot in self.writable() {
            let name = slot.column.name;
            if let Some(value) = slot.read(cx, name, posted, stored.get(name), errors) {
                read.insert(name.to_owned(), value);
            }
        }
        read
    }

    /// Columns that were posted and are not taken from the form: nobody who used the form has sent
    /// them.
    pub(super) fn forged(&self, spec: &Spec, posted: &Fields) -> Vec<String> {
        let taken: Vec<&str> = self.writable().map(|slot| slot.column.name).collect();
        let mut forged: Vec<String> = Vec::new();
        for (name, _) in posted.pairs() {
            let column = name.strip_suffix("__id").unwrap_or(name);
            let column = column.split('.').next().unwrap_or_default();
            let known = spec.model.column(column).is_some() && column != ROW_VERSION;
            if known && !taken.contains(&column) && !forged.iter().any(|other| other == column) {
                forged.push(column.to_owned());
            }
        }
        forged
    }
}

/// The field with the version that a form was made of.
pub(super) const ROW_VERSION: &str = "row_version";

/// The form of a slot's schema, where its widget has one.
fn schema_of(slot: &Slot, name: &str) -> Option<SchemaForm> {
    match &slot.widget {
        Some(Widget::SchemaOf(schema)) => Some(SchemaForm::of(name, schema)),
        Some(Widget::Schema(text)) => Some(SchemaForm::of(name, &serde_json::from_str(text).unwrap_or_default())),
        _ => None,
    }
}
