//! `/admin/workflows/{slug}/test/`: what a version would do with an input or a past event, with nothing done
//! outside.

use askama::Template;
use automate_core::engine::{Effects, Reach};
use automate_core::ids::{EventId, ExecutionId};
use automate_core::limits;
use automate_core::runtime::{IntakeError, StartRequest};
use automate_core::store::WorkflowRecord;
use automate_store::workflows::{self, ListedExecution, ListedVersion};
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::versions::beneath;
use super::workflow::{InputForm, problems, read, refused};
use super::workflows::{known_query, of_slug, url_of};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};

/// Past executions to choose from.
const PAST: u64 = 20;
/// Versions to choose from.
const VERSIONS: u64 = 20;

#[derive(Template)]
#[template(path = "admin/workflows/test.html")]
struct TestPage {
    shell: Shell,
    url: String,
    workflow: WorkflowRecord,
    versions: Vec<ListedVersion>,
    past: Vec<ListedExecution>,
    input: InputForm,
    /// What the form holds besides.
    typed: Typed,
    /// Whether the version is among those to choose from.
    version_listed: bool,
    /// Whether the execution is, or none is chosen.
    execution_listed: bool,
    errors: FieldErrors,
}

/// What the form holds besides the input.
#[derive(Debug, Clone, Default)]
struct Typed {
    version: i32,
    execution: String,
    event: String,
    answers: String,
    reads: bool,
}

pub(super) async fn ask(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflow.run")?;
    known_query(&cx, &["version", "execution", "event"])?;
    let workflow = of_slug(&cx, &slug).await?;
    let Some(live) = workflow.live_version else { return super::workflow::not_published(&cx, &workflow) };
    let query = cx.query();
    let version = match query.text("version") {
        "" => live,
        text => text.parse().map_err(|_| AdminError::Query("`version` is the number of a version".to_owned()))?,
    };
    let typed = Typed {
        version,
        execution: query.text("execution").to_owned(),
        event: query.text("event").to_owned(),
        ..Typed::default()
    };
    let schema = inputs_of(&cx, &workflow, version).await?;
    let input = InputForm::empty(schema.as_ref());
    page(&cx, StatusCode::OK, workflow, input, typed, FieldErrors::default()).await
}

pub(super) async fn start(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflow.run")?;
    let workflow = of_slug(&cx, &slug).await?;
    let mut errors = FieldErrors::default();
    let typed = Typed {
        version: fields.text("version").parse().unwrap_or_default(),
        execution: fields.text("execution").to_owned(),
        event: fields.text("event").to_owned(),
        answers: fields.text("answers").to_owned(),
        reads: fields.text("reads") == "true",
    };
    let schema = inputs_of(&cx, &workflow, typed.version).await?;
    let answers = match answers_of(&typed.answers) {
        Ok(answers) => answers,
        Err(message) => {
            errors.add_named("answers", message);
            Map::new()
        }
    };
    let about = match about(&cx, &workflow, &typed).await {
        Ok(about) => about,
        Err((field, message)) => {
            errors.add_named(field, message);
            About::Typed
        }
    };
    let (input, event) = match about {
        About::Event(event) => (None, Some(event)),
        About::Input(input) => (input, None),
        About::Typed => match read(schema.as_ref(), &fields) {
            Ok(input) => (Some(input), None),
            Err(wrong) => {
                for (field, message) in wrong.all() {
                    errors.add_named(field.unwrap_or("input"), message);
                }
                (None, None)
            }
        },
    };
    let again = |errors: &FieldErrors| InputForm::posted(schema.as_ref(), &fields, errors);
    if !errors.is_empty() {
        let form = again(&errors);
        return page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, typed, errors).await;
    }
    let request = StartRequest {
        tenant_id: cx.tenant()?,
        workflow: workflow.slug.clone(),
        version: Some(typed.version),
        input,
        source: "admin".to_owned(),
        correlation_id: cx.origin().correlation_id.clone(),
        run_here: false,
    };
    let effects = Effects { reach: if typed.reads { Reach::Reads } else { Reach::Nothing }, answers };
    let facts = json!({ "version": typed.version, "reads": typed.reads });
    let entry = cx.entry("workflow.test").about("workflow", &workflow.slug).with(facts);
    let deed = cx.state().engine().start_test(request, &effects, event);
    match cx.state().audit().around(entry, deed).await {
        Ok(id) => {
            let text =
                "The test runs. Nothing outside is changed; what would have been called is in the steps' outputs.";
            cx.done(&format!("/admin/executions/{id}/"), Flash::success(text))
        }
        Err(IntakeError::InvalidInput(wrong)) => {
            let errors = problems(schema.as_ref(), &wrong);
            let form = again(&errors);
            page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, typed, errors).await
        }
        Err(error) => Err(refused(error)),
    }
}

/// What the test is about.
enum About {
    /// What was typed.
    Typed,
    /// The input of a past execution.
    Input(Option<Value>),
    /// A stored event.
    Event(EventId),
}

/// # Errors
/// The field, and what is wrong with it.
async fn about(cx: &Cx, workflow: &WorkflowRecord, typed: &Typed) -> Result<About, (&'static str, String)> {
    let tenant = cx.tenant().map_err(|error| ("execution", error.to_string()))?;
    let store = &cx.state().engine().ports().store;
    if !typed.event.is_empty() {
        let none = || ("event", "is no event that is stored".to_owned());
        let id: EventId = typed.event.parse().map_err(|_| none())?;
        // Looked up again with the start; here, so that the form can say it.
        store.event(tenant, id).await.map_err(|_| none())?;
        return Ok(About::Event(id));
    }
    if typed.execution.is_empty() {
        return Ok(About::Typed);
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
    match past.event_id {
        Some(event) => Ok(About::Event(event)),
        None => {
            let input = past.input.as_deref().map(serde_json::from_str).transpose();
            Ok(About::Input(input.map_err(|_| ("execution", "has an input that cannot be read".to_owned()))?))
        }
    }
}

fn answers_of(text: &str) -> Result<Map<String, Value>, String> {
    if text.len() > limits::TEST_ANSWERS_BYTES {
        return Err(format!("must be at most {} bytes of JSON", limits::TEST_ANSWERS_BYTES));
    }
    match text {
        "" => Ok(Map::new()),
        text => match serde_json::from_str(text) {
            Ok(Value::Object(answers)) => Ok(answers),
            Ok(_) => Err("must be an object with a value for each step's name".to_owned()),
            Err(error) => Err(format!("is not JSON: {error}")),
        },
    }
}

/// The `inputs` of a version.
async fn inputs_of(cx: &Cx, workflow: &WorkflowRecord, number: i32) -> Result<Option<Value>, AdminError> {
    let version = workflows::version(cx.state().database(), cx.tenant()?, workflow.id, number).await?;
    let source = version.ok_or(AdminError::NotFound)?.source;
    let document = automate_core::document::parse(&source);
    Ok(document.ok().and_then(|document| document.workflow.inputs))
}

async fn page(
    cx: &Cx,
    status: StatusCode,
    workflow: WorkflowRecord,
    input: InputForm,
    typed: Typed,
    errors: FieldErrors,
) -> Reply {
    let (db, tenant) = (cx.state().database(), cx.tenant()?);
    let versions = workflows::versions(db, tenant, workflow.id, None, VERSIONS).await?;
    let past = match cx.can("executions.view_execution") {
        true => workflows::executions(db, tenant, &workflow.slug, None, PAST).await?,
        false => Vec::new(),
    };
    let shell = beneath(cx, format!("Test {}", workflow.slug), &workflow).refused(!errors.is_empty());
    let url = url_of(&workflow.slug);
    let version_listed = versions.iter().any(|version| version.number == typed.version);
    let execution_listed = typed.execution.is_empty() || past.iter().any(|past| past.id.to_string() == typed.execution);
    let page =
        TestPage { shell, url, workflow, versions, past, input, typed, version_listed, execution_listed, errors };
    cx.page_with(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_by_step_or_refused() {
        assert!(answers_of("").unwrap().is_empty());
        assert_eq!(answers_of(r#"{"customer": {"name": "Ada"}}"#).unwrap().len(), 1);
        assert!(answers_of("[]").is_err());
        assert!(answers_of("{").is_err());
        assert!(answers_of(&" ".repeat(limits::TEST_ANSWERS_BYTES + 1)).is_err());
    }
}
