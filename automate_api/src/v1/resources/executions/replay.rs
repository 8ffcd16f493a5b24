//! `POST /executions/{id}/replay`.

use automate_core::ids::ExecutionId;
use automate_core::runtime::{RerunRequest, RerunVersion};
use automate_store::models::executions::EXECUTIONS;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, OneOf, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::super::nested::found;
use super::{PATH_CHARS, shape, shown};
use crate::v1::PREFIX;
use crate::v1::base::{Action, Call, Content, Operation, Reply};
use crate::{FieldError, Problem};

/// How an execution is repeated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Replay {
    /// The path of the step to begin at: what it does not depend on is taken over as it ended. At the
    /// beginning where absent.
    #[schema(max_length = 1000)]
    from: Option<String>,
    /// Another input; the same input or event where absent.
    input: Option<Value>,
    /// The version that runs; the one that ran before where absent.
    version: Option<ReplayVersion>,
    /// Whether only to say what would be done.
    dry_run: bool,
}

/// The version that a repetition runs.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(untagged)]
pub(in super::super) enum ReplayVersion {
    /// A version by its number.
    Number(i32),
    /// A version by what it is.
    Named(NamedVersion),
}

/// A version by what it is.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum NamedVersion {
    /// The one that ran before.
    Pinned,
    /// The live one.
    Live,
}

impl PartialSchema for ReplayVersion {
    fn schema() -> RefOr<Schema> {
        let number = Object::builder().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(i32::MAX));
        let word = Object::builder().schema_type(Type::String).enum_values(Some(["pinned", "live"]));
        let either = OneOf::builder()
            .item(Schema::Object(number.build()))
            .item(Schema::Object(word.build()))
            .description(Some("A version by its number; `pinned`, the one that ran before; `live`."));
        RefOr::T(Schema::OneOf(either.build()))
    }
}

impl ToSchema for ReplayVersion {}

impl ReplayVersion {
    /// The same for the engine; the one that ran before where nothing is said.
    pub(in super::super) const fn of(version: Option<Self>) -> RerunVersion {
        match version {
            None | Some(Self::Named(NamedVersion::Pinned)) => RerunVersion::Pinned,
            Some(Self::Named(NamedVersion::Live)) => RerunVersion::Live,
            Some(Self::Number(number)) => RerunVersion::Number(number),
        }
    }
}

/// What a repetition would do.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ReplayPlan {
    /// The execution that is repeated.
    execution_id: Uuid,
    /// Its workflow.
    workflow: String,
    /// The version that would run.
    version: i32,
    /// Where it would begin; at the beginning where null.
    from: Option<String>,
    /// The input is another one.
    edited_input: bool,
    /// Every step, in the order of the document.
    steps: Vec<ReplayStep>,
    /// Effects that would be repeated, under new idempotency keys.
    repeated_effects: Vec<ReplayEffect>,
    /// What is worth a look.
    warnings: Vec<ReplayWarning>,
}

/// What would become of a step.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ReplayStep {
    /// Its path.
    path: String,
    /// The action, or the kind of step.
    uses: String,
    /// `pure`, `idempotent` or `once`.
    effect: String,
    /// `keep`, `run`, or `run_if_failed`: only if what it handles fails.
    will: String,
    /// Where it stood in the execution that is repeated; null where it had not begun.
    was: Option<String>,
}

/// An effect that would be repeated.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ReplayEffect {
    /// The path of the step.
    path: String,
    /// The action.
    uses: String,
    /// `idempotent` or `once`.
    effect: String,
    /// How it ended.
    was: String,
    /// How often it was tried.
    attempts: i32,
    /// The idempotency key that it carried.
    idempotency_key: String,
    /// It is repeated only if what it handles fails.
    only_if_failed: bool,
}

/// Something about a repetition that is worth a look.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ReplayWarning {
    /// A stable code.
    code: String,
    /// For people.
    message: String,
    /// The step that it is about, where it is about one.
    path: Option<String>,
}

pub(super) fn operation() -> Operation {
    Operation::post("/executions/{id}/replay", Action::custom("replay"))
        .summary("Runs an ended execution again")
        .description(
            "As a new execution that is linked to it: whole or from one of its steps, with its input or another, on \
             its version or another. With `dry_run` it says which effects would be repeated, and does nothing.",
        )
        .may_read::<Replay>()
        .answers_with(StatusCode::ACCEPTED, "The new execution.", Content::Json(shape()))
        .answers::<ReplayPlan>(StatusCode::OK, "With `dry_run`: what it would do.")
        .handler(replay)
}

async fn replay(call: Call) -> Result<Reply, Problem> {
    let Replay { from, input, version, dry_run } = call.read()?;
    if from.as_ref().is_some_and(|from| from.chars().count() > PATH_CHARS) {
        let fault = FieldError {
            path: "/from".to_owned(),
            code: "TOO_LONG".to_owned(),
            message: format!("must be at most {PATH_CHARS} characters"),
        };
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input is not valid")
            .with_errors(vec![fault]));
    }
    let (id, tenant) = (ExecutionId(found(&call, &EXECUTIONS).await?), call.tenant()?);
    let request = RerunRequest { from, input, version: ReplayVersion::of(version) };
    let engine = call.api.engine();
    if dry_run {
        return Reply::ok(engine.rerun_plan(tenant, id, &request).await?);
    }
    let entry = call.audit("execution.replay")?.about("execution", id);
    let entry =
        entry.with(json!({ "from": request.from, "version": version, "edited_input": request.input.is_some() }));
    let key = call.dedupe_key().map(|key| format!("api:{key}"));
    let new = call.api.audit().around(entry, engine.rerun_once(tenant, id, &request, key)).await?;
    let location = HeaderValue::from_str(&format!("{PREFIX}/executions/{new}")).map_err(|_| Problem::internal())?;
    Ok(shown(&call, StatusCode::ACCEPTED, new).await?.with_header(header::LOCATION, location))
}
