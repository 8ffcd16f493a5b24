//! A column's value in its control.

use automate_store::resource::ColumnKind;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Held, Picks, Slot, schema_of};
use crate::column::words;
use crate::control::{Choice, Control, Field};
use crate::form::{FieldErrors, Widget};
use crate::http::{Cx, Prefs};
use crate::schema_form::pretty;

/// Characters of a text from which it is typed into several lines.
const LINE: usize = 300;

/// A value as people read it.
pub(in crate::generated) fn shown_text(kind: ColumnKind, value: &Value, prefs: &Prefs) -> String {
    match (kind, value) {
        (_, Value::Null) => String::new(),
        (ColumnKind::Json, value @ (Value::Object(_) | Value::Array(_))) => pretty(value),
        (ColumnKind::Time, Value::String(text)) => {
            text.parse::<DateTime<Utc>>().map_or_else(|_| text.clone(), |time| prefs.time(time))
        }
        (ColumnKind::Bytes, Value::String(text)) => format!("{} bytes", text.len() / 4 * 3),
        (_, Value::Bool(value)) => (if *value { "Yes" } else { "No" }).to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// A time in the person's zone, as a `datetime-local` has it.
pub(super) fn local(value: &Value, prefs: &Prefs) -> String {
    let time = value.as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    time.map_or_else(String::new, |time| time.with_timezone(&prefs.zone).format("%Y-%m-%dT%H:%M:%S").to_string())
}

impl Slot {
    /// The field, or the fields of its schema. `name` is its name in what is posted.
    pub(in crate::generated) fn fields(
        &self,
        cx: &Cx,
        name: &str,
        picks: &Picks,
        held: Held<'_>,
        errors: &FieldErrors,
    ) -> Vec<Field> {
        let value = held.values.get(self.column.name).unwrap_or(&Value::Null);
        if !self.writable {
            return vec![self.shown(cx, name, picks, value)];
        }
        if let Some(form) = schema_of(self, name) {
            return match held.posted {
                Some(posted) => form.posted(posted, errors),
                None => form.fields(value, errors),
            };
        }
        let control = self.control(cx, name, picks, value, held);
        let required = self.required && !matches!(control, Control::Check { .. } | Control::Checks(_));
        let mut help = self.column.doc.replace('`', "");
        if self.column.kind == ColumnKind::Time {
            let zone = format!("In the zone {}.", cx.prefs().zone.name());
            help = if help.is_empty() { zone } else { format!("{help} {zone}") };
        }
        vec![Field::new(name, &self.label, control).help(help).required(required).with_errors(errors)]
    }

    fn shown(&self, cx: &Cx, name: &str, picks: &Picks, value: &Value) -> Field {
        let (kind, prefs) = (self.column.kind, cx.prefs());
        let named = value.as_str().and_then(|id| picks.named(self, id));
        let control = match named {
            Some((value, url)) => Control::Shown { value, url, code: false },
            None if value.is_null() && self.column.needs.is_some_and(|permission| !cx.can(permission)) => {
                Control::Shown {
                    value: "Hidden: it takes a permission that you do not have".to_owned(),
                    url: String::new(),
                    code: false,
                }
            }
            None => {
                let text = shown_text(kind, value, prefs);
                let code = (kind == ColumnKind::Json && !value.is_null()) || text.lines().count() > 1;
                Control::Shown { value: text, url: String::new(), code }
            }
        };
        Field::new(name, &self.label, control).help(self.column.doc.replace('`', ""))
    }

    fn control(&self, cx: &Cx, name: &str, picks: &Picks, value: &Value, held: Held<'_>) -> Control {
        let column = self.column;
        let typed = held.posted.map(|posted| posted.get(name).unwrap_or_default());
        let text = typed.map_or_else(|| self.text(value, cx.prefs()), str::to_owned);
        match &self.widget {
            Some(Widget::Secret) => {
                return Control::Line {
                    kind: "password",
                    value: String::new(),
                    max: Some(column.max_length),
                    step: "",
                };
            }
            Some(Widget::Checks(groups)) => {
                let chosen: Vec<&str> = match held.posted {
                    Some(posted) => posted.all(name).collect(),
                    None => value.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
                };
                let mark =
                    |choice: &Choice| Choice { selected: chosen.contains(&choice.value.as_str()), ..choice.clone() };
                let groups = groups.iter().map(|(title, all)| (title.clone(), all.iter().map(mark).collect()));
                return Control::Checks(groups.collect());
            }
            Some(Widget::Choices(choices)) => return self.select(choices.clone(), &text),
            Some(Widget::Line) => return self.line("text", text),
            Some(Widget::Lines) => return self.lines(text, false),
            Some(Widget::Json) => return self.lines(text, true),
            Some(Widget::Radio) if !column.choices.is_empty() => {
                let choice = |word: &&str| Choice::new(*word, words(word), text == **word);
                return Control::Radio(column.choices.iter().map(choice).collect());
            }
            Some(Widget::Radio | Widget::Schema(_) | Widget::SchemaOf(_)) | None => {}
        }
        if !column.choices.is_empty() {
            let choices = column.choices.iter().map(|word| Choice::new(*word, words(word), false));
            return self.select(choices.collect(), &text);
        }
        if let Some(control) = picks.control(self, &text) {
            return control;
        }
        match column.kind {
            // A name is one line, however long.
            ColumnKind::Text if column.max_length > LINE && !column.name_like => self.lines(text, false),
            ColumnKind::Text | ColumnKind::Uuid | ColumnKind::Bytes => self.line("text", text),
            ColumnKind::Json => self.lines(text, true),
            ColumnKind::Integer => Control::Line { kind: "number", value: text, max: None, step: "1" },
            ColumnKind::Double => Control::Line { kind: "number", value: text, max: None, step: "any" },
            ColumnKind::Boolean if column.nullable => {
                let choices = vec![Choice::new("true", "Yes", false), Choice::new("false", "No", false)];
                self.select(choices, &text)
            }
            ColumnKind::Boolean => Control::Check { on: text == "true" },
            // What could not be read as a local time is shown as it was typed, with its offset.
            ColumnKind::Time => {
                let plain = typed.is_none() || super::typed::is_local(&text);
                Control::Line { kind: if plain { "datetime-local" } else { "text" }, value: text, max: None, step: "1" }
            }
        }
    }

    /// The value as its control holds it.
    fn text(&self, value: &Value, prefs: &Prefs) -> String {
        match (self.column.kind, value) {
            (_, Value::Null) => String::new(),
            (ColumnKind::Time, value) => local(value, prefs),
            (ColumnKind::Json, value) => pretty(value),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        }
    }

    fn line(&self, kind: &'static str, value: String) -> Control {
        Control::Line {
            kind,
            value,
            max: (self.column.kind == ColumnKind::Text).then_some(self.column.max_length),
            step: "",
        }
    }

    fn lines(&self, value: String, code: bool) -> Control {
        Control::Lines { rows: value.lines().count().clamp(3, 20), value, code }
    }

    fn select(&self, mut choices: Vec<Choice>, held: &str) -> Control {
        for choice in &mut choices {
            choice.selected = choice.value == held;
        }
        let none = !choices.iter().any(|choice| choice.selected);
        if (!self.required || none) && !choices.iter().any(|choice| choice.value.is_empty()) {
            choices.insert(0, Choice::new("", if self.required { "Choose one" } else { "Not set" }, none));
        }
        Control::Select { choices, more: String::new(), multiple: false, cut: false }
    }
}
