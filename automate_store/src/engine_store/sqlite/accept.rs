//! Accepting on SQLite. There is one writer, so what is there can be read first and everything be
//! decided here; then the rows go in, many per statement.

use std::collections::{HashMap, HashSet};

use automate_core::ids::{EventId, ExecutionId};
use automate_core::outbox::EXECUTION_KIND;
use automate_core::store::{Accept, Accepted, NewExecution};
use chrono::{DateTime, Utc};
use sqlx::{Arguments, Row, SqliteConnection};
use uuid::Uuid;

use super::super::accepting::{self, BORN_TOKEN, First, Key, MAX_ATTEMPTS};
use super::checkpoint::write_steps;
use super::many::Many;

static TRIGGERS: Many = Many::new("SELECT id FROM triggers WHERE id IN (", "?", ")");
// A cross join keeps its order, so each key is one look-up; `IN (VALUES …)` would scan the table.
static KEYS: Many = Many::new(
    "WITH wanted (tenant_id, scope, key) AS (VALUES ",
    "(?,?,?)",
    ") SELECT d.tenant_id, d.scope, d.key, d.event_id, d.execution_ids FROM wanted w CROSS JOIN dedupe_keys d \
     ON d.tenant_id = w.tenant_id AND d.scope = w.scope AND d.key = w.key",
);
static NEW_KEYS: Many = Many::new(
    "INSERT INTO dedupe_keys (tenant_id, scope, key, event_id, execution_ids, created_at) VALUES ",
    "(?,?,?,?,?,?)",
    "",
);
static EVENTS: Many = Many::new(
    "INSERT INTO events (id, tenant_id, event_type, source, payload, headers, correlation_id, received_at, depth) VALUES ",
    "(?,?,?,?,?,?,?,?,?)",
    "",
);
static REQUESTS: Many = Many::new(
    "INSERT INTO webhook_requests (id, tenant_id, path, method, headers, body, body_bytes, remote_addr, signature, \
     http_status, received_at) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?,?)",
    "",
);
static EXECUTIONS: Many = Many::new(
    "INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, \"trigger\", event_id, \
     input, attempt, created_at, parent_id, replay_of, correlation_id) VALUES ",
    "(?,?,?,?,?,?,'pending',?,?,?,1,?,?,?,?)",
    "",
);
static OUTBOX: Many = Many::new(
    "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count, max_attempts, \
     next_attempt_at, lease_owner, lease_token, lease_expires_at, lost_leases, created_at, updated_at) VALUES ",
    "(?,?,?,?,'null',?,?,0,?,?,?,?,?,0,?,?)",
    "",
);

/// A key to be stored: whose event, which executions.
struct NewKey<'a> {
    key: Key<'a>,
    event_id: Option<EventId>,
    executions: Vec<ExecutionId>,
}

/// What one batch stores.
#[derive(Default)]
struct Plan<'a> {
    going: Vec<&'a Accept>,
    starts: Vec<(&'a Accept, &'a NewExecution)>,
    keys: Vec<NewKey<'a>>,
    first_of: HashMap<Key<'a>, First>,
}

impl<'a> Plan<'a> {
    /// Decides one accept, in its turn.
    fn decide(&mut self, accept: &'a Accept, triggers: &HashSet<Uuid>) -> Accepted {
        if accept.starts.iter().filter_map(|start| start.trigger_id).any(|id| !triggers.contains(&id.0)) {
            return Accepted::StaleTriggers;
        }
        let delivery = Key::of_delivery(accept);
        if let Some(first) = delivery.as_ref().and_then(|key| self.first_of.get(key)) {
            return first.duplicate();
        }
        let event_id = accept.event.as_ref().map(|event| event.id);
        let mut earlier = HashMap::new();
        for start in &accept.starts {
            if let Some(key) = Key::of_start(accept.tenant_id, start) {
                if let Some(id) = self.first_of.get(&key).and_then(|first| first.executions.first()) {
                    earlier.insert(start.id, *id);
                    continue;
                }
                self.remember(key, event_id, vec![start.id]);
            }
            self.starts.push((accept, start));
        }
        let accepted = accepting::with_earlier(accept, &HashMap::new(), &earlier);
        if let (Some(key), Accepted::Stored { executions, .. }) = (delivery, &accepted) {
            let executions = executions.iter().map(|execution| execution.id).collect();
            self.remember(key, event_id, executions);
        }
        self.going.push(accept);
        accepted
    }

    fn remember(&mut self, key: Key<'a>, event_id: Option<EventId>, executions: Vec<ExecutionId>) {
        self.first_of.insert(key.clone(), First { event_id, executions: executions.clone() });
        self.keys.push(NewKey { key, event_id, executions });
    }
}

/// Stores accepts inside the caller's transaction, in their order.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    accepts: &[&Accept],
    now: DateTime<Utc>,
) -> Result<Vec<Accepted>, sqlx::Error> {
    let triggers = live_triggers(connection, accepts).await?;
    let mut plan = Plan { first_of: known_keys(connection, accepts).await?, ..Plan::default() };
    let answers = accepts.iter().map(|accept| plan.decide(accept, &triggers)).collect();
    write(connection, &plan, now).await?;
    Ok(answers)
}

async fn live_triggers(connection: &mut SqliteConnection, accepts: &[&Accept]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let named: HashSet<Uuid> =
        accepts.iter().flat_map(|accept| &accept.starts).filter_map(|start| start.trigger_id).map(|id| id.0).collect();
    let named: Vec<Uuid> = named.into_iter().collect();
    let rows = TRIGGERS.fetch(connection, &named, |arguments, id| arguments.add(*id)).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn known_keys<'a>(
    connection: &mut SqliteConnection,
    accepts: &[&'a Accept],
) -> Result<HashMap<Key<'a>, First>, sqlx::Error> {
    let wanted: Vec<Key<'a>> = accepts
        .iter()
        .flat_map(|accept| {
            let starts = accept.starts.iter().filter_map(|start| Key::of_start(accept.tenant_id, start));
            Key::of_delivery(accept).into_iter().chain(starts)
        })
        .collect();
    let rows = KEYS
        .fetch(connection, &wanted, |arguments, key| {
            arguments.add(key.tenant_id)?;
            arguments.add(key.scope.as_ref())?;
            arguments.add(key.key)
        })
        .await?;
    let mut found: HashMap<(Uuid, String, String), First> = HashMap::with_capacity(rows.len());
    for row in rows {
        let event_id = row.try_get::<Option<Uuid>, _>(3)?.map(EventId);
        let executions = accepting::ids_of_json(row.try_get(4)?);
        found.insert((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), First { event_id, executions });
    }
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(wanted
        .into_iter()
        .filter_map(|key| {
            let first = found.get(&(key.tenant_id, key.scope.to_string(), key.key.to_owned()))?.clone();
            Some((key, first))
        })
        .collect())
}

async fn write(connection: &mut SqliteConnection, plan: &Plan<'_>, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    NEW_KEYS
        .execute(connection, &plan.keys, |arguments, new| {
            arguments.add(new.key.tenant_id)?;
            arguments.add(new.key.scope.as_ref())?;
            arguments.add(new.key.key)?;
            arguments.add(new.event_id.map(|id| id.0))?;
            arguments.add(accepting::ids_json(new.executions.iter().copied()))?;
            arguments.add(now)
        })
        .await?;
    let events: Vec<_> =
        plan.going.iter().filter_map(|accept| Some((accept.tenant_id, accept.event.as_ref()?))).collect();
    EVENTS
        .execute(connection, &events, |arguments, (tenant, event)| {
            arguments.add(event.id.0)?;
            arguments.add(tenant.0)?;
            arguments.add(event.event_type.as_str())?;
            arguments.add(event.source.as_str())?;
            arguments.add(&*event.payload)?;
            arguments.add(event.headers.as_deref())?;
            arguments.add(event.correlation_id.as_str())?;
            arguments.add(event.received_at)?;
            arguments.add(i64::from(event.depth))
        })
        .await?;
    let requests: Vec<_> =
        plan.going.iter().filter_map(|accept| Some((accept.tenant_id, accept.request.as_ref()?))).collect();
    REQUESTS
        .execute(connection, &requests, |arguments, (tenant, request)| {
            arguments.add(request.id.0)?;
            arguments.add(tenant.0)?;
            arguments.add(request.path.as_str())?;
            arguments.add(request.method.as_str())?;
            arguments.add(&*request.headers)?;
            arguments.add(request.body.as_deref())?;
            arguments.add(request.body_bytes)?;
            arguments.add(request.remote_addr.as_deref())?;
            arguments.add(request.signature.as_str())?;
            arguments.add(request.http_status)?;
            arguments.add(request.received_at)
        })
        .await?;
    EXECUTIONS
        .execute(connection, &plan.starts, |arguments, (accept, start)| {
            arguments.add(start.id.0)?;
            arguments.add(accept.tenant_id.0)?;
            arguments.add(start.workflow_id.0)?;
            arguments.add(start.workflow.as_str())?;
            arguments.add(start.version_id.0)?;
            arguments.add(start.version)?;
            arguments.add(&*start.trigger)?;
            let event_id = start.event_id.or_else(|| accept.event.as_ref().map(|event| event.id));
            arguments.add(event_id.map(|id| id.0))?;
            arguments.add(start.input.as_deref())?;
            arguments.add(start.created_at)?;
            arguments.add(start.parent_id.map(|id| id.0))?;
            arguments.add(start.replay_of.map(|id| id.0))?;
            arguments.add(start.correlation_id.as_str())
        })
        .await?;
    let adopted: Vec<_> = plan
        .starts
        .iter()
        .flat_map(|(accept, start)| start.adopted.iter().map(|step| (start.id.0, accept.tenant_id.0, step)))
        .collect();
    write_steps(connection, &adopted).await?;
    OUTBOX
        .execute(connection, &plan.starts, |arguments, (accept, start)| {
            let lease = start.lease.as_ref();
            arguments.add(start.outbox_id.0)?;
            arguments.add(accept.tenant_id.0)?;
            arguments.add(EXECUTION_KIND)?;
            arguments.add(start.id.to_string())?;
            arguments.add(if lease.is_some() { "RUNNING" } else { "PENDING" })?;
            arguments.add(start.priority)?;
            arguments.add(MAX_ATTEMPTS)?;
            arguments.add(now)?;
            arguments.add(lease.map(|lease| lease.owner.as_str()))?;
            arguments.add(if lease.is_some() { BORN_TOKEN } else { 0 })?;
            arguments.add(lease.map(|lease| now + lease.lease))?;
            arguments.add(now)?;
            arguments.add(now)
        })
        .await
}
