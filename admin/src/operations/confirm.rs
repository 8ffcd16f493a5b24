//! The page before something is done that cannot be taken back: it says what will happen, to how
//! much, and asks for what is needed. It works without a script.

use askama::Template;
use http::StatusCode;

use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Reply, Shell};

/// What such a page asks for besides the button.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The field's name.
    pub(crate) name: &'static str,
    /// Its label.
    pub(crate) label: &'static str,
    /// What to know about it.
    pub(crate) help: String,
    /// The kind of control, as HTML names it: `text`, `checkbox`, `hidden`.
    pub(crate) kind: &'static str,
    /// What is in it.
    pub(crate) value: String,
    /// Whether it must be filled in.
    pub(crate) required: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "admin/queues/confirm.html")]
pub(crate) struct Confirm {
    shell: Shell,
    says: Vec<String>,
    fields: Vec<Asked>,
    button: String,
    cancel: String,
    danger: bool,
    /// Why it cannot be done at all; empty where it can.
    blocked: String,
    errors: FieldErrors,
}

impl Confirm {
    /// A page that asks before `button` is pressed; the form goes to the page's own address.
    pub(crate) fn new(shell: Shell, button: impl Into<String>, cancel: impl Into<String>) -> Self {
        Self {
            shell,
            says: Vec::new(),
            fields: Vec::new(),
            button: button.into(),
            cancel: cancel.into(),
            danger: false,
            blocked: String::new(),
            errors: FieldErrors::default(),
        }
    }

    /// One thing that will happen.
    pub(crate) fn says(mut self, sentence: impl Into<String>) -> Self {
        self.says.push(sentence.into());
        self
    }

    /// It destroys something.
    pub(crate) fn danger(mut self) -> Self {
        self.danger = true;
        self
    }

    /// It cannot be done, and why.
    pub(crate) fn blocked(mut self, why: impl Into<String>) -> Self {
        self.blocked = why.into();
        self
    }

    /// It asks for something.
    pub(crate) fn asks(mut self, asked: Asked) -> Self {
        self.fields.push(asked);
        self
    }

    /// It asks for the reason, which is put into the audit log.
    pub(crate) fn asks_reason(self, value: &str) -> Self {
        self.asks(Asked {
            name: "reason",
            label: "Reason",
            help: "It is kept in the audit log.".to_owned(),
            kind: "text",
            value: value.to_owned(),
            required: true,
        })
    }

    /// It carries an id, by which a form that is sent twice is known.
    pub(crate) fn carries_nonce(self) -> Self {
        self.asks(Asked {
            name: "nonce",
            label: "",
            help: String::new(),
            kind: "hidden",
            value: automate_core::ids::new_v7().to_string(),
            required: false,
        })
    }

    /// The page.
    pub(crate) fn show(self, cx: &Cx) -> Reply {
        cx.page(&self)
    }

    /// The page again, because what was typed does not fit.
    pub(crate) fn refuse(mut self, cx: &Cx, field: &str, message: impl Into<String>) -> Reply {
        self.errors.add_named(field, message);
        self.shell = self.shell.refused(true);
        cx.page_with(StatusCode::UNPROCESSABLE_ENTITY, &self)
    }
}

/// Refuses parameters that the page does not take, so that a wrong link is seen to be one.
pub(crate) fn takes_only(cx: &Cx, names: &[&str]) -> Result<(), AdminError> {
    match cx.query().pairs().iter().find(|(name, _)| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let name: String = name.chars().take(64).collect();
            Err(AdminError::Query(format!("it takes no `{name}`")))
        }
    }
}
