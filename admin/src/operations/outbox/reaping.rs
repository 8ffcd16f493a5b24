//! Leases that ran out: given back by hand, as workers do by themselves a little later.

use std::time::Duration;

use automate_core::limits;
use automate_core::outbox::{ReapReport, ReapRequest};
use automate_core::store::StoreError;
use serde_json::json;

use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply};
use crate::operations::confirm::Confirm;
use crate::operations::words::many;

/// How long past its end a lease must be.
const PAST: Duration = Duration::from_secs(1);

/// Leases are the installation's, not one tenant's: a worker has work of all of them.
fn may(cx: &Cx) -> Result<(), AdminError> {
    cx.require("outbox.requeue")?;
    if cx.principal().is_superuser { Ok(()) } else { Err(AdminError::Forbidden("superuser".to_owned())) }
}

fn request(cx: &Cx, dry_run: bool) -> ReapRequest {
    let settings = cx.state().engine().settings();
    ReapRequest {
        stale_threshold: PAST,
        max_batch: limits::OUTBOX_BATCH,
        retry_delay: Duration::ZERO,
        max_lost_leases: settings.max_lost_leases,
        max_lost_in_company: settings.max_lost_leases.max(limits::LOST_LEASES_IN_COMPANY),
        dry_run,
    }
}

pub(in crate::operations) async fn ask(cx: Cx) -> Reply {
    may(&cx)?;
    let report = cx.state().engine().ports().store.reap_stale(&request(&cx, true)).await?;
    let shell = cx.shell("Reap expired leases").crumb("Outbox", "/admin/outbox/");
    let page = Confirm::new(shell, "Reap", "/admin/outbox/?state=running");
    if report.requeued.is_empty() && report.quarantined.is_empty() {
        return page.blocked("No lease has run out: there is nothing to reap.").show(&cx);
    }
    page.says(format!(
        "Back into the queue: {}. The workers that had them can change nothing of them any more.",
        many(report.requeued.len(), "item")
    ))
    .says(format!("Dead letters, after leases lost again and again: {}.", many(report.quarantined.len(), "item")))
    .says("Workers do this by themselves; by hand it is only sooner.")
    .show(&cx)
}

pub(in crate::operations) async fn reap(cx: Cx) -> Reply {
    may(&cx)?;
    let request = request(&cx, false);
    let entry = cx.entry("outbox.reap").about("outbox", "").with(json!({ "most": request.max_batch }));
    let store = &cx.state().engine().ports().store;
    let report: Result<ReapReport, StoreError> = cx.state().audit().around(entry, store.reap_stale(&request)).await;
    let report = report?;
    let said = format!(
        "Back in the queue: {}. Dead letters now: {}.",
        many(report.requeued.len(), "item"),
        many(report.quarantined.len(), "item")
    );
    cx.done("/admin/outbox/", Flash::success(said))
}
