//! `POST /workflows/{id}/run`.

use std::sync::Arc;
use std::time::Duration;

use automate_core::ids::ExecutionId;
use automate_core::limits;
use automate_core::runtime::StartRequest;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::super::executions;
use super::of_path;
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{Action, Call, Content, Operation, Parameter, Reply};

/// How a workflow is started.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Run {
    /// The input, as the `inputs` of the workflow say.
    input: Option<Value>,
    /// A version other than the live one.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    version: Option<i32>,
}

/// What waiting and answering take besides the execution's own time.
const MARGIN: Duration = Duration::from_secs(15);

pub(super) fn operation(waiters: &Arc<Semaphore>) -> Operation {
    let most = i64::try_from(limits::HOOK_WAIT_MAX.as_secs()).unwrap_or(i64::MAX);
    let shape = executions::shape();
    let waiters = Arc::clone(waiters);
    Operation::post("/workflows/{id}/run", Action::custom("run"))
        .summary("Starts the workflow")
        .description(
            "Starts an execution. The answer comes when it is accepted; with `wait=true` when it has ended, or when \
             the `timeout` has passed, whichever is first.",
        )
        .parameter(Parameter::boolean("wait", "Whether to wait for the end of the execution."))
        .parameter(Parameter::integer(
            "timeout",
            1,
            most,
            format!("Seconds to wait at most; {} where it is not given.", limits::HOOK_WAIT.as_secs()),
        ))
        .may_read::<Run>()
        .answers_with(StatusCode::CREATED, "The execution, which has ended.", Content::Json(shape.clone()))
        .answers_with(StatusCode::ACCEPTED, "The execution, which has not ended.", Content::Json(shape))
        .deadline(limits::HOOK_WAIT_MAX + MARGIN)
        .handler(move |call| run(call, Arc::clone(&waiters)))
}

async fn run(call: Call, waiters: Arc<Semaphore>) -> Result<Reply, Problem> {
    let Run { input, version } = call.read()?;
    let workflow = of_path(&call).await?;
    let (engine, tenant) = (call.api.engine(), call.tenant()?);
    let request = StartRequest {
        tenant_id: tenant,
        workflow: workflow.slug.clone(),
        version,
        input,
        source: "api".to_owned(),
        correlation_id: call.origin.correlation_id.clone(),
        run_here: false,
    };
    if version.is_none() && workflow.live_version.is_none() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "NOT_PUBLISHED",
            "the workflow has no version yet; publish its draft first",
        ));
    }
    let entry = call.audit("workflow.run")?.about("workflow", &workflow.slug).with(json!({ "version": version }));
    // With a key, a start that was made before the process died is found again, and not made twice.
    let key = call.dedupe_key().map(|key| format!("api:{key}"));
    let id = call.api.audit().around(entry, engine.start_once(request, key)).await?;
    let ended = match call.query_flag("wait").then(|| waiters.try_acquire_owned()) {
        // Where too many wait already, the wish is passed over, as after the timeout.
        Some(Ok(_permit)) => {
            let timeout = call.query_integer("timeout").and_then(|seconds| u64::try_from(seconds).ok());
            let timeout = timeout.map_or(limits::HOOK_WAIT, Duration::from_secs);
            engine.wait_until_ended(tenant, id, timeout).await?.is_some()
        }
        _ => false,
    };
    let status = if ended { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    located(executions::shown(&call, status, id).await?, id)
}

/// The same, with where the execution is.
fn located(reply: Reply, id: ExecutionId) -> Result<Reply, Problem> {
    let location = HeaderValue::from_str(&format!("{PREFIX}/executions/{id}")).map_err(|_| Problem::internal())?;
    Ok(reply.with_header(header::LOCATION, location))
}
