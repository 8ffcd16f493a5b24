//! Which fields stand where. The one list that the reader goes by, the published JSON Schema is
//! held against, and suggestions are taken from.

/// One kind of mapping in a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its name among the `$defs` of the JSON Schema; empty for the document itself.
    pub(super) name: &'static str,
    /// What people call it.
    pub(super) title: &'static str,
    /// The fields it may have.
    pub(super) fields: &'static [&'static str],
    /// Fields of the language that this version does not run. Whoever adds a feature moves its
    /// fields from here to `fields`, reads them in [`super::read`], and adds them to the schema.
    pub(super) later: &'static [&'static str],
}

pub(super) const WORKFLOW: Shape = Shape {
    name: "",
    title: "a workflow",
    fields: &[
        "workflow",
        "title",
        "description",
        "labels",
        "on",
        "inputs",
        "timeout",
        "retry",
        "steps",
        "on_failure",
        "output",
    ],
    later: &["concurrency"],
};

pub(super) const WEBHOOK: Shape = Shape {
    name: "webhook_trigger",
    title: "a webhook trigger",
    fields: &["webhook", "verify", "filter", "dedupe"],
    later: &[],
};

pub(super) const EVENT: Shape =
    Shape { name: "event_trigger", title: "an event trigger", fields: &["event", "filter", "dedupe"], later: &[] };

pub(super) const MANUAL: Shape =
    Shape { name: "manual_trigger", title: "a manual trigger", fields: &["manual"], later: &[] };

/// What a trigger is told by: the fields of which it has exactly one.
pub(super) const TRIGGER_KINDS: &[&str] = &["webhook", "event", "manual"];
/// Triggers of the language that this version does not run.
pub(super) const TRIGGER_KINDS_LATER: &[&str] = &["schedule"];

pub(super) const VERIFY: Shape = Shape {
    name: "verify",
    title: "`verify`",
    fields: &["scheme", "secret", "secrets", "header", "tolerance"],
    later: &[],
};

pub(super) const RETRY: Shape = Shape {
    name: "retry",
    title: "`retry`",
    fields: &["max_attempts", "initial", "factor", "max", "jitter", "on"],
    later: &[],
};

pub(super) const STEP: Shape = Shape {
    name: "step",
    title: "a step",
    fields: &[
        "id",
        "if",
        "needs",
        "uses",
        "connection",
        "with",
        "set",
        "fail",
        "wait",
        "retry",
        "timeout",
        "continue_on_error",
        "on_error",
        "on_unknown",
    ],
    later: &[
        "for_each",
        "max_parallel",
        "steps",
        "parallel",
        "switch",
        "else",
        "while",
        "max_iterations",
        "workflow",
        "compensate",
        "concurrency",
    ],
};

/// What a step is told by: the fields of which it has exactly one.
pub(super) const STEP_KINDS: &[&str] = &["uses", "set", "fail", "wait"];
/// Kinds of steps of the language that this version does not run.
pub(super) const STEP_KINDS_LATER: &[&str] = &["for_each", "parallel", "switch", "while", "workflow"];

pub(super) const WAIT: Shape = Shape {
    name: "wait",
    title: "`wait`",
    fields: &["for", "until", "signal", "timeout"],
    later: &["approval", "event"],
};

/// Every shape, for the tests that hold the JSON Schema against them.
#[cfg(test)]
pub(super) const ALL: &[&Shape] = &[&WORKFLOW, &WEBHOOK, &EVENT, &MANUAL, &VERIFY, &RETRY, &STEP, &WAIT];
