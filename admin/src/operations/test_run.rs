//! `/admin/workflows/{slug}/test/`: what the draft or a version would do with an input, an event's payload or
//! a past event, with nothing done outside.

mod about;
mod sample;

use askama::Template;
use automate_core::document::{self, Diagnostic, Document};
use automate_core::engine::{Effects, Reach};
use automate_core::limits;
use automate_core::runtime::{IntakeError, StartRequest, TestAbout, TestError};
use automate_core::store::{DRAFT, StoreError, WorkflowRecord};
use automate_store::workflows::{self, ListedExecution, ListedVersion};
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::versions::beneath;
use super::workflow::{InputForm, problems, refused};
use super::workflows::{known_query, of_slug, url_of};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::schema_form::pretty;
use about::{About, of_posted};

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
    /// What `inputs` ask for; none where the payload of an event says everything.
    input: Option<InputForm>,
    /// Whether the payload of an event can be typed.
    takes_payload: bool,
    /// What the form holds besides.
    typed: Typed,
    /// Whether the draft is among what can be tested.
    draft_listed: bool,
    /// Whether the version is among those to choose from.
    version_listed: bool,
    /// Whether the execution is, or none is chosen.
    execution_listed: bool,
    /// Why the draft cannot be tested.
    findings: Vec<Diagnostic>,
    /// Whether something outside may be read.
    may_read: bool,
    may_edit: bool,
    errors: FieldErrors,
}

/// What the form holds besides the input.
#[derive(Debug, Clone, Default)]
struct Typed {
    /// `DRAFT` of the draft.
    version: i32,
    execution: String,
    event: String,
    payload: String,
    answers: String,
    reads: bool,
}

impl Typed {
    fn is_draft(&self) -> bool {
        self.version == DRAFT
    }
}

/// What is tested.
struct Tested {
    /// Its `inputs`.
    inputs: Option<Value>,
    /// Whether the input is a form of fields.
    has_fields: bool,
    /// Whether events start it.
    takes_events: bool,
    /// An input or a payload to begin with, where it is no form of fields.
    sample: Value,
    /// Answers to begin with, of steps that are not performed and that others read.
    answers: Value,
}

impl Tested {
    fn of(cx: &Cx, document: Option<Document>) -> Self {
        use document::definition::Trigger;
        let Some(document) = document else {
            let (sample, answers) = (json!({}), json!({}));
            return Self { inputs: None, has_fields: false, takes_events: false, sample, answers };
        };
        let answers = sample::answers_of(&document, cx.state().engine().ports().actions.as_ref());
        // By hand, the input stands in for the payload.
        let sample = sample::sample_of(&document.value, &["event.payload", "inputs"]);
        let workflow = document.workflow;
        let takes_events = workflow.triggers.iter().any(|trigger| !matches!(trigger, Trigger::Manual));
        let has_fields = !InputForm::empty(workflow.inputs.as_ref()).fields.is_empty();
        Self { inputs: workflow.inputs, has_fields, takes_events, sample, answers }
    }

    /// Whether an input is asked for at all.
    fn takes_input(&self) -> bool {
        self.has_fields || !self.takes_events
    }
}

/// Whether somebody may test drafts: also who may run workflows sees a draft only by its permission.
pub(super) fn may_test_draft(cx: &Cx) -> bool {
    cx.can("workflow.run") && cx.can("workflows.view_workflow")
}

pub(super) async fn ask(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflow.run")?;
    known_query(&cx, &["version", "execution", "event"])?;
    let workflow = of_slug(&cx, &slug).await?;
    let query = cx.query();
    let version = match (query.text("version"), workflow.live_version) {
        ("", Some(live)) => live,
        ("", None) if workflow.draft.is_none() => return super::workflow::not_published(&cx, &workflow),
        ("", None) => DRAFT,
        (word, _) => version_of(word)?,
    };
    let mut typed = Typed {
        version,
        execution: query.text("execution").to_owned(),
        event: query.text("event").to_owned(),
        ..Typed::default()
    };
    let tested = tested(&cx, &workflow, version).await?;
    if tested.answers.as_object().is_some_and(|answers| !answers.is_empty()) {
        typed.answers = pretty(&tested.answers);
    }
    let input = match (tested.takes_input(), tested.has_fields) {
        (true, true) => Some(InputForm::empty(tested.inputs.as_ref())),
        (true, false) => Some(InputForm::of(tested.inputs.as_ref(), &tested.sample)),
        (false, _) => {
            typed.payload = pretty(&tested.sample);
            None
        }
    };
    page(&cx, StatusCode::OK, workflow, input, &tested, typed, FieldErrors::default()).await
}

/// # Errors
/// What is no version's number and not `draft` is no query of this page.
fn version_of(word: &str) -> Result<i32, AdminError> {
    match word {
        "draft" => Ok(DRAFT),
        word => match word.parse() {
            Ok(number) if number > DRAFT => Ok(number),
            _ => Err(AdminError::Query("`version` is the number of a version, or `draft`".to_owned())),
        },
    }
}

pub(super) async fn start(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflow.run")?;
    let workflow = of_slug(&cx, &slug).await?;
    let mut errors = FieldErrors::default();
    let typed = Typed {
        version: version_of(fields.text("version"))?,
        execution: fields.text("execution").to_owned(),
        event: fields.text("event").to_owned(),
        payload: fields.text("payload").to_owned(),
        answers: fields.text("answers").to_owned(),
        reads: fields.text("reads") == "true",
    };
    // A draft can be written by those who may not publish. It must not carry secrets out for them: as with a
    // publication, somebody who may has looked at what runs.
    let mut seen = None;
    if typed.is_draft() && typed.reads {
        cx.require("workflow.publish")?;
        seen = Some(fields.text("row_version").parse().unwrap_or(-1));
    }
    let tested = tested(&cx, &workflow, typed.version).await?;
    let answers = match answers_of(&typed.answers) {
        Ok(answers) => answers,
        Err(message) => {
            errors.add_named("answers", message);
            Map::new()
        }
    };
    let about = match of_posted(&cx, &workflow, &tested, &typed, &fields).await {
        Ok(about) => about,
        Err(wrong) => {
            for (field, message) in wrong.all() {
                errors.add_named(field.unwrap_or("input"), message);
            }
            About { input: None, about: TestAbout::Input }
        }
    };
    let again =
        |errors: &FieldErrors| tested.takes_input().then(|| InputForm::posted(tested.inputs.as_ref(), &fields, errors));
    if !errors.is_empty() {
        let form = again(&errors);
        return page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, &tested, typed, errors).await;
    }
    let request = StartRequest {
        tenant_id: cx.tenant()?,
        workflow: workflow.slug.clone(),
        version: Some(typed.version).filter(|_| !typed.is_draft()),
        input: about.input,
        source: "admin".to_owned(),
        correlation_id: cx.origin().correlation_id.clone(),
        run_here: false,
    };
    let effects = Effects { reach: if typed.reads { Reach::Reads } else { Reach::Nothing }, answers };
    let facts = match typed.is_draft() {
        true => json!({ "draft": true, "row_version": workflow.row_version, "reads": typed.reads }),
        false => json!({ "version": typed.version, "reads": typed.reads }),
    };
    let entry = cx.entry("workflow.test").about("workflow", &workflow.slug).with(facts);
    let (engine, author) = (cx.state().engine(), &cx.principal().actor.name);
    let deed = async {
        match typed.is_draft() {
            true => engine.test_draft(request, &effects, about.about, author, seen).await,
            false => Ok(engine.start_test(request, &effects, about.about).await?),
        }
    };
    match cx.state().audit().around(entry, deed).await {
        Ok(id) => {
            let text =
                "The test runs. Nothing outside is changed; what would have been called is in the steps' outputs.";
            cx.done(&format!("/admin/executions/{id}/"), Flash::success(text))
        }
        // The page says what is wrong with the draft.
        Err(TestError::Invalid(_)) => {
            let form = again(&errors);
            page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, &tested, typed, errors).await
        }
        Err(TestError::Intake(IntakeError::InvalidInput(wrong))) => {
            let errors = problems(tested.inputs.as_ref(), &wrong);
            let form = again(&errors);
            page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, &tested, typed, errors).await
        }
        Err(TestError::Intake(IntakeError::Store(StoreError::Conflict(_)))) if seen.is_some() => {
            let now = of_slug(&cx, &slug).await?;
            errors.add_named("reads", "would read for a draft that has changed since: look at it again".to_owned());
            let form = again(&errors);
            page(&cx, StatusCode::CONFLICT, now, form, &tested, typed, errors).await
        }
        Err(TestError::Intake(error)) => Err(refused(error)),
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

/// What a version or the draft says about what it takes.
async fn tested(cx: &Cx, workflow: &WorkflowRecord, number: i32) -> Result<Tested, AdminError> {
    if number == DRAFT {
        // As `may_test_draft` has it.
        cx.require("workflows.view_workflow")?;
        let draft = workflow.draft.as_deref().ok_or(AdminError::NotFound)?;
        return Ok(Tested::of(cx, document::parse(draft).ok()));
    }
    let version = workflows::version(cx.state().database(), cx.tenant()?, workflow.id, number).await?;
    let source = version.ok_or(AdminError::NotFound)?.source;
    Ok(Tested::of(cx, document::parse(&source).ok()))
}

async fn page(
    cx: &Cx,
    status: StatusCode,
    workflow: WorkflowRecord,
    input: Option<InputForm>,
    tested: &Tested,
    typed: Typed,
    errors: FieldErrors,
) -> Reply {
    let (db, tenant) = (cx.state().database(), cx.tenant()?);
    let versions = workflows::versions(db, tenant, workflow.id, None, VERSIONS).await?;
    let past = match cx.can("executions.view_execution") {
        true => workflows::executions(db, tenant, &workflow.slug, None, PAST).await?,
        false => Vec::new(),
    };
    let findings = match &workflow.draft {
        Some(draft) if typed.is_draft() => cx.state().engine().validate(draft).err().unwrap_or_default(),
        _ => Vec::new(),
    };
    let execution = &typed.execution;
    let page = TestPage {
        shell: beneath(cx, format!("Test {}", workflow.slug), &workflow)
            .refused(!errors.is_empty() || !findings.is_empty()),
        url: url_of(&workflow.slug),
        draft_listed: workflow.draft.is_some() && cx.can("workflows.view_workflow"),
        version_listed: typed.is_draft() || versions.iter().any(|version| version.number == typed.version),
        execution_listed: execution.is_empty() || past.iter().any(|past| past.id.to_string() == *execution),
        may_read: !typed.is_draft() || cx.can("workflow.publish"),
        may_edit: cx.can("workflows.change_workflow"),
        takes_payload: tested.takes_events,
        workflow,
        versions,
        past,
        input,
        typed,
        findings,
        errors,
    };
    cx.page_with(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_or_the_draft() {
        assert_eq!(version_of("draft").unwrap(), DRAFT);
        assert_eq!(version_of("3").unwrap(), 3);
        for word in ["", "0", "-1", "live"] {
            assert!(version_of(word).is_err(), "{word}");
        }
    }

    #[test]
    fn answers_are_by_step_or_refused() {
        assert!(answers_of("").unwrap().is_empty());
        assert_eq!(answers_of(r#"{"customer": {"name": "Ada"}}"#).unwrap().len(), 1);
        assert!(answers_of("[]").is_err());
        assert!(answers_of("{").is_err());
        assert!(answers_of(&" ".repeat(limits::TEST_ANSWERS_BYTES + 1)).is_err());
    }
}
