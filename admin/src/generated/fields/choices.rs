//! Rows of other models that fields name: the first of them to choose from, and the texts of those
//! that are named.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use automate_core::limits;
use automate_store::resource::ListQuery;
use serde_json::{Map, Value};

use super::Slot;
use crate::control::{Choice, Control};
use crate::error::AdminError;
use crate::generated::called;
use crate::generated::list::named;
use crate::http::Cx;
use crate::spec::Verb;

/// What is known of the rows of one model.
#[derive(Debug, Default)]
struct Known {
    url: String,
    first: Vec<(String, String)>,
    cut: bool,
    named: HashMap<String, String>,
}

/// Rows to choose from, by their model's name.
#[derive(Debug, Default)]
pub(in crate::generated) struct Picks(HashMap<&'static str, Known>);

impl Picks {
    /// Reads what some slots need: for each model that is named, one query for its first rows where one
    /// can be chosen, and one for the rows that are named already.
    pub(in crate::generated) async fn load<'s>(
        cx: &Cx,
        slots: impl Iterator<Item = &'s Slot>,
        values: &[&Map<String, Value>],
    ) -> Result<Self, AdminError> {
        let mut wanted: BTreeMap<&'static str, (bool, BTreeSet<String>)> = BTreeMap::new();
        for slot in slots {
            let Some(model) = slot.column.references else { continue };
            let (choose, ids) = wanted.entry(model.name).or_default();
            *choose |= slot.writable;
            let held = values.iter().filter_map(|values| values.get(slot.column.name).and_then(Value::as_str));
            ids.extend(held.take(limits::LIST_IN).map(str::to_owned));
        }
        let mut picks = Self::default();
        for (name, (choose, ids)) in wanted {
            let Some(admin) = cx.state().site().of(name) else { continue };
            let spec = admin.spec();
            if !spec.allows(cx, Verb::View, None) {
                continue;
            }
            let mut known = Known { url: spec.url(), ..Known::default() };
            if choose {
                (known.first, known.cut) = called(&**admin, cx, ListQuery::default()).await?;
            }
            let unknown: Vec<Value> = ids
                .into_iter()
                .filter(|id| !known.first.iter().any(|(first, _)| first == id))
                .take(limits::LIST_IN)
                .map(Value::String)
                .collect();
            known.named = known.first.iter().cloned().collect();
            if !unknown.is_empty() {
                let texts = named(cx, spec.model, unknown).await?.into_iter();
                known.named.extend(texts.map(|(id, (text, _))| (id, text)));
            }
            picks.0.insert(name, known);
        }
        Ok(picks)
    }

    /// The control for a column that names a row; none where its rows cannot be chosen from.
    pub(super) fn control(&self, slot: &Slot, held: &str) -> Option<Control> {
        let known = self.0.get(slot.column.references?.name)?;
        let mut choices = Vec::with_capacity(known.first.len() + 2);
        if !slot.required || held.is_empty() {
            choices.push(Choice::new("", if slot.required { "Choose one" } else { "None" }, held.is_empty()));
        }
        if !held.is_empty() && !known.first.iter().any(|(id, _)| id == held) {
            let text = known.named.get(held).map_or(held, String::as_str);
            choices.push(Choice::new(held, text, true));
        }
        choices.extend(known.first.iter().map(|(id, text)| Choice::new(id, text, id == held)));
        Some(Control::Select { choices, more: format!("{}autocomplete/", known.url), multiple: false, cut: known.cut })
    }

    /// What a row that a column names is called, and where it is.
    pub(in crate::generated) fn named(&self, slot: &Slot, id: &str) -> Option<(String, String)> {
        let known = self.0.get(slot.column.references?.name)?;
        let text = known.named.get(id)?;
        Some((text.clone(), format!("{}{id}/change/", known.url)))
    }
}
