//! Dead letters back into the queue, or away: a group of them, or all.

use automate_core::ids::{ExecutionId, OutboxId};
use automate_core::limits;
use automate_core::outbox::{EXECUTION_KIND, OutboxFilter};
use automate_core::runtime::{BulkRequest, OperateError, RerunVersion};
use automate_core::status::BulkOperation;
use automate_core::store::{Selection, StoreError};
use automate_store::outbox::shown::{self, QueueOf};
use automate_store::outbox::tenant::{DeadLetters, dead_letters};
use axum::extract::Path;
use serde_json::json;

use super::groups::Group;
use super::{found, title};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply};
use crate::operations::confirm::{Asked, Confirm};
use crate::operations::outbox::counted;
use crate::operations::words::{are, many};

/// Pages of dead letters that one press works through, of `limits::OUTBOX_BATCH` each.
const PAGES: usize = 20;
/// The permission to start an operation over many executions.
const BULK: &str = "executions.add_bulkoperation";

fn rate_field(value: &str) -> Asked {
    Asked {
        name: "rate",
        label: "Rate",
        help: format!(
            "Executions a second. With a rate the executions go back as a bulk operation, which a worker does and \
             reports on; without one all go back at once. At most {}.",
            limits::BULK_RATE_MAX
        ),
        kind: "text",
        value: value.to_owned(),
        required: false,
    }
}

/// The rate that was typed in; none where the field is empty.
fn rate_of(text: &str) -> Result<Option<u32>, String> {
    match text {
        "" => Ok(None),
        text => match text.parse::<u32>() {
            Ok(rate) if (1..=limits::BULK_RATE_MAX).contains(&rate) => Ok(Some(rate)),
            _ => Err(format!("must be a number from 1 to {}", limits::BULK_RATE_MAX)),
        },
    }
}

fn refused(error: OperateError) -> AdminError {
    match error {
        OperateError::Store(StoreError::Conflict(_)) => AdminError::Conflict(format!(
            "more executions are selected than the {} of one operation; requeue group by group",
            limits::BULK_EXECUTIONS
        )),
        OperateError::Store(error) => error.into(),
        other => AdminError::Conflict(other.to_string()),
    }
}

/// Starts an operation that requeues executions; answers with the address of what follows it.
async fn start_bulk(cx: &Cx, selection: Selection, rate: u32) -> Result<String, AdminError> {
    cx.require(BULK)?;
    let request = BulkRequest {
        operation: BulkOperation::Requeue,
        selection,
        rate: Some(rate),
        from: None,
        version: RerunVersion::default(),
        created_by: cx.principal().actor.name.clone(),
    };
    let entry = cx.entry("bulk_operation.start").about("bulk_operation", BulkOperation::Requeue);
    let entry = entry.with(json!({ "dead_letters": true, "rate": rate, "executions": request.selection.ids.len() }));
    let deed = cx.state().engine().bulk_start(cx.tenant()?, &request);
    let started = cx.state().audit().around(entry, deed).await.map_err(refused)?;
    let page = cx.state().site().of("bulk-operations").map(|admin| admin.spec().row_url(&started.id.to_string()));
    Ok(page.unwrap_or_else(|| "/admin/dead/".to_owned()))
}

/// Puts items back at once, page by page; answers how many.
async fn put_back(cx: &Cx, ids: &[OutboxId], what: &str) -> Result<u64, AdminError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let entry = cx.entry("outbox.requeue").about("outbox_item", what).with(json!({ "items": ids.len() }));
    let store = &cx.state().engine().ports().store;
    let deed = async {
        let mut done = 0;
        for page in ids.chunks(limits::OUTBOX_BATCH) {
            done += store.requeue(&OutboxFilter { ids: page.to_vec(), ..OutboxFilter::default() }, false).await?;
        }
        Ok::<_, StoreError>(done)
    };
    Ok(cx.state().audit().around(entry, deed).await?)
}

fn group_page(cx: &Cx, group: &Group, deed: &str, button: String) -> Confirm {
    let here = format!("/admin/dead/{}/", group.fingerprint.id);
    let shell = cx.shell(deed).crumb("Dead letters", "/admin/dead/").crumb(title(group), &here);
    Confirm::new(shell, button, here)
}

fn requeue_page(cx: &Cx, group: &Group, rate: &str) -> Confirm {
    let count = group.letters.len();
    let executions = group.letters.iter().filter(|letter| letter.kind == EXECUTION_KIND).count();
    group_page(cx, group, "Requeue a group", format!("Requeue {count}"))
        .says(format!("{count} dead letters go back into the queue with fresh attempts."))
        .says(format!(
            "{executions} of them are executions, which go on where they stood: steps that are done are not repeated."
        ))
        .asks(rate_field(rate))
}

pub(in crate::operations) async fn ask_requeue(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.requeue")?;
    let group = found(&cx, &id).await?;
    requeue_page(&cx, &group, "").show(&cx)
}

pub(in crate::operations) async fn requeue(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    cx.require("outbox.requeue")?;
    let group = found(&cx, &id).await?;
    let rate = match rate_of(fields.text("rate")) {
        Ok(rate) => rate,
        Err(message) => return requeue_page(&cx, &group, fields.text("rate")).refuse(&cx, "rate", message),
    };
    // The oldest go first: they have waited longest.
    let letters = || group.letters.iter().rev();
    let Some(rate) = rate else {
        let ids: Vec<OutboxId> = letters().map(|letter| letter.id).collect();
        let done = put_back(&cx, &ids, &group.fingerprint.id).await?;
        return cx.done("/admin/dead/", Flash::success(format!("{done} dead letters are back in the queue.")));
    };
    cx.require(BULK)?;
    let executions: Vec<ExecutionId> = letters()
        .filter(|letter| letter.kind == EXECUTION_KIND)
        .filter_map(|letter| letter.execution().map(ExecutionId))
        .take(limits::BULK_IDS)
        .collect();
    let others: Vec<OutboxId> =
        letters().filter(|letter| letter.kind != EXECUTION_KIND).map(|letter| letter.id).collect();
    let others = put_back(&cx, &others, &group.fingerprint.id).await?;
    if executions.is_empty() {
        return cx.done("/admin/dead/", Flash::success(format!("{} back in the queue.", are(others, "dead letter"))));
    }
    let count = executions.len();
    let selection = Selection { ids: executions, dead_letters: true, ..Selection::default() };
    let page = start_bulk(&cx, selection, rate).await?;
    cx.done(
        &page,
        Flash::success(format!(
            "Going back, {rate} a second: {}. Back already: {}.",
            many(count, "execution"),
            many(others, "other item")
        )),
    )
}

/// Dead letters by whether they are executions: `(executions, others)`, as far as they are counted.
async fn split(cx: &Cx) -> Result<(u64, u64), AdminError> {
    let queues = shown::queues(cx.state().database(), cx.tenant()?).await?;
    let dead = |queue: Option<&QueueOf>| queue.map_or(0, |queue| queue.dead);
    let all: u64 = queues.values().map(|queue| queue.dead).sum();
    let executions = dead(queues.get(EXECUTION_KIND));
    Ok((executions, all - executions))
}

async fn requeue_all_page(cx: &Cx, rate: &str) -> Result<Confirm, AdminError> {
    let (executions, others) = split(cx).await?;
    let shell = cx.shell("Requeue all dead letters").crumb("Dead letters", "/admin/dead/");
    let page = Confirm::new(shell, "Requeue all", "/admin/dead/");
    if executions + others == 0 {
        return Ok(page.blocked("There are no dead letters."));
    }
    let rate = if rate.is_empty() { limits::BULK_RATE.to_string() } else { rate.to_owned() };
    Ok(page
        .says(format!(
            "To go on where they stood: {}, as one bulk operation over those that are dead letters now, {} at most.",
            many(counted(executions), "execution"),
            limits::BULK_EXECUTIONS
        ))
        .says(format!("Back into the queue at once: {}.", many(counted(others), "other item")))
        .asks(Asked { required: true, ..rate_field(&rate) }))
}

pub(in crate::operations) async fn ask_requeue_all(cx: Cx) -> Reply {
    cx.require("outbox.requeue")?;
    cx.require(BULK)?;
    requeue_all_page(&cx, "").await?.show(&cx)
}

pub(in crate::operations) async fn requeue_all(cx: Cx, fields: Fields) -> Reply {
    cx.require("outbox.requeue")?;
    cx.require(BULK)?;
    let rate = match rate_of(fields.text("rate")) {
        Ok(rate) => rate.unwrap_or(limits::BULK_RATE),
        Err(message) => return requeue_all_page(&cx, fields.text("rate")).await?.refuse(&cx, "rate", message),
    };
    let (executions, _) = split(&cx).await?;
    let (db, tenant) = (cx.state().database(), cx.tenant()?);
    let queues = shown::queues(db, tenant).await?;
    let mut others = 0;
    for (kind, _) in queues.iter().filter(|(kind, queue)| *kind != EXECUTION_KIND && queue.dead > 0) {
        for _ in 0..PAGES {
            let which = DeadLetters { kind: Some(kind.clone()), ..DeadLetters::default() };
            let ids = dead_letters(db, tenant, which).await?;
            others += put_back(&cx, &ids, kind).await?;
            if ids.len() < limits::OUTBOX_BATCH {
                break;
            }
        }
    }
    if executions == 0 {
        return cx.done("/admin/dead/", Flash::success(format!("{} back in the queue.", are(others, "dead letter"))));
    }
    let selection = Selection { dead_letters: true, ..Selection::default() };
    let page = start_bulk(&cx, selection, rate).await?;
    cx.done(&page, Flash::success(format!("The executions go back at {rate} a second; {others} other items are back.")))
}

fn discard_page(cx: &Cx, group: &Group) -> Confirm {
    let count = group.letters.len();
    group_page(cx, group, "Discard a group", format!("Discard {count}"))
        .danger()
        .says(format!("{count} dead letters are deleted. They cannot be brought back."))
        .says("Their executions stay as they are, failed; they can be run again as new ones.")
        .asks_reason("")
}

pub(in crate::operations) async fn ask_discard(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.purge")?;
    let group = found(&cx, &id).await?;
    discard_page(&cx, &group).show(&cx)
}

async fn purge(cx: &Cx, ids: &[OutboxId], what: &str, reason: &str) -> Result<u64, AdminError> {
    let facts = json!({ "reason": reason, "items": ids.len() });
    let entry = cx.entry("outbox.purge").about("outbox_item", what).with(facts);
    let store = &cx.state().engine().ports().store;
    let deed = async {
        let mut done = 0;
        for page in ids.chunks(limits::OUTBOX_BATCH) {
            done += store.purge(&OutboxFilter { ids: page.to_vec(), ..OutboxFilter::default() }, false).await?;
        }
        Ok::<_, StoreError>(done)
    };
    Ok(cx.state().audit().around(entry, deed).await?)
}

pub(in crate::operations) async fn discard(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    cx.require("outbox.purge")?;
    let group = found(&cx, &id).await?;
    let reason = fields.text("reason");
    if reason.is_empty() {
        return discard_page(&cx, &group).refuse(&cx, "reason", "is needed");
    }
    let done = purge(&cx, &group.ids(), &group.fingerprint.id, reason).await?;
    cx.done("/admin/dead/", Flash::success(format!("{done} dead letters are deleted.")))
}

async fn discard_all_page(cx: &Cx) -> Result<Confirm, AdminError> {
    let (executions, others) = split(cx).await?;
    let shell = cx.shell("Discard all dead letters").crumb("Dead letters", "/admin/dead/");
    let page = Confirm::new(shell, "Discard all", "/admin/dead/").danger();
    if executions + others == 0 {
        return Ok(page.blocked("There are no dead letters."));
    }
    Ok(page
        .says(format!(
            "{} dead letters are deleted, the oldest first, {} at a time. They cannot be brought back.",
            counted(executions + others),
            PAGES * limits::OUTBOX_BATCH
        ))
        .says("Their executions stay as they are, failed; they can be run again as new ones.")
        .asks_reason(""))
}

pub(in crate::operations) async fn ask_discard_all(cx: Cx) -> Reply {
    cx.require("outbox.purge")?;
    discard_all_page(&cx).await?.show(&cx)
}

pub(in crate::operations) async fn discard_all(cx: Cx, fields: Fields) -> Reply {
    cx.require("outbox.purge")?;
    let reason = fields.text("reason");
    if reason.is_empty() {
        return discard_all_page(&cx).await?.refuse(&cx, "reason", "is needed");
    }
    let (db, tenant) = (cx.state().database(), cx.tenant()?);
    let mut done = 0;
    for _ in 0..PAGES {
        let ids = dead_letters(db, tenant, DeadLetters::default()).await?;
        if ids.is_empty() {
            break;
        }
        done += purge(&cx, &ids, "all", reason).await?;
    }
    let left = shown::count_dead(db, tenant, limits::ADMIN_COUNTED).await?;
    cx.done("/admin/dead/", Flash::success(format!("{done} dead letters are deleted; {} are left.", counted(left))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_within_its_bounds_or_nothing() {
        assert_eq!(rate_of(""), Ok(None));
        assert_eq!(rate_of("5"), Ok(Some(5)));
        for bad in ["0", "-1", "x", "1.5", "1001", "99999999999"] {
            assert!(rate_of(bad).is_err(), "{bad}");
        }
    }
}
