//! `/admin/executions/bulk/{id}/`: how far an operation over many executions is, and what became of
//! each.

use askama::Template;
use automate_core::ids::{BulkId, TenantId};
use automate_core::status::{BulkItemStatus, BulkStatus};
use automate_core::store::{BulkItemQuery, BulkRecord};
use automate_store::resource::exact_id;
use axum::extract::Path;

use super::super::live::{self, Look, News, Watch, mark};
use super::super::once::refused;
use super::super::words;
use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply, Shell};
use crate::state::AdminState;

const VIEW: &str = "executions.view_bulkoperation";
const CHANGE: &str = "executions.change_bulkoperation";
/// Rows of a page.
const ROWS: usize = 50;

/// How far it is: the part of the page that is kept fresh.
#[derive(Template)]
#[template(path = "admin/executions/progress.html")]
struct Progress<'a> {
    bulk: &'a BulkRecord,
}

struct Item {
    position: i32,
    url: String,
    id: String,
    status: &'static str,
    code: String,
    message: String,
    result: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "admin/executions/report.html")]
struct ReportPage {
    shell: Shell,
    bulk: BulkRecord,
    progress: String,
    ended: bool,
    can_cancel: bool,
    items: Vec<Item>,
    choices: Vec<super::Choice>,
    next: String,
}

fn id_of(path: &str) -> Result<BulkId, AdminError> {
    exact_id(path).map(BulkId).ok_or(AdminError::NotFound)
}

const fn is_over(status: BulkStatus) -> bool {
    matches!(status, BulkStatus::Completed | BulkStatus::Cancelled)
}

pub(super) async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require(VIEW)?;
    super::checked(&cx, &["status", "after"])?;
    let (id, tenant, engine) = (id_of(&id)?, cx.tenant()?, cx.state().engine());
    let bulk = engine.bulk_status(tenant, id).await.map_err(refused)?;
    let chosen = cx.query().text("status").to_owned();
    let status = match chosen.as_str() {
        "" => None,
        word => Some(word.parse::<BulkItemStatus>().map_err(|error| AdminError::Query(error.to_string()))?),
    };
    let wrong = |_| AdminError::Query("`after` is a number".to_owned());
    let after = cx.query().get("after").map(str::parse::<i32>).transpose().map_err(wrong)?.unwrap_or(0);
    let query = BulkItemQuery { status, after, limit: ROWS };
    let items = engine.bulk_items(tenant, id, &query).await.map_err(refused)?;
    let here = format!("/admin/executions/bulk/{id}/");
    let next = items
        .last()
        .filter(|_| items.len() == ROWS)
        .map(|last| format!("{here}{}", cx.query().with("after", last.position.to_string()).to_query()));
    let counts = [
        ("", "all", bulk.total),
        ("done", "done", bulk.done),
        ("failed", "failed", bulk.failed),
        ("skipped", "skipped", bulk.skipped),
        ("pending", "pending", bulk.pending),
    ];
    let choices = counts.iter().map(|(word, label, count)| super::Choice {
        label: (*label).to_owned(),
        count: words::grouped(*count),
        url: if word.is_empty() { here.clone() } else { format!("{here}?status={word}") },
        current: chosen == *word,
    });
    let items = items.into_iter().map(|item| Item {
        position: item.position,
        url: words::execution(item.execution_id),
        id: item.execution_id.to_string(),
        status: item.status.as_str(),
        code: item.code.unwrap_or_default(),
        message: item.message.unwrap_or_default(),
        result: words::maybe_execution(item.result_id.map(|id| id.0)),
    });
    let ended = is_over(bulk.status);
    let progress = Progress { bulk: &bulk }.render()?;
    let mut shell = cx.shell(format!("Bulk {}", bulk.operation)).crumb("Executions", "/admin/executions/");
    if !ended {
        shell = shell.live(format!("{here}live?seen={}", mark(&progress)));
    }
    cx.page(&ReportPage {
        progress,
        ended,
        can_cancel: !ended && cx.can(CHANGE) && bulk.cancel_requested_at.is_none(),
        items: items.collect(),
        choices: choices.collect(),
        next: next.unwrap_or_default(),
        bulk,
        shell,
    })
}

pub(super) async fn cancel(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require(CHANGE)?;
    let (id, tenant) = (id_of(&id)?, cx.tenant()?);
    let engine = cx.state().engine();
    // Where it is another tenant's, nothing is asked for.
    engine.bulk_status(tenant, id).await.map_err(refused)?;
    let entry = cx.entry("bulk_operation.cancel").about("bulk_operation", id);
    cx.state().audit().around(entry, engine.bulk_cancel(tenant, id)).await.map_err(refused)?;
    cx.done(&format!("/admin/executions/bulk/{id}/"), Flash::success("It ends; what it did stays done."))
}

struct Watched {
    state: AdminState,
    tenant: TenantId,
    id: BulkId,
    seen: String,
}

#[async_trait::async_trait]
impl Watch for Watched {
    async fn look(&mut self) -> Result<Look, AdminError> {
        let bulk = self.state.engine().bulk_status(self.tenant, self.id).await.map_err(refused)?;
        let html = Progress { bulk: &bulk }.render()?;
        let now = mark(&html);
        let mut look = Look { id: now.clone(), ended: is_over(bulk.status), ..Look::default() };
        if now != self.seen {
            self.seen = now;
            look.news.push(News::fragment("progress", &html));
        }
        if look.ended {
            look.news.push(News::notice(format!("{} done, {} failed", bulk.done, bulk.failed)));
        }
        Ok(look)
    }
}

pub(super) async fn live(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require(VIEW)?;
    let (id, tenant) = (id_of(&id)?, cx.tenant()?);
    cx.state().engine().bulk_status(tenant, id).await.map_err(refused)?;
    live::serve(&cx, VIEW, Watched { state: cx.state().clone(), tenant, id, seen: live::known(&cx) })
}
