//! Fields of forms as pages show them: `admin/fields.html` has their markup.

use crate::form::FieldErrors;

/// One word to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What it says.
    pub label: String,
    /// Whether it is chosen.
    pub selected: bool,
}

impl Choice {
    /// A choice.
    pub fn new(value: impl Into<String>, label: impl Into<String>, selected: bool) -> Self {
        Self { value: value.into(), label: label.into(), selected }
    }
}

/// How a field is typed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// One line; `kind` is the `type` of the `input`.
    Line {
        /// `text`, `number`, `email`, `url`, `password`, `datetime-local`, `date`, `time`.
        kind: &'static str,
        /// What it holds. Nothing is ever filled into a `password`.
        value: String,
        /// Characters at most; none where it is no text.
        max: Option<usize>,
        /// `any`, `1`; empty where it is no number.
        step: &'static str,
    },
    /// Several lines.
    Lines {
        /// What they hold.
        value: String,
        /// How many are in sight.
        rows: usize,
        /// Whether it is code, in the fixed-width font.
        code: bool,
    },
    /// A box to check.
    Check {
        /// Whether it is checked.
        on: bool,
    },
    /// One of some words, or several.
    Select {
        /// The words.
        choices: Vec<Choice>,
        /// Where a script finds more of them; empty where these are all.
        more: String,
        /// Whether several are chosen.
        multiple: bool,
        /// Whether there are more than these: without scripts, the id is typed then.
        cut: bool,
    },
    /// One of a few words, all in sight.
    Radio(Vec<Choice>),
    /// Several of some words, in groups: `(heading, words)`.
    Checks(Vec<(String, Vec<Choice>)>),
    /// Only shown.
    Shown {
        /// What it holds.
        value: String,
        /// Where it leads; empty where nowhere.
        url: String,
        /// Whether it is code.
        code: bool,
    },
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in what is posted. The control's id is `id_` and this.
    pub name: String,
    /// Its label.
    pub label: String,
    /// A sentence below it.
    pub help: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// What is wrong with what was typed.
    pub errors: Vec<String>,
    /// How it is typed in.
    pub control: Control,
}

impl Field {
    /// A field.
    pub fn new(name: impl Into<String>, label: impl Into<String>, control: Control) -> Self {
        let (name, label) = (name.into(), label.into());
        Self { name, label, help: String::new(), required: false, errors: Vec::new(), control }
    }

    /// A line of text.
    pub fn line(name: impl Into<String>, label: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, label, Control::Line { kind: "text", value: value.into(), max: None, step: "" })
    }

    /// A sentence below it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// It must be filled in.
    #[must_use]
    pub fn required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    /// With what is wrong with it.
    #[must_use]
    pub fn with_errors(mut self, errors: &FieldErrors) -> Self {
        self.errors = errors.of(&self.name).map(str::to_owned).collect();
        self
    }

    /// The control's id.
    #[must_use]
    pub fn id(&self) -> String {
        format!("id_{}", self.name)
    }

    /// Whether it is only shown.
    #[must_use]
    pub fn is_shown_only(&self) -> bool {
        matches!(self.control, Control::Shown { .. })
    }

    /// The elements that describe the control: `aria-describedby`.
    #[must_use]
    pub fn described_by(&self) -> String {
        let help = (!self.help.is_empty()).then(|| format!("{}-help", self.id()));
        let error = (!self.errors.is_empty()).then(|| format!("{}-error", self.id()));
        [error, help].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Whether a group of words stands open at first: where one is chosen, or where there are few groups.
pub(crate) fn opens(groups: &[(String, Vec<Choice>)], choices: &[Choice]) -> bool {
    groups.len() < 3 || choices.iter().any(|choice| choice.selected)
}

/// Everything that is wrong with a form, with the label and the place of each field: what the summary
/// above the form lists.
#[must_use]
pub fn summary<'f>(errors: &FieldErrors, fields: impl IntoIterator<Item = &'f Field>) -> Vec<Wrong> {
    let fields: Vec<&Field> = fields.into_iter().collect();
    let wrong = |(name, message): (Option<&str>, &str)| {
        let field = fields.iter().find(|field| Some(field.name.as_str()) == name);
        let label = match (field, name) {
            (Some(field), _) => field.label.clone(),
            (None, Some(name)) if !name.is_empty() => crate::column::label_of(name),
            (None, _) => String::new(),
        };
        let target = field.filter(|field| !field.is_shown_only()).map(|field| field.id()).unwrap_or_default();
        Wrong { target, label, message: message.to_owned() }
    };
    errors.all().map(wrong).collect()
}

/// One line of the summary of what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The id of the control; empty where there is none.
    pub target: String,
    /// The field; empty where it is about the form.
    pub label: String,
    /// What is wrong.
    pub message: String,
}
