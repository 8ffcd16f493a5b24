//! What accepting means, without a database: keys, first holders, and answers.

use std::borrow::Cow;
use std::collections::HashMap;

use automate_core::ids::{EventId, ExecutionId, TenantId};
use automate_core::outbox::Claim;
use automate_core::store::{Accept, Accepted, AcceptedExecution, NewExecution};
use uuid::Uuid;

/// Attempts of an execution's queue item. The engine retries steps itself; the item is charged only
/// by an operator's marks, so the number is that of other work.
pub(super) const MAX_ATTEMPTS: i32 = 10;

/// The token of a lease that an item is born with.
pub(super) const BORN_TOKEN: i64 = 1;

/// A unique key of `dedupe_keys`. The order is the one in which every process inserts them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    pub(super) tenant_id: Uuid,
    pub(super) scope: Cow<'a, str>,
    pub(super) key: &'a str,
}

impl<'a> Key<'a> {
    /// The key of the delivery, where it has one.
    pub(super) fn of_delivery(accept: &'a Accept) -> Option<Self> {
        let delivery = accept.delivery.as_ref()?;
        Some(Self { tenant_id: accept.tenant_id.0, scope: Cow::Borrowed(&delivery.scope), key: &delivery.key })
    }

    /// The key of a start, where it has one.
    pub(super) fn of_start(tenant: TenantId, start: &'a NewExecution) -> Option<Self> {
        let key = start.dedupe_key.as_deref()?;
        Some(Self { tenant_id: tenant.0, scope: Cow::Owned(format!("start:{}", start.workflow_id)), key })
    }
}

/// What the first holder of a key stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct First {
    pub(super) event_id: Option<EventId>,
    pub(super) executions: Vec<ExecutionId>,
}

impl First {
    /// What this accept stores.
    pub(super) fn of(accept: &Accept) -> Self {
        Self {
            event_id: accept.event.as_ref().map(|event| event.id),
            executions: accept.starts.iter().map(|start| start.id).collect(),
        }
    }

    /// Whether this is what the accept itself stored, in a try whose outcome was not seen.
    pub(super) fn is_own(&self, accept: &Accept) -> bool {
        match (&self.event_id, &accept.event) {
            (Some(first), Some(event)) => *first == event.id,
            _ => self.executions.first().is_some_and(|id| accept.starts.iter().any(|start| start.id == *id)),
        }
    }

    /// The answer to everybody after the first.
    pub(super) fn duplicate(&self) -> Accepted {
        Accepted::Duplicate { event_id: self.event_id, executions: self.executions.clone() }
    }
}

/// Ids as the column `execution_ids` holds them.
pub(super) fn ids_json(ids: impl IntoIterator<Item = ExecutionId>) -> String {
    serde_json::to_string(&ids.into_iter().collect::<Vec<_>>()).unwrap_or_else(|_| "[]".to_owned())
}

/// The reverse; a row that cannot be read names no executions.
pub(super) fn ids_of_json(text: &str) -> Vec<ExecutionId> {
    serde_json::from_str(text).unwrap_or_default()
}

fn fresh(start: &NewExecution) -> AcceptedExecution {
    AcceptedExecution {
        id: start.id,
        claim: start.lease.as_ref().map(|_| Claim { id: start.outbox_id, token: BORN_TOKEN }),
        duplicate: false,
    }
}

/// The answer where everything was stored.
pub(super) fn stored(accept: &Accept) -> Accepted {
    Accepted::Stored {
        event_id: accept.event.as_ref().map(|event| event.id),
        executions: accept.starts.iter().map(fresh).collect(),
    }
}

/// The accept with only the first start of each dedupe key, and which starts were left out for
/// which earlier one.
pub(super) fn without_inner_doubles(accept: &Accept) -> (Accept, HashMap<ExecutionId, ExecutionId>) {
    let mut reduced = accept.clone();
    let (mut first_of, mut doubles) = (HashMap::new(), HashMap::new());
    reduced.starts.retain(|start| {
        let Some(key) = start.dedupe_key.clone() else { return true };
        match first_of.get(&(start.workflow_id, key.clone())) {
            Some(first) => {
                doubles.insert(start.id, *first);
                false
            }
            None => {
                first_of.insert((start.workflow_id, key), start.id);
                true
            }
        }
    });
    (reduced, doubles)
}

/// The answer where some starts were there before: doubles within the accept point at their first,
/// and what an earlier accept started takes the place of either.
pub(super) fn with_earlier(
    accept: &Accept,
    doubles: &HashMap<ExecutionId, ExecutionId>,
    earlier: &HashMap<ExecutionId, ExecutionId>,
) -> Accepted {
    let executions = accept
        .starts
        .iter()
        .map(|start| {
            let own = doubles.get(&start.id).copied().unwrap_or(start.id);
            let id = earlier.get(&own).copied().unwrap_or(own);
            if id == start.id { fresh(start) } else { AcceptedExecution { id, claim: None, duplicate: true } }
        })
        .collect();
    Accepted::Stored { event_id: accept.event.as_ref().map(|event| event.id), executions }
}

/// Whether any start has a dedupe key.
pub(super) fn has_start_keys(accept: &Accept) -> bool {
    accept.starts.iter().any(|start| start.dedupe_key.is_some())
}

/// Whether any start takes over steps of an earlier execution.
pub(super) fn has_adopted(accept: &Accept) -> bool {
    accept.starts.iter().any(|start| !start.adopted.is_empty())
}

/// Whether the answer holds work that nobody has leased, so that workers should look.
pub(super) fn is_queued(accepted: &Accepted) -> bool {
    match accepted {
        Accepted::Stored { executions, .. } => executions.iter().any(|e| e.claim.is_none() && !e.duplicate),
        Accepted::Duplicate { .. } | Accepted::StaleTriggers => false,
    }
}

#[cfg(test)]
mod tests;
