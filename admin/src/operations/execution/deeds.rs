//! Cancelling, retrying, sending a signal: a page that says what will happen, and the deed. Each is
//! on record in the audit log before it is done.

use askama::Template;
use automate_core::runtime::SignalRequest;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::CancelOutcome;
use automate_store::follow::follow;
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::once::{key_of, once, refused, token};
use super::super::words::{self, many};
use super::found;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};

#[derive(Template)]
#[template(path = "admin/execution/confirm.html")]
struct Confirm {
    shell: Shell,
    title: String,
    says: Vec<String>,
    button: &'static str,
    danger: bool,
    action: String,
    back: String,
    token: String,
}

async fn confirm(
    cx: &Cx,
    id: &str,
    button: &'static str,
    says: impl Fn(&[(String, StepStatus)]) -> Vec<String>,
    token: impl Fn(i32) -> String,
) -> Reply {
    let execution = found(cx, id).await?;
    let steps = follow(cx.state().database(), cx.tenant()?, execution.id).await?.ok_or(AdminError::NotFound)?.steps;
    let steps: Vec<(String, StepStatus)> = steps.into_iter().map(|step| (step.path, step.status)).collect();
    let back = words::execution(execution.id);
    cx.page(&Confirm {
        shell: cx
            .shell(button)
            .crumb("Executions", "/admin/executions/")
            .crumb(execution.workflow.clone(), back.clone()),
        title: format!("{button}: {}, {}", execution.workflow, execution.id),
        says: says(&steps),
        button,
        danger: button == "Cancel the execution",
        action: cx.path().to_owned(),
        back,
        token: token(execution.attempt),
    })
}

fn count(steps: &[(String, StepStatus)], wanted: &[StepStatus]) -> usize {
    steps.iter().filter(|(_, status)| wanted.contains(status)).count()
}

pub(super) async fn ask_cancel(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("execution.cancel")?;
    let says = |steps: &[(String, StepStatus)]| {
        vec![
            "No new step starts.".to_owned(),
            format!("Told to stop: {} under way.", many(count(steps, &[StepStatus::Running]), "step")),
            format!("Done, and stays done: {}.", many(count(steps, &[StepStatus::Completed]), "step")),
        ]
    };
    confirm(&cx, &id, "Cancel the execution", says, |_| token()).await
}

pub(super) async fn cancel(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("execution.cancel")?;
    let (execution, tenant) = (found(&cx, &id).await?, cx.tenant()?);
    let id = execution.id;
    let entry = cx.entry("execution.cancel").about("execution", id);
    let outcome = cx.state().audit().around(entry, cx.state().engine().cancel(tenant, id)).await.map_err(refused)?;
    let flash = match outcome {
        CancelOutcome::Requested => Flash::success("The worker that has it was asked to stop."),
        CancelOutcome::Cancelled | CancelOutcome::AlreadyEnded(ExecutionStatus::Cancelled) => {
            Flash::success("It is cancelled.")
        }
        CancelOutcome::AlreadyEnded(status) => Flash::warning(format!("It had ended before, as {status}.")),
    };
    cx.done(&words::execution(id), flash)
}

pub(super) async fn ask_retry(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("execution.retry")?;
    let says = |steps: &[(String, StepStatus)]| {
        let again = count(steps, &[StepStatus::Failed, StepStatus::Cancelled]);
        vec![
            format!("To run again, with new idempotency keys: {}, failed or cancelled.", many(again, "step")),
            format!("Ended well, and stays as it is: {}.", many(count(steps, &[StepStatus::Completed]), "step")),
        ]
    };
    let exact = id.clone();
    confirm(&cx, &id, "Retry what failed", says, |attempt| format!("retry-{exact}-{attempt}")).await
}

pub(super) async fn retry(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    cx.require("execution.retry")?;
    let (execution, tenant) = (found(&cx, &id).await?, cx.tenant()?);
    let (state, id) = (cx.state().clone(), execution.id);
    let entry = cx.entry("execution.retry").about("execution", id);
    let deed = async move {
        state.audit().around(entry, state.engine().retry(tenant, id)).await.map_err(refused)?;
        Ok(words::execution(id))
    };
    match once(&cx, &fields, deed).await {
        Ok(to) => cx.done(&to, Flash::success("It is back in the queue.")),
        Err(AdminError::Conflict(_)) => {
            let now = found(&cx, &id.to_string()).await?.status;
            let text = format!("It is {now}; what has failed, and no worker holds any more, can be retried.");
            cx.done(&words::execution(id), Flash::warning(text))
        }
        Err(error) => Err(error),
    }
}

#[derive(Template)]
#[template(path = "admin/execution/signal.html")]
struct SignalPage {
    shell: Shell,
    names: Vec<String>,
    name: String,
    payload: String,
    error: String,
    action: String,
    back: String,
    token: String,
}

async fn signal_page(cx: &Cx, id: &str, name: &str, payload: &str, error: String, token: String) -> Reply {
    let execution = found(cx, id).await?;
    let why = cx.state().engine().explain(cx.tenant()?, execution.id).await.map_err(refused)?;
    let names: Vec<String> = why.reasons.into_iter().filter_map(|reason| reason.signal).collect();
    let back = words::execution(execution.id);
    let status = if error.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shell = cx.shell("Send a signal").crumb("Executions", "/admin/executions/");
    let page = SignalPage {
        shell: shell.crumb(execution.workflow, back.clone()).refused(!error.is_empty()),
        name: if name.is_empty() { names.first().cloned().unwrap_or_default() } else { name.to_owned() },
        names,
        payload: payload.to_owned(),
        error,
        action: cx.path().to_owned(),
        back,
        token,
    };
    cx.page_with(status, &page)
}

pub(super) async fn ask_signal(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("execution.signal")?;
    let name = cx.query().text("name").to_owned();
    signal_page(&cx, &id, &name, "{}", String::new(), token()).await
}

pub(super) async fn signal(cx: Cx, Path(path): Path<String>, fields: Fields) -> Reply {
    cx.require("execution.signal")?;
    let (execution, tenant) = (found(&cx, &path).await?, cx.tenant()?);
    let (name, text, token) = (fields.text("name").to_owned(), fields.text("payload"), fields.text("token").to_owned());
    let payload: Value = match serde_json::from_str(if text.is_empty() { "null" } else { text }) {
        Ok(payload) => payload,
        Err(error) => {
            let error = format!("The payload is not JSON: {error}");
            return signal_page(&cx, &path, &name, text, error, token).await;
        }
    };
    let (state, id) = (cx.state().clone(), execution.id);
    let entry = cx.entry("execution.signal").about("execution", id).with(json!({ "name": name }));
    let request = SignalRequest {
        tenant_id: tenant,
        execution_id: id,
        name: name.clone(),
        payload,
        dedupe_key: key_of(&fields),
        source: "admin".to_owned(),
    };
    let deed = async move {
        state.audit().around(entry, state.engine().signal(request)).await.map_err(refused)?;
        Ok(words::execution(id))
    };
    match once(&cx, &fields, deed).await {
        Ok(to) => {
            cx.done(&to, Flash::success(format!("The signal {name} is stored; the step that waits for it takes it.")))
        }
        Err(AdminError::Resource(automate_store::resource::ResourceError::Refused(why))) => {
            signal_page(&cx, &path, &name, text, why, token).await
        }
        Err(error) => Err(error),
    }
}
