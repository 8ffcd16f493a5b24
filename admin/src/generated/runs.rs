//! Working on runs: each process looks for runs that nobody works on, and goes on with those whose
//! process died.
//!
//! A row that was begun when a process died is begun again: what is done with rows must bear being
//! done twice. Permissions and scope are asked for anew with each batch of rows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use automate_core::access::Principal;
use automate_core::audit::{AuditEntry, AuditOutcome, Origin};
use automate_core::limits;
use automate_core::store::StoreError;
use automate_governance::identity::Session;
use automate_store::admin_runs::{self, AdminRun, Claimed, RowResult, RunStatus, TakenRow};
use automate_store::resource::{Comparison, ListQuery, Row};
use serde_json::json;
use tokio::sync::Semaphore;

use super::actions::{DELETE, deed};
use super::list::{read_of, rows_of, visible, why};
use super::narrowed;
use crate::action::Selection;
use crate::erased::AnyAdmin;
use crate::http::Cx;
use crate::spec::{Spec, Verb};
use crate::state::AdminState;

/// How long one batch of rows may take.
const BATCH: Duration = Duration::from_secs(600);

/// Looks for runs that nobody works on, until the process stops.
pub(crate) async fn serve(state: AdminState) {
    let shutdown = state.parts().shutdown.clone();
    let slots = Arc::new(Semaphore::new(limits::ADMIN_RUNS_AT_ONCE));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = state.runs_waiting().notified() => {}
            () = tokio::time::sleep(limits::ADMIN_RUN_LOOK) => {}
        }
        if let Err(error) = look(&state, &slots).await {
            tracing::warn!(%error, "runs of the admin were not looked for");
        }
    }
}

async fn look(state: &AdminState, slots: &Arc<Semaphore>) -> Result<(), StoreError> {
    let db = state.database();
    for id in admin_runs::open(db).await? {
        let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { return Ok(()) };
        let Some(claimed) = admin_runs::claim(db, id).await? else { continue };
        let state = state.clone();
        tokio::spawn(async move {
            work(state.clone(), claimed).await;
            drop(slot);
            // There may be another one waiting for the slot.
            state.runs_waiting().notify_one();
        });
    }
    Ok(())
}

/// Works on a run until it is over, or not ours any more. Answers with where its action leads.
pub(super) async fn work(state: AdminState, claimed: Claimed) -> Option<String> {
    match go(&state, &claimed).await {
        Ok(next) => next,
        Err(error) => {
            // Whoever finds the lease run out goes on.
            tracing::warn!(%error, run = %claimed.run.id, "a run of the admin was broken off");
            None
        }
    }
}

async fn go(state: &AdminState, claimed: &Claimed) -> Result<Option<String>, StoreError> {
    let (db, id, lease) = (state.database(), claimed.run.id, claimed.lease);
    let mut leads_to = None;
    if claimed.run.cancel_requested_at.is_some() {
        end(state, claimed, RunStatus::Cancelled, None).await?;
        return Ok(None);
    }
    loop {
        if state.parts().shutdown.is_cancelled() {
            admin_runs::release(db, id, lease).await?;
            return Ok(None);
        }
        let doer = match Doer::of(state, &claimed.run).await? {
            Ok(doer) => doer,
            Err(why) => {
                end(state, claimed, RunStatus::Failed, Some(why)).await?;
                return Ok(None);
            }
        };
        let Some(rows) = admin_runs::next(db, id, lease).await? else { return Ok(None) };
        if rows.is_empty() {
            end(state, claimed, RunStatus::Completed, None).await?;
            return Ok(leads_to);
        }
        let positions: Vec<i32> = rows.iter().map(|row| row.position).collect();
        let results = match held(state, claimed, async move { doer.batch(rows).await }).await? {
            Some((results, next)) => {
                leads_to = next.or(leads_to);
                results
            }
            None => {
                let broke_off = "It broke off, or took too long; look whether it was done.";
                let failed = |position| RowResult { position, failed: Some(broke_off.to_owned()) };
                positions.into_iter().map(failed).collect()
            }
        };
        match admin_runs::record(db, id, lease, results).await? {
            (false, _) => return Ok(None),
            (true, true) => {
                end(state, claimed, RunStatus::Cancelled, None).await?;
                return Ok(None);
            }
            (true, false) => {}
        }
    }
}

/// Waits for work while the lease is made to last. `None` where it broke off.
async fn held<T: Send + 'static>(
    state: &AdminState,
    claimed: &Claimed,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Option<T>, StoreError> {
    let mut task = tokio::spawn(tokio::time::timeout(BATCH, work));
    let mut tick = tokio::time::interval(limits::ADMIN_RUN_LEASE / 4);
    tick.tick().await;
    loop {
        tokio::select! {
            done = &mut task => return Ok(done.ok().and_then(Result::ok)),
            _ = tick.tick() => {
                let held = admin_runs::record(state.database(), claimed.run.id, claimed.lease, Vec::new()).await;
                if !matches!(held, Ok((true, _))) {
                    // Somebody else has it, or may have it soon.
                    task.abort();
                    return held.map(|_| None);
                }
            }
        }
    }
}

async fn end(
    state: &AdminState,
    claimed: &Claimed,
    status: RunStatus,
    error: Option<String>,
) -> Result<(), StoreError> {
    let run = claimed.run.clone();
    let why = error.clone();
    let person = state.identity().person(run.user, run.tenant).await?;
    let entry = move |done: i64, failed: i64| {
        let actor = person.map_or_else(automate_core::access::Actor::system, |person| person.actor);
        let outcome = if status == RunStatus::Completed { AuditOutcome::Done } else { AuditOutcome::Failed };
        AuditEntry::new(run.tenant, actor, &format!("admin_run.{}", run.action))
            .from(origin(&run))
            .about("admin_run", run.id.to_string())
            .outcome(outcome)
            .with(json!({ "model": run.model, "rows": run.rows, "done": done, "failed": failed, "why": why }))
    };
    admin_runs::finish(state.database(), state.audit(), claimed, status, error, entry).await
}

fn origin(run: &AdminRun) -> Origin {
    Origin { correlation_id: run.correlation_id.clone(), address: run.address.clone(), agent: String::new() }
}

/// Whoever asked for a run, as they are now, with what they asked for.
struct Doer {
    cx: Cx,
    admin: Arc<dyn AnyAdmin>,
    key: String,
}

impl Doer {
    /// Or why it cannot go on.
    async fn of(state: &AdminState, run: &AdminRun) -> Result<Result<Self, String>, StoreError> {
        let Some(person) = state.identity().person(run.user, run.tenant).await? else {
            return Ok(Err("Whoever asked for it may not come in any more.".to_owned()));
        };
        let Some(admin) = state.site().of(&run.model) else {
            return Ok(Err("There is no such model any more.".to_owned()));
        };
        let cx = context(state, run, person);
        if let Err(error) = deed(&cx, admin.spec(), &run.action) {
            return Ok(Err(error.to_string()));
        }
        Ok(Ok(Self { cx, admin: Arc::clone(admin), key: run.action.clone() }))
    }

    /// Does it with some rows. Answers with how it went, and where the action leads.
    async fn batch(self, taken: Vec<TakenRow>) -> (Vec<RowResult>, Option<String>) {
        let fail = |row: &TakenRow, why: String| RowResult { position: row.position, failed: Some(why) };
        let rows = match self.rows(&taken).await {
            Ok(rows) => rows,
            Err(why) => return (taken.iter().map(|row| fail(row, why.clone())).collect(), None),
        };
        let spec = self.admin.spec();
        let find = |taken: &TakenRow| rows.iter().find(|row| row.id(spec.model) == Some(taken.id));
        let action = spec.actions.iter().find(|action| action.key == self.key);
        let may = |row: &Row| match action {
            None => spec.allows(&self.cx, Verb::Delete, Some(row)),
            // Whether they may take it was asked before; of single rows it is asked as what it needs.
            Some(action) => {
                let verb = verb_of(spec, &action.permission);
                spec.may.as_ref().is_none_or(|may| may(&self.cx, verb, Some(row)))
            }
        };
        let mut results = Vec::with_capacity(taken.len());
        let mut wanted = Vec::new();
        for one in taken {
            match find(&one) {
                // Whoever began it before has deleted it.
                None if one.again && self.key == DELETE => {
                    results.push(RowResult { position: one.position, failed: None });
                }
                None => results.push(fail(&one, "It is not there any more, or not yours to see.".to_owned())),
                Some(row) if !may(row) => {
                    results.push(fail(&one, "You may not do this with it.".to_owned()));
                }
                Some(row) => wanted.push((one, row)),
            }
        }
        let Some(action) = action else {
            for (one, row) in wanted {
                let failed = match self.admin.delete(&self.cx, row).await {
                    Ok(()) => None,
                    Err(error) => Some(said(error)),
                };
                results.push(RowResult { position: one.position, failed });
            }
            return (results, None);
        };
        if wanted.is_empty() {
            return (results, None);
        }
        let ids = wanted.iter().map(|(one, _)| one.id).collect();
        match (action.run)(self.cx.clone(), Selection { ids }).await {
            Ok(outcome) => {
                for (one, _) in wanted {
                    let failed = outcome.failed.iter().find(|(id, _)| *id == one.id).map(|(_, why)| why.clone());
                    results.push(RowResult { position: one.position, failed });
                }
                (results, Some(outcome.next).filter(|next| !next.is_empty()))
            }
            Err(error) => {
                let why = said(error);
                results.extend(wanted.iter().map(|(one, _)| fail(one, why.clone())));
                (results, None)
            }
        }
    }

    /// The rows that are still there, and still theirs to see.
    async fn rows(&self, taken: &[TakenRow]) -> Result<Vec<Row>, String> {
        let spec = self.admin.spec();
        let ids = taken.iter().map(|row| json!(row.id)).collect();
        let fields = read_of(spec, &visible(&self.cx, &self.admin));
        let query = ListQuery { fields, limit: taken.len() as u64, ..ListQuery::default() };
        let query = query.filter(spec.model.key, Comparison::In, ids);
        let query = narrowed(self.admin.as_ref(), &self.cx, query);
        let page = self.cx.state().resources().list(spec.model, &self.cx.writer(), &query).await;
        let page = page.map_err(|error| said(error.into()))?;
        Ok(rows_of(&self.cx, spec, page))
    }
}

/// What is done to a row by what takes a permission: what takes the one to change rows, changes them.
fn verb_of(spec: &Spec, permission: &str) -> Verb {
    let verbs = [Verb::Change, Verb::Delete];
    verbs.into_iter().find(|verb| spec.model.permission_for(verb.as_str()) == permission).unwrap_or(Verb::View)
}

fn said(error: crate::error::AdminError) -> String {
    why(error).unwrap_or_else(|error| {
        tracing::error!(%error, "a row of a run failed");
        "Something went wrong on our side; the log says more.".to_owned()
    })
}

fn context(state: &AdminState, run: &AdminRun, person: Principal) -> Cx {
    let now = automate_core::clock::now();
    let session = Session {
        id_hash: [0; 32],
        user: run.user,
        tenant: Some(run.tenant),
        csrf: String::new(),
        created_at: now,
        expires_at: now,
    };
    Cx::apart(state.clone(), person, session, origin(run))
}
