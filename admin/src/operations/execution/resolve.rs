//! A step whose outcome is not known is decided by somebody who has looked.

use askama::Template;
use automate_core::status::StepStatus;
use automate_core::store::{Json, Resolution};
use automate_store::follow::{FollowedStep, follow};
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::once::{once, refused};
use super::super::words;
use super::found;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};

#[derive(Template)]
#[template(path = "admin/execution/resolve.html")]
struct ResolvePage {
    shell: Shell,
    step: FollowedStep,
    output: String,
    outcome: String,
    error: String,
    action: String,
    back: String,
    token: String,
}

async fn page(cx: &Cx, id: &str, path: &str, output: &str, outcome: &str, error: String) -> Reply {
    let execution = found(cx, id).await?;
    let steps = follow(cx.state().database(), cx.tenant()?, execution.id).await?.ok_or(AdminError::NotFound)?.steps;
    let wanted =
        |step: &FollowedStep| step.status == StepStatus::OutcomeUnknown && (path.is_empty() || step.path == path);
    let step = steps.into_iter().find(wanted);
    let step =
        step.ok_or_else(|| AdminError::Conflict("there is no such step whose outcome is not known".to_owned()))?;
    let back = words::execution(execution.id);
    let shell = cx.shell(format!("Decide {}", step.path)).crumb("Executions", "/admin/executions/");
    let status = if error.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    // Of one attempt there is one decision.
    let token = format!("resolve-{}-{}-{}", execution.id, step.seq, step.attempt + step.rerun);
    let page = ResolvePage {
        shell: shell.crumb(execution.workflow, back.clone()).refused(!error.is_empty()),
        step,
        output: output.to_owned(),
        outcome: outcome.to_owned(),
        error,
        action: cx.path().to_owned(),
        back,
        token,
    };
    cx.page_with(status, &page)
}

pub(super) async fn ask(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("execution.retry")?;
    let step = cx.query().text("step").to_owned();
    page(&cx, &id, &step, "null", "", String::new()).await
}

pub(super) async fn decide(cx: Cx, Path(path): Path<String>, fields: Fields) -> Reply {
    cx.require("execution.retry")?;
    let (execution, tenant) = (found(&cx, &path).await?, cx.tenant()?);
    let (step, outcome, output) = (fields.text("step").to_owned(), fields.text("outcome"), fields.text("output"));
    let resolution = match outcome {
        "completed" => match serde_json::from_str::<Value>(if output.is_empty() { "null" } else { output }) {
            Ok(value) => Resolution::Completed(Some(Json::from(value.to_string()))),
            Err(error) => {
                let error = format!("The output is not JSON: {error}");
                return page(&cx, &path, &step, output, outcome, error).await;
            }
        },
        "repeat" => Resolution::Repeat,
        "failed" => Resolution::Failed,
        _ => {
            let error = "Say what happened: choose one of the three.".to_owned();
            return page(&cx, &path, &step, output, outcome, error).await;
        }
    };
    let (state, id) = (cx.state().clone(), execution.id);
    let entry = cx.entry("execution.resolve").about("execution", id);
    let entry = entry.with(json!({ "step": step, "outcome": outcome }));
    let deed = async move {
        let resolved = state.engine().resolve(tenant, id, &step, resolution);
        state.audit().around(entry, resolved).await.map_err(refused)?;
        Ok(words::execution(id))
    };
    let to = once(&cx, &fields, deed).await?;
    cx.done(&to, Flash::success("It is decided, and the execution is back in the queue."))
}
