//! Running an ended execution again: first what it would do, above all which effects it would
//! repeat; then the deed, once for each form.

use askama::Template;
use automate_core::runtime::{RerunPlan, RerunRequest, RerunVersion};
use automate_store::models::executions::EXECUTIONS;
use automate_store::resource::Selection;
use automate_store::search::FoundExecution;
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::once::{key_of, once, refused, token};
use super::super::words;
use super::{PAYLOAD, found};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};

#[derive(Template)]
#[template(path = "admin/execution/rerun.html")]
struct RerunPage {
    shell: Shell,
    execution: FoundExecution,
    plan: Option<RerunPlan>,
    /// Steps where one can begin.
    steps: Vec<(String, bool)>,
    from: String,
    version: String,
    /// The input as text, where it is edited.
    input: Option<String>,
    can_edit: bool,
    problem: String,
    kept: usize,
    runs: usize,
    action: String,
    back: String,
    token: String,
}

/// What the form says.
struct Wanted {
    from: String,
    version: String,
    input: Option<String>,
}

impl Wanted {
    fn of(fields: &Fields) -> Self {
        let edited = fields.text("edit") == "1";
        Self {
            from: fields.text("from").to_owned(),
            version: fields.text("version").to_owned(),
            input: edited.then(|| fields.get("input").unwrap_or_default().to_owned()),
        }
    }

    fn request(&self) -> Result<RerunRequest, String> {
        let input = match self.input.as_deref() {
            None => None,
            Some("") => return Err("The input is empty; write JSON, or do not change it.".to_owned()),
            Some(text) => {
                Some(serde_json::from_str::<Value>(text).map_err(|error| format!("The input is not JSON: {error}"))?)
            }
        };
        let version = match self.version.as_str() {
            "" | "pinned" => RerunVersion::Pinned,
            "live" => RerunVersion::Live,
            number => RerunVersion::Number(number.parse().map_err(|_| "There is no such version.".to_owned())?),
        };
        Ok(RerunRequest { from: Some(self.from.clone()).filter(|from| !from.is_empty()), input, version })
    }
}

/// The input that is there, for editing. That is a look at it, and on record as one.
async fn stored_input(cx: &Cx, execution: &FoundExecution) -> Result<String, AdminError> {
    let selection = Selection { fields: vec!["id", "input"], expand: Vec::new() };
    let row = cx.state().resources().get(&EXECUTIONS, &cx.writer(), execution.id.0, &selection).await?;
    let input = row.fields.get("input").cloned().unwrap_or_default();
    Ok(serde_json::to_string_pretty(&input).unwrap_or_default())
}

async fn page(cx: &Cx, execution: FoundExecution, mut wanted: Wanted, problem: String, token: String) -> Reply {
    let (tenant, engine) = (cx.tenant()?, cx.state().engine());
    if !execution.status.is_terminal() {
        let text = format!("the execution is {}; it can be run again when it has ended", execution.status);
        return Err(AdminError::Conflict(text));
    }
    let can_edit = cx.can(PAYLOAD);
    if wanted.input.is_some() && !can_edit {
        return Err(AdminError::Forbidden(PAYLOAD.to_owned()));
    }
    if wanted.input.as_deref() == Some("") && problem.is_empty() {
        wanted.input = Some(stored_input(cx, &execution).await?);
    }
    let (mut problem, mut plan) = (problem, None);
    match wanted.request() {
        Ok(request) => match engine.rerun_plan(tenant, execution.id, &request).await.map_err(refused) {
            Ok(found) => plan = Some(found),
            Err(AdminError::Resource(automate_store::resource::ResourceError::Refused(why))) if problem.is_empty() => {
                problem = why;
            }
            Err(AdminError::Resource(automate_store::resource::ResourceError::Refused(_))) => {}
            Err(error) => return Err(error),
        },
        Err(why) if problem.is_empty() => problem = why,
        Err(_) => {}
    }
    let back = words::execution(execution.id);
    let steps = plan.iter().flat_map(|plan| &plan.steps).map(|step| (step.path.clone(), step.path == wanted.from));
    let kept = |will: &str| {
        let all = plan.iter().flat_map(|plan| &plan.steps);
        all.filter(|step| json!(step.will) == will).count()
    };
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shell = cx.shell("Run again").crumb("Executions", "/admin/executions/");
    let page = RerunPage {
        shell: shell.crumb(execution.workflow.clone(), back.clone()).refused(!problem.is_empty()),
        steps: steps.take(500).collect(),
        kept: kept("keep"),
        runs: kept("run"),
        from: wanted.from,
        version: if wanted.version.is_empty() { "pinned".to_owned() } else { wanted.version },
        input: wanted.input,
        can_edit,
        problem,
        plan,
        action: cx.path().to_owned(),
        back,
        token,
        execution,
    };
    cx.page_with(status, &page)
}

pub(super) async fn ask(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("execution.replay")?;
    let execution = found(&cx, &id).await?;
    page(&cx, execution, Wanted::of(cx.query()), String::new(), token()).await
}

pub(super) async fn start(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    cx.require("execution.replay")?;
    let execution = found(&cx, &id).await?;
    let (tenant, wanted, token) = (cx.tenant()?, Wanted::of(&fields), fields.text("token").to_owned());
    if wanted.input.is_some() {
        cx.require(PAYLOAD)?;
    }
    let request = match wanted.request() {
        Ok(request) => request,
        Err(problem) => return page(&cx, execution, wanted, problem, token).await,
    };
    if fields.has("show") {
        return page(&cx, execution, wanted, String::new(), token).await;
    }
    let (state, id, key) = (cx.state().clone(), execution.id, key_of(&fields));
    let entry = cx.entry("execution.replay").about("execution", id).with(json!({
        "from": request.from, "version": request.version, "edited_input": request.input.is_some(),
    }));
    let deed = async move {
        let repeated = state.engine().rerun_once(tenant, id, &request, key);
        let new = state.audit().around(entry, repeated).await.map_err(refused)?;
        Ok(words::execution(new))
    };
    match once(&cx, &fields, deed).await {
        Ok(to) => cx.done(&to, Flash::success("It runs again, as this new execution.")),
        Err(AdminError::Resource(automate_store::resource::ResourceError::Refused(why))) => {
            page(&cx, execution, wanted, why, token).await
        }
        Err(error) => Err(error),
    }
}
