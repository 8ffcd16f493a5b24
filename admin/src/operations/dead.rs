//! Dead letters: what failed for good, by what failed.

mod deeds;
mod groups;

use askama::Template;
use automate_core::fingerprint::Fingerprint;
use automate_core::limits;
use automate_store::outbox::shown;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use chrono::{DateTime, Utc};

use super::confirm::takes_only;
use super::outbox::counted;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;
use groups::{Group, grouped};

/// Dead letters of a group's page.
const ROWS: usize = 100;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/dead/", get(list))
        .route("/admin/dead/requeue/", get(deeds::ask_requeue_all).post(deeds::requeue_all))
        .route("/admin/dead/discard/", get(deeds::ask_discard_all).post(deeds::discard_all))
        .route("/admin/dead/{fingerprint}/", get(group))
        .route("/admin/dead/{fingerprint}/requeue/", get(deeds::ask_requeue).post(deeds::requeue))
        .route("/admin/dead/{fingerprint}/discard/", get(deeds::ask_discard).post(deeds::discard))
}

/// The groups of the newest dead letters, and how many letters they are made of.
async fn groups(cx: &Cx) -> Result<(Vec<Group>, u64), AdminError> {
    let letters = shown::newest_dead(cx.state().database(), cx.tenant()?, limits::DEAD_LETTERS_GROUPED).await?;
    let read = letters.len() as u64;
    Ok((grouped(letters), read))
}

/// The group of an address.
async fn found(cx: &Cx, id: &str) -> Result<Group, AdminError> {
    if !Fingerprint::is_id(id) {
        return Err(AdminError::NotFound);
    }
    let (groups, _) = groups(cx).await?;
    groups.into_iter().find(|group| group.fingerprint.id == id).ok_or(AdminError::NotFound)
}

/// What a group is called.
fn title(group: &Group) -> String {
    match group.fingerprint.code.as_str() {
        "" => "Dead letters without a code".to_owned(),
        code => code.to_owned(),
    }
}

struct GroupRow {
    url: String,
    code: String,
    template: String,
    count: usize,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    workflows: Vec<(String, usize)>,
    more_workflows: usize,
    sample: String,
}

impl GroupRow {
    fn of(group: &Group) -> Self {
        Self {
            url: format!("/admin/dead/{}/", group.fingerprint.id),
            code: title(group),
            template: group.fingerprint.template.clone(),
            count: group.letters.len(),
            first: group.first,
            last: group.last,
            workflows: group.workflows.clone(),
            more_workflows: group.more_workflows,
            sample: group.sample.clone(),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/dead/list.html")]
struct DeadPage {
    shell: Shell,
    rows: Vec<GroupRow>,
    total: String,
    read: u64,
    /// There are more than were read.
    cut: bool,
    may_requeue: bool,
    may_discard: bool,
}

async fn list(cx: Cx) -> Reply {
    cx.require("outbox.view_item")?;
    takes_only(&cx, &[])?;
    let (groups, read) = groups(&cx).await?;
    let most = limits::ADMIN_COUNTED;
    let total = if read < limits::DEAD_LETTERS_GROUPED {
        read
    } else {
        shown::count_dead(cx.state().database(), cx.tenant()?, most).await?
    };
    cx.page(&DeadPage {
        shell: cx.shell("Dead letters"),
        rows: groups.iter().map(GroupRow::of).collect(),
        total: counted(total),
        read,
        cut: total > read,
        may_requeue: cx.can("outbox.requeue"),
        may_discard: cx.can("outbox.purge"),
    })
}

struct LetterRow {
    id: String,
    kind: String,
    workflow: String,
    execution: String,
    key: String,
    error: String,
    at: DateTime<Utc>,
}

#[derive(Template)]
#[template(path = "admin/dead/group.html")]
struct GroupPage {
    shell: Shell,
    group: GroupRow,
    rows: Vec<LetterRow>,
    cut: bool,
    may_requeue: bool,
    may_discard: bool,
}

async fn group(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("outbox.view_item")?;
    takes_only(&cx, &[])?;
    let group = found(&cx, &id).await?;
    let row = |letter: &shown::DeadLetter| LetterRow {
        id: letter.id.to_string(),
        kind: letter.kind.clone(),
        workflow: letter.workflow.clone().unwrap_or_default(),
        execution: letter.execution().map(|id| format!("/admin/executions/{id}/")).unwrap_or_default(),
        key: letter.key.clone(),
        error: letter.error.clone(),
        at: letter.updated_at,
    };
    cx.page(&GroupPage {
        shell: cx.shell(title(&group)).crumb("Dead letters", "/admin/dead/"),
        rows: group.letters.iter().take(ROWS).map(row).collect(),
        cut: group.letters.len() > ROWS,
        group: GroupRow::of(&group),
        may_requeue: cx.can("outbox.requeue"),
        may_discard: cx.can("outbox.purge"),
    })
}
