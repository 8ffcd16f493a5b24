//! What a test is about: what was typed, or something that is stored.

use automate_core::ids::{EventId, ExecutionId};
use automate_core::runtime::TestAbout;
use automate_core::store::WorkflowRecord;
use serde_json::{Value, json};

use super::super::workflow::read;
use super::{Tested, Typed};
use crate::form::FieldErrors;
use crate::http::{Cx, Fields};
use crate::schema_form::json as read_json;

/// What a test is about.
pub(super) struct About {
    /// The input or the payload.
    pub(super) input: Option<Value>,
    pub(super) about: TestAbout,
}

impl About {
    fn event(id: EventId) -> Self {
        Self { input: None, about: TestAbout::Event(id) }
    }
}

/// What the form says: an event, or else an execution, a payload, the input.
///
/// # Errors
/// What is wrong, by field.
pub(super) async fn of_posted(
    cx: &Cx,
    workflow: &WorkflowRecord,
    tested: &Tested,
    typed: &Typed,
    fields: &Fields,
) -> Result<About, FieldErrors> {
    let stored = stored(cx, workflow, tested, typed).await.map_err(|(field, message)| of_field(field, message))?;
    if let Some(about) = stored {
        return Ok(about);
    }
    if tested.takes_events && (!typed.payload.is_empty() || !tested.takes_input()) {
        let payload = match typed.payload.as_str() {
            "" => json!({}),
            text => read_json(text).map_err(|message| of_field("payload", message))?,
        };
        return Ok(About { input: Some(payload), about: TestAbout::Payload });
    }
    Ok(About { input: Some(read(tested.inputs.as_ref(), fields)?), about: TestAbout::Input })
}

fn of_field(field: &str, message: String) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add_named(field, message);
    errors
}

/// # Errors
/// The field, and what is wrong with it.
async fn stored(
    cx: &Cx,
    workflow: &WorkflowRecord,
    tested: &Tested,
    typed: &Typed,
) -> Result<Option<About>, (&'static str, String)> {
    let tenant = cx.tenant().map_err(|error| ("execution", error.to_string()))?;
    let store = &cx.state().engine().ports().store;
    if !typed.event.is_empty() {
        let none = || ("event", "is no event that is stored".to_owned());
        let id: EventId = typed.event.parse().map_err(|_| none())?;
        // Looked up again with the start; here, so that the form can say it.
        store.event(tenant, id).await.map_err(|_| none())?;
        return Ok(Some(About::event(id)));
    }
    if typed.execution.is_empty() {
        return Ok(None);
    }
    let none = || ("execution", "is no execution of this workflow".to_owned());
    if !cx.can("executions.view_execution") {
        return Err(none());
    }
    let id: ExecutionId = typed.execution.parse().map_err(|_| none())?;
    let past = store.execution(tenant, id).await.map_err(|_| none())?;
    if past.workflow != workflow.slug {
        return Err(none());
    }
    if let Some(event) = past.event_id {
        return Ok(Some(About::event(event)));
    }
    let input = past.input.as_deref().map(serde_json::from_str).transpose();
    let input = input.map_err(|_| ("execution", "has an input that cannot be read".to_owned()))?;
    let about = if tested.takes_input() { TestAbout::Input } else { TestAbout::Payload };
    Ok(Some(About { input, about }))
}
