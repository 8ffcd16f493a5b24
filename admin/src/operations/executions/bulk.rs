//! `/admin/executions/bulk/`: something is done to many executions, after a look at what it would be.

use askama::Template;
use automate_core::limits;
use automate_core::runtime::{BulkEffect, BulkRequest, RerunVersion};
use automate_core::status::{BulkOperation, ExecutionStatus};
use automate_core::store::Selection;
use automate_store::resource::exact_id;
use automate_store::search::{self, ExecutionSearch, Name, PageOf, Queued};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::super::once::{once, refused, token};
use super::super::{grammar, words};
use super::VIEW;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};

/// The permission for starting an operation over many.
const START: &str = "executions.add_bulkoperation";

/// An operation, its verb, the permission for doing it to one, what happens.
const OPERATIONS: &[(BulkOperation, &str, &str, &str)] = &[
    (
        BulkOperation::Retry,
        "Retry",
        "execution.retry",
        "Failed executions go on in place: what failed runs again, what had ended well stays.",
    ),
    (
        BulkOperation::Replay,
        "Run again",
        "execution.replay",
        "Each runs again from its beginning, as a new execution that is linked to it.",
    ),
    (
        BulkOperation::Cancel,
        "Cancel",
        "execution.cancel",
        "No new step starts, and actions under way are told to stop. What was done stays done.",
    ),
    (
        BulkOperation::Requeue,
        "Requeue",
        "outbox.requeue",
        "Dead letters go back into the queue, with all of their attempts before them.",
    ),
];

/// What the list offers to do with what is selected.
pub(super) fn offered(cx: &Cx) -> Vec<(&'static str, &'static str)> {
    if !cx.can(START) {
        return Vec::new();
    }
    let may = OPERATIONS.iter().filter(|(_, _, permission, _)| cx.can(permission));
    may.map(|(operation, label, ..)| (operation.as_str(), *label)).collect()
}

struct Sample {
    url: String,
    id: String,
    workflow: String,
    version: i32,
    status: &'static str,
    created_at: DateTime<Utc>,
    code: String,
}

#[derive(Template)]
#[template(path = "admin/executions/bulk.html")]
struct AskPage {
    shell: Shell,
    label: &'static str,
    consequence: &'static str,
    destructive: bool,
    replays: bool,
    count: u64,
    too_many: bool,
    most: u64,
    sample: Vec<Sample>,
    effects: Vec<BulkEffect>,
    looked_at: u64,
    rate: u32,
    rate_max: u32,
    takes: String,
    note: String,
    hidden: Vec<(String, String)>,
    token: String,
    back: String,
}

/// What was asked for.
struct Asked {
    request: BulkRequest,
    label: &'static str,
    permission: &'static str,
    consequence: &'static str,
    /// How the selection differs from what one may expect.
    note: String,
    q: String,
    /// When the list was drawn that everything was selected on: what came later is not selected.
    until: DateTime<Utc>,
}

async fn asked(cx: &Cx, fields: &Fields) -> Result<Asked, AdminError> {
    cx.require(VIEW)?;
    let op = fields.text("op");
    let Some((operation, label, permission, consequence)) = OPERATIONS.iter().find(|(known, ..)| known.as_str() == op)
    else {
        return Err(AdminError::Query(format!("there is no operation `{op}`")));
    };
    cx.require(START)?;
    cx.require(permission)?;
    let rate = match fields.text("rate") {
        "" => None,
        rate => {
            let rate = rate.parse::<u32>().ok().filter(|rate| (1..=limits::BULK_RATE_MAX).contains(rate));
            Some(rate.ok_or_else(|| AdminError::Form(format!("the rate is 1 to {}", limits::BULK_RATE_MAX)))?)
        }
    };
    let version = if fields.text("version") == "live" { RerunVersion::Live } else { RerunVersion::Pinned };
    let until = fields.text("until").parse().unwrap_or_else(|_| cx.now());
    let q = fields.text("q").to_owned();
    let (selection, note) = if fields.has("across") {
        across(cx, &q, until).await?
    } else {
        let ids: Option<Vec<_>> = fields.all("id").map(exact_id).collect();
        let ids = ids.ok_or_else(|| AdminError::Form("an id is none".to_owned()))?;
        if ids.is_empty() || ids.len() > limits::BULK_IDS {
            let text = format!("select 1 to {} executions, or everything that the search finds", limits::BULK_IDS);
            return Err(AdminError::Form(text));
        }
        (
            Selection { ids: ids.into_iter().map(automate_core::ids::ExecutionId).collect(), ..Selection::default() },
            String::new(),
        )
    };
    let created_by = cx.principal().actor.name.clone();
    let request = BulkRequest { operation: *operation, selection, rate, from: None, version, created_by };
    Ok(Asked { request, label, permission, consequence, note, q, until })
}

/// Everything that a search finds: as the engine selects where it can say the same, else by ids.
async fn across(cx: &Cx, q: &str, until: DateTime<Utc>) -> Result<(Selection, String), AdminError> {
    let query = grammar::parse(q, until, cx.prefs().zone)
        .map_err(|faults| AdminError::Query(faults.into_iter().map(|fault| fault.message).collect()))?;
    let mut search = query.search;
    // What arrives or ends from then on was not seen by whoever decides.
    search.as_of = Some(until);
    if let Some(selection) = same(&search) {
        return Ok((selection, String::new()));
    }
    let page = PageOf { limit: limits::BULK_IDS, ..PageOf::default() };
    let found = search::executions(cx.state().database(), cx.tenant()?, search, page).await?;
    let note = if found.more || found.looked_to.is_some() {
        format!(
            "This search reads rows one by one, so that these are the {} that it found first; do it again for the rest.",
            words::grouped(found.rows.len() as u64)
        )
    } else {
        String::new()
    };
    if found.rows.is_empty() {
        return Err(AdminError::Conflict("the search finds nothing any more".to_owned()));
    }
    Ok((Selection { ids: found.rows.iter().map(|row| row.id).collect(), ..Selection::default() }, note))
}

/// A search as the engine's selection, where that can say it.
fn same(search: &ExecutionSearch) -> Option<Selection> {
    let plain = ExecutionSearch {
        statuses: search.statuses.clone(),
        workflow: search.workflow.clone(),
        created_from: search.created_from,
        created_before: search.created_before,
        as_of: search.as_of,
        queued: search.queued.filter(|queued| *queued == Queued::Dead),
        ..ExecutionSearch::default()
    };
    let workflow = match &search.workflow {
        None => None,
        Some(Name::Is(slug)) => Some(slug.clone()),
        Some(Name::Like(_)) => return None,
    };
    (plain == *search).then(|| Selection {
        workflow,
        statuses: search.statuses.clone(),
        created_from: search.created_from,
        created_before: search.created_before,
        as_of: search.as_of,
        dead_letters: search.queued == Some(Queued::Dead),
        ..Selection::default()
    })
}

pub(super) async fn ask(cx: Cx) -> Reply {
    super::checked(&cx, &["op", "q", "id", "across", "rate", "version", "until"])?;
    let asked = asked(&cx, cx.query()).await?;
    let preview = cx.state().engine().bulk_preview(cx.tenant()?, &asked.request).await.map_err(refused)?;
    let mut hidden: Vec<(String, String)> = vec![("op".to_owned(), asked.request.operation.to_string())];
    hidden.push(("q".to_owned(), asked.q.clone()));
    if cx.query().has("across") {
        hidden.push(("across".to_owned(), "1".to_owned()));
        hidden.push(("until".to_owned(), crate::http::iso(&asked.until)));
    } else {
        hidden.extend(asked.request.selection.ids.iter().map(|id| ("id".to_owned(), id.to_string())));
    }
    let sample = preview.sample.iter().map(|one| Sample {
        url: words::execution(one.id),
        id: one.id.to_string(),
        workflow: one.workflow.clone(),
        version: one.version,
        status: one.status.as_str(),
        created_at: one.created_at,
        code: one.error_code.clone().unwrap_or_default(),
    });
    let statuses = &preview.selection.statuses;
    let fits = if statuses.len() < ExecutionStatus::ALL.len() && !statuses.is_empty() {
        let names: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
        format!("Only executions that are {} are taken. ", names.join(", "))
    } else {
        String::new()
    };
    cx.page(&AskPage {
        shell: cx.shell(format!("{} many executions", asked.label)).crumb("Executions", words::search(&asked.q)),
        label: asked.label,
        consequence: asked.consequence,
        destructive: asked.request.operation == BulkOperation::Cancel,
        replays: asked.request.operation == BulkOperation::Replay,
        count: preview.count,
        too_many: preview.too_many,
        most: limits::BULK_EXECUTIONS,
        sample: sample.collect(),
        effects: preview.effects,
        looked_at: preview.looked_at,
        rate: preview.rate,
        rate_max: limits::BULK_RATE_MAX,
        takes: words::duration(
            chrono::TimeDelta::try_seconds(i64::try_from(preview.seconds).unwrap_or(0)).unwrap_or_default(),
        ),
        note: format!("{fits}{}", asked.note),
        hidden,
        token: token(),
        back: words::search(&asked.q),
    })
}

pub(super) async fn start(cx: Cx, fields: Fields) -> Reply {
    let asked = asked(&cx, &fields).await?;
    let tenant = cx.tenant()?;
    let what = json!({
        "operation": asked.request.operation,
        "selection": asked.request.selection,
        "rate": asked.request.rate,
        "permission": asked.permission,
    });
    let entry = cx.entry("bulk_operation.start").about("bulk_operation", asked.request.operation).with(what);
    let (state, request) = (cx.state().clone(), asked.request);
    let deed = async move {
        let started =
            state.audit().around(entry, state.engine().bulk_start(tenant, &request)).await.map_err(refused)?;
        Ok(format!("/admin/executions/bulk/{}/", started.id))
    };
    let to = once(&cx, &fields, deed).await?;
    cx.done(&to, Flash::success("Started. This page says how far it is; it goes on when you leave."))
}
