//! One item of the outbox: what it is, and putting it back or away.

use askama::Template;
use automate_core::ids::OutboxId;
use automate_core::outbox::OutboxFilter;
use automate_core::status::OutboxStatus;
use automate_core::store::StoreError;
use automate_store::models::outbox::OUTBOX;
use automate_store::outbox::shown::{self, ShownItem};
use automate_store::resource::{Selection, exact_id};
use axum::extract::Path;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::ItemRow;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::operations::confirm::Confirm;

/// The permission to see what items carry.
const PAYLOAD: &str = "execution.view_payload";

#[derive(Template)]
#[template(path = "admin/outbox/item.html")]
struct ItemPage {
    shell: Shell,
    row: ItemRow,
    created: DateTime<Utc>,
    priority: i16,
    lost_leases: i32,
    /// What its handler is given; none without the permission to see it.
    payload: Option<String>,
    dead: bool,
    done: bool,
    may_requeue: bool,
    may_discard: bool,
}

async fn found(cx: &Cx, id: &str) -> Result<ShownItem, AdminError> {
    let id = OutboxId(exact_id(id).ok_or(AdminError::NotFound)?);
    shown::item(cx.state().database(), cx.tenant()?, id).await?.ok_or(AdminError::NotFound)
}

pub(in crate::operations) async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.view_item")?;
    let item = found(&cx, &id).await?;
    let payload = if cx.can(PAYLOAD) { payload(&cx, item.id).await? } else { None };
    let (dead, done) = (item.status == OutboxStatus::Failed, item.status == OutboxStatus::Completed);
    let title = format!("{} {}", item.kind, crate::column::short(&id));
    cx.page(&ItemPage {
        shell: cx.shell(title).crumb("Outbox", "/admin/outbox/"),
        created: item.created_at,
        priority: item.priority,
        lost_leases: item.lost_leases,
        row: ItemRow::of(item, cx.now()),
        payload,
        dead,
        done,
        may_requeue: dead && cx.can("outbox.requeue"),
        may_discard: (dead || done) && cx.can("outbox.purge"),
    })
}

/// Through the service, which puts on record that it was seen.
async fn payload(cx: &Cx, id: OutboxId) -> Result<Option<String>, AdminError> {
    let selection = Selection { fields: vec!["payload"], expand: Vec::new() };
    let row = cx.state().resources().get(&OUTBOX, &cx.writer(), id.0, &selection).await?;
    let payload = row.fields.get("payload").filter(|payload| !payload.is_null());
    Ok(payload.map(|payload| serde_json::to_string_pretty(payload).unwrap_or_default()))
}

fn only(id: OutboxId) -> OutboxFilter {
    OutboxFilter { ids: vec![id], ..OutboxFilter::default() }
}

fn not_dead() -> AdminError {
    AdminError::Conflict("the item is no dead letter any more; the workers have it, or somebody was faster".to_owned())
}

fn confirm(cx: &Cx, item: &ShownItem, title: &str, button: &str) -> Confirm {
    let here = format!("/admin/outbox/{}/", item.id);
    let shell =
        cx.shell(title).crumb("Outbox", "/admin/outbox/").crumb(crate::column::short(&item.id.to_string()), &here);
    Confirm::new(shell, button, here)
}

pub(in crate::operations) async fn ask_requeue(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.requeue")?;
    let item = found(&cx, &id).await?;
    let page = confirm(&cx, &item, "Requeue a dead letter", "Requeue")
        .says(format!("1 item of the kind {} goes back into the queue with fresh attempts.", item.kind));
    let page = match item.execution() {
        Some(execution) => page.says(format!("The execution {execution} goes on where it stood.")),
        None => page,
    };
    let dead = item.status == OutboxStatus::Failed;
    if dead { page.show(&cx) } else { page.blocked("It is no dead letter: there is nothing to requeue.").show(&cx) }
}

pub(in crate::operations) async fn requeue(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.requeue")?;
    let item = found(&cx, &id).await?;
    let entry = cx.entry("outbox.requeue").about("outbox_item", item.id);
    let (store, filter) = (&cx.state().engine().ports().store, only(item.id));
    let done: Result<u64, StoreError> = cx.state().audit().around(entry, store.requeue(&filter, false)).await;
    if done? == 0 {
        return Err(not_dead());
    }
    cx.done(&format!("/admin/outbox/{}/", item.id), Flash::success("It is back in the queue."))
}

pub(in crate::operations) async fn ask_discard(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.purge")?;
    let item = found(&cx, &id).await?;
    discarding(&cx, &item, "").show(&cx)
}

fn discarding(cx: &Cx, item: &ShownItem, reason: &str) -> Confirm {
    let page = confirm(cx, item, "Discard an item", "Discard")
        .danger()
        .says(format!("1 item of the kind {} is deleted. It cannot be brought back.", item.kind))
        .asks_reason(reason);
    let page = match item.execution() {
        Some(_) => page.says("Its execution stays as it is, failed; it can be run again as a new one."),
        None => page,
    };
    if matches!(item.status, OutboxStatus::Failed | OutboxStatus::Completed) {
        page
    } else {
        page.blocked("It is no dead letter: it is left to the workers.")
    }
}

pub(in crate::operations) async fn discard(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    cx.require("outbox.purge")?;
    let item = found(&cx, &id).await?;
    let reason = fields.text("reason");
    if reason.is_empty() {
        return discarding(&cx, &item, "").refuse(&cx, "reason", "is needed");
    }
    let entry = cx.entry("outbox.purge").about("outbox_item", item.id).with(facts(reason, &item));
    let (store, filter) = (&cx.state().engine().ports().store, only(item.id));
    let done: Result<u64, StoreError> = cx.state().audit().around(entry, store.purge(&filter, false)).await;
    if done? == 0 {
        return Err(not_dead());
    }
    cx.done("/admin/outbox/?state=dead", Flash::success("It is deleted."))
}

fn facts(reason: &str, item: &ShownItem) -> Value {
    json!({ "reason": reason, "kind": item.kind, "key": item.key, "error_code": item.last_error_code })
}
