//! Rows of other models on a row's own page: shown, and stored together with it in one transaction.

mod store;

use automate_core::limits;
use automate_store::resource::{Comparison, ListQuery, Row};
use serde_json::{Map, Value};

use super::fields::{Held, Picks, Slot, slot, takes};
use super::list::judged;
use super::narrowed;
use crate::column::label_of;
use crate::control::Field;
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields};
use crate::inline::Inline;
use crate::spec::{MayDo, Spec, Verb};
pub(super) use store::{InlineChange, InlineChanges};

/// Rows of one inline that are posted, at most.
const POSTED: usize = limits::LIST_LIMIT_MAX as usize;

/// An inline of a page.
#[derive(Debug)]
pub(super) struct InlineView {
    pub(super) prefix: String,
    pub(super) title: String,
    pub(super) noun: String,
    pub(super) stacked: bool,
    pub(super) adds: bool,
    pub(super) deletes: bool,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<InlineRow>,
    /// The row that a script copies.
    pub(super) empty: Option<InlineRow>,
    pub(super) most: usize,
    /// Said below: that there are more.
    pub(super) note: String,
}

/// One row of it.
#[derive(Debug)]
pub(super) struct InlineRow {
    pub(super) prefix: String,
    pub(super) id: String,
    pub(super) version: String,
    pub(super) url: String,
    pub(super) fields: Vec<Field>,
    pub(super) deletes: bool,
    pub(super) deleted: bool,
    pub(super) errors: Vec<String>,
}

/// An inline as far as whoever asks may use it.
pub(super) struct Block<'s> {
    inline: &'s Inline,
    /// What the model's own admin says of single rows.
    own: Option<MayDo>,
    prefix: String,
    may: [bool; 3],
    add: Vec<Slot>,
    change: Vec<Slot>,
    /// Of rows that its own admin lets nobody change.
    fixed: Vec<Slot>,
    stored: Vec<Row>,
    cut: bool,
}

impl<'s> Block<'s> {
    /// The inlines of a page, with the rows of `row`. Whoever may not see rows of a model is not told
    /// of its inline.
    pub(super) async fn all(cx: &Cx, spec: &'s Spec, row: Option<&Row>) -> Result<Vec<Self>, AdminError> {
        let mut blocks: Vec<Self> = Vec::new();
        // They are stored with the row: who may not store that, only looks at them.
        let stores = spec.allows(cx, if row.is_some() { Verb::Change } else { Verb::Add }, row);
        for (at, inline) in spec.inlines.iter().enumerate() {
            let model = inline.model;
            let can = |verb: &str| cx.can(&model.permission_for(verb));
            if !can("view") {
                continue;
            }
            let mut prefix = model.name.replace('-', "_");
            if blocks.iter().any(|other| other.prefix == prefix) {
                prefix = format!("{prefix}{at}");
            }
            let theirs = cx.state().site().of(model.name).map(|admin| admin.spec());
            let own = theirs.and_then(|spec| spec.may.clone());
            let mut may = ["add", "change", "delete"].map(|verb| stores && inline.editable && can(verb));
            may[0] &= own.as_ref().is_none_or(|own| own(cx, Verb::Add, None));
            let sensitive = theirs.map(|spec| spec.sensitive.clone()).unwrap_or_default();
            let slots = |verb: Verb, may: bool| -> Vec<Slot> {
                let columns = inline.columns.iter().filter_map(|column| Some((column, model.column(column.key)?)));
                let columns = columns.filter(|(_, column)| column.shown && !sensitive.contains(&column.name));
                columns
                    .map(|(shown, column)| {
                        let takes =
                            may && column.name != inline.foreign_key && takes(cx, model, &sensitive, column, verb);
                        let widgets = theirs.map(|spec| spec.widgets.as_slice()).unwrap_or_default();
                        let widget =
                            widgets.iter().find(|(name, _)| *name == column.name).map(|(_, widget)| widget.clone());
                        slot(column, shown.label.clone(), widget, takes, verb)
                    })
                    .collect()
            };
            let (add, change) = (slots(Verb::Add, may[0]), slots(Verb::Change, may[1]));
            let fixed = slots(Verb::Change, false);
            let (stored, cut) = match row.and_then(|row| row.fields.get(spec.model.key)) {
                Some(parent) => Self::read_rows(cx, inline, parent.clone()).await?,
                None => (Vec::new(), false),
            };
            let mut block = Self { inline, own, prefix, may, add, change, fixed, stored, cut };
            let seen = std::mem::take(&mut block.stored).into_iter();
            block.stored = seen.filter(|row| block.allows(cx, Verb::View, Some(row))).collect();
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Whether the model's own admin lets somebody do something with a row.
    fn allows(&self, cx: &Cx, verb: Verb, row: Option<&Row>) -> bool {
        self.own.as_ref().is_none_or(|may| may(cx, verb, row))
    }

    /// Its fields for a row that is stored, or for a new one.
    fn slots_of(&self, cx: &Cx, stored: Option<&Row>) -> &[Slot] {
        match stored {
            None => &self.add,
            Some(row) if self.allows(cx, Verb::Change, Some(row)) => &self.change,
            Some(_) => &self.fixed,
        }
    }

    /// Whether somebody may take a stored row away.
    fn deletes(&self, cx: &Cx, row: &Row) -> bool {
        self.may[2] && self.allows(cx, Verb::Delete, Some(row))
    }

    async fn read_rows(cx: &Cx, inline: &Inline, parent: Value) -> Result<(Vec<Row>, bool), AdminError> {
        let (model, resources) = (inline.model, cx.state().resources());
        let mut query = ListQuery { limit: inline.limit.clamp(1, limits::LIST_LIMIT_MAX), ..ListQuery::default() };
        query.fields = inline.columns.iter().map(|column| column.key).chain([model.key]).collect();
        query.fields.retain(|name| model.column(name).is_some_and(|column| column.shown && column.stored));
        query.fields.dedup();
        if let Some(admin) = cx.state().site().of(model.name) {
            query.fields = judged(admin.spec(), std::mem::take(&mut query.fields));
            query = narrowed(&**admin, cx, query);
        }
        let query = query.filter(inline.foreign_key, Comparison::Equal, vec![parent]);
        let page = resources.list(model, &cx.writer(), &query).await?;
        let cut = page.next.is_some();
        if !inline.editable || model.version.is_none() {
            return Ok((page.results.into_iter().map(|fields| Row { fields, version: None }).collect(), cut));
        }
        // A list does not tell the versions.
        let id = |row: &Map<String, Value>| row.get(model.key)?.as_str()?.parse().ok();
        let ids: Vec<uuid::Uuid> = page.results.iter().filter_map(id).collect();
        Ok((resources.get_many(model, &cx.writer(), &ids).await?, cut))
    }

    /// All slots, for reading the rows that they name.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.add.iter().chain(&self.change)
    }

    /// The values of all rows, for the same.
    pub(super) fn values(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.stored.iter().map(|row| &row.fields)
    }

    fn total(&self, posted: &Fields) -> usize {
        posted.get(&format!("{}-TOTAL_FORMS", self.prefix)).and_then(|n| n.parse().ok()).unwrap_or(0).min(POSTED)
    }

    /// As the page shows it. `posted` is what was typed; `_addrow` in it asks for one more row.
    pub(super) fn view(&self, cx: &Cx, picks: &Picks, posted: Option<&Fields>, errors: &FieldErrors) -> InlineView {
        let model = self.inline.model;
        let nothing = Map::new();
        let url = cx.state().site().of(model.name).map(|admin| admin.spec());
        let url = |id: &str| url.filter(|spec| spec.allows(cx, Verb::View, None)).map(|spec| spec.row_url(id));
        let one = |index: &str, stored: Option<&Row>, posted: Option<&Fields>| {
            let prefix = format!("{}-{index}", self.prefix);
            let held = Held { values: stored.map_or(&nothing, |row| &row.fields), posted };
            let fields = self.slots_of(cx, stored).iter().flat_map(|slot| {
                let name = format!("{prefix}-{}", slot.column.name);
                let mut fields = slot.fields(cx, &name, picks, held, errors);
                // A row that nobody fills in is no row.
                if stored.is_none() {
                    fields.iter_mut().for_each(|field| field.required = false);
                }
                fields
            });
            let id = stored
                .filter(|_| model.keys.len() == 1)
                .and_then(|row| row.id(model))
                .map(|id| id.to_string())
                .unwrap_or_default();
            InlineRow {
                version: stored.and_then(|row| row.version).map(|version| version.to_string()).unwrap_or_default(),
                url: if id.is_empty() { String::new() } else { url(&id).unwrap_or_default() },
                deletes: stored.map_or(self.may[2], |row| self.deletes(cx, row)),
                deleted: posted.is_some_and(|posted| posted.has(&format!("{prefix}-DELETE"))),
                errors: errors.of(&format!("{prefix}-")).map(str::to_owned).collect(),
                fields: fields.collect(),
                prefix,
                id,
            }
        };
        let mut rows: Vec<InlineRow> = Vec::new();
        match posted {
            None => {
                rows.extend(self.stored.iter().enumerate().map(|(at, row)| one(&at.to_string(), Some(row), None)));
                let extra = if self.may[0] { self.inline.extra } else { 0 };
                rows.extend((rows.len()..rows.len() + extra).map(|at| one(&at.to_string(), None, None)));
            }
            Some(posted) => {
                let asked = posted.all("_addrow").filter(|prefix| *prefix == self.prefix && self.may[0]).count();
                for at in 0..self.total(posted) {
                    let prefix = format!("{}-{at}", self.prefix);
                    let id = posted.text(&format!("{prefix}-id"));
                    let stored = self.stored.iter().find(|row| row.id(model).is_some_and(|own| own.to_string() == id));
                    let mut row = one(&at.to_string(), stored, Some(posted));
                    if stored.is_some() {
                        posted.text(&format!("{prefix}-row_version")).clone_into(&mut row.version);
                    }
                    rows.push(row);
                }
                rows.extend((rows.len()..rows.len() + asked).map(|at| one(&at.to_string(), None, None)));
            }
        }
        let slots = if self.may[0] { &self.add } else { &self.change };
        InlineView {
            title: self.inline.title.clone(),
            noun: model.noun.replace('_', " "),
            stacked: self.inline.stacked,
            adds: self.may[0],
            deletes: self.may[2],
            head: slots.iter().map(|slot| slot.label.clone()).collect(),
            rows,
            empty: self.may[0].then(|| one("__prefix__", None, None)),
            most: POSTED,
            note: if self.cut {
                format!("These are the first {}; there are more.", self.stored.len())
            } else {
                String::new()
            },
            prefix: self.prefix.clone(),
        }
    }

    /// What is to be done with its rows. What is wrong goes to `errors`, what is forged to `forged`.
    ///
    /// # Errors
    /// `Forbidden` where it has a row that whoever asks may not add or take away: no form of ours has one, and
    /// nothing of what was posted is done.
    pub(super) fn changes(
        &self,
        cx: &Cx,
        posted: &Fields,
        errors: &mut FieldErrors,
        forged: &mut Vec<String>,
    ) -> Result<Vec<InlineChange>, AdminError> {
        let forbidden = |verb: Verb| AdminError::Forbidden(self.inline.model.permission_for(verb.as_str()));
        let model = self.inline.model;
        let mut changes = Vec::new();
        for at in 0..self.total(posted) {
            let prefix = format!("{}-{at}", self.prefix);
            let id = posted.text(&format!("{prefix}-id"));
            let wants_delete = posted.has(&format!("{prefix}-DELETE"));
            let stored = self.stored.iter().find(|row| row.id(model).is_some_and(|own| own.to_string() == id));
            let slots = match stored {
                // It is no more, which is told below.
                None if !id.is_empty() => self.change.as_slice(),
                stored => self.slots_of(cx, stored),
            };
            let given = |slot: &Slot| posted.get(&format!("{prefix}-{}", slot.column.name)).is_some();
            forged.extend(
                slots
                    .iter()
                    .filter(|slot| !slot.writable && given(slot))
                    .map(|slot| format!("{prefix}-{}", slot.column.name)),
            );
            let read = |stored: Option<&Row>, errors: &mut FieldErrors| {
                let mut fields = Map::new();
                for slot in slots.iter().filter(|slot| slot.writable) {
                    let name = format!("{prefix}-{}", slot.column.name);
                    let held = stored.and_then(|row| row.fields.get(slot.column.name));
                    if let Some(value) = slot.read(cx, &name, posted, held, errors) {
                        fields.insert(slot.column.name.to_owned(), value);
                    }
                }
                fields
            };
            match stored {
                _ if id.is_empty() && !self.may[0] => {
                    let text = |slot: &Slot| !posted.text(&format!("{prefix}-{}", slot.column.name)).is_empty();
                    if slots.iter().any(text) && !wants_delete {
                        return Err(forbidden(Verb::Add));
                    }
                }
                _ if id.is_empty() => {
                    let typed = |slot: &&Slot| {
                        slot.writable && slot.column.kind != automate_store::resource::ColumnKind::Boolean
                    };
                    let filled = slots
                        .iter()
                        .filter(typed)
                        .any(|slot| !posted.text(&format!("{prefix}-{}", slot.column.name)).is_empty());
                    if filled && !wants_delete {
                        changes.push(InlineChange {
                            prefix: prefix.clone(),
                            id: None,
                            version: None,
                            fields: Some(read(None, errors)),
                        });
                    }
                }
                None => errors
                    .add_named(&format!("{prefix}-"), format!("the {} is no more, or another's", label_of(model.noun))),
                Some(row) => {
                    let version = posted.text(&format!("{prefix}-row_version")).parse().ok();
                    let version = version.filter(|_| model.version.is_some());
                    if wants_delete && !self.deletes(cx, row) {
                        return Err(forbidden(Verb::Delete));
                    }
                    if wants_delete {
                        changes.push(InlineChange { prefix: prefix.clone(), id: row.id(model), version, fields: None });
                    } else {
                        let mut fields = read(Some(row), errors);
                        fields.retain(|name, value| row.fields.get(name) != Some(value));
                        if !fields.is_empty() {
                            changes.push(InlineChange {
                                prefix: prefix.clone(),
                                id: row.id(model),
                                version,
                                fields: Some(fields),
                            });
                        }
                    }
                }
            }
        }
        Ok(changes)
    }

    pub(super) fn inline(&self) -> &Inline {
        self.inline
    }
}
