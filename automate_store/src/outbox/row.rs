//! Rows of the queue.

use automate_core::ids::{OutboxId, TenantId};
use automate_core::limits;
use automate_core::outbox::{Claim, ClaimState, ClaimedItem, OutboxItem};
use automate_core::status::OutboxStatus;
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, TryGetable};
use serde_json::Value;
use uuid::Uuid;

use crate::error::store_error;

/// The columns of an item, of the table `o`.
pub(super) const COLUMNS: &str = "o.id, o.tenant_id, o.kind, o.key, o.payload, o.status, o.priority, o.attempt_count, \
     o.max_attempts, o.next_attempt_at, o.lease_owner, o.lease_token, o.lease_expires_at, o.lost_leases, \
     o.last_error_code, o.last_error, o.created_at";

/// A column of a row.
pub(super) fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}

/// An item from its row, for a worker: everything of it can be read.
pub(super) fn item(row: &QueryResult) -> Result<OutboxItem, StoreError> {
    read(row, |id, payload| {
        serde_json::from_str(payload)
            .map_err(|error| StoreError::Corrupt(format!("the payload of the outbox item {id}: {error}")))
    })
}

/// An item from its row, for an operator: a payload that is no JSON is shown as text.
pub(super) fn shown_item(row: &QueryResult) -> Result<OutboxItem, StoreError> {
    read(row, |_, payload| Ok(serde_json::from_str(payload).unwrap_or_else(|_| Value::String(payload.to_owned()))))
}

fn read(
    row: &QueryResult,
    payload: impl FnOnce(OutboxId, &str) -> Result<Value, StoreError>,
) -> Result<OutboxItem, StoreError> {
    let id = OutboxId(get(row, "id")?);
    let status: String = get(row, "status")?;
    Ok(OutboxItem {
        id,
        tenant_id: TenantId(get(row, "tenant_id")?),
        kind: get(row, "kind")?,
        key: get(row, "key")?,
        payload: payload(id, &get::<String>(row, "payload")?)?,
        status: status
            .parse::<OutboxStatus>()
            .map_err(|error| StoreError::Corrupt(format!("the outbox item {id}: {error}")))?,
        priority: get(row, "priority")?,
        attempt_count: get(row, "attempt_count")?,
        max_attempts: get(row, "max_attempts")?,
        next_attempt_at: get(row, "next_attempt_at")?,
        lease_owner: get(row, "lease_owner")?,
        lease_token: get(row, "lease_token")?,
        lease_expires_at: get::<Option<DateTime<Utc>>>(row, "lease_expires_at")?,
        lost_leases: get(row, "lost_leases")?,
        last_error_code: get(row, "last_error_code")?,
        last_error: get(row, "last_error")?,
        created_at: get(row, "created_at")?,
    })
}

/// Claimed items in the order in which they are to be worked on. A row that cannot be read is left
/// out, so that it does not keep the others from their work: its lease runs out, and at the third
/// loss it is set aside.
pub(super) fn claimed(rows: &[QueryResult]) -> Vec<ClaimedItem> {
    let mut items: Vec<ClaimedItem> = rows
        .iter()
        .filter_map(|row| match item(row) {
            Ok(item) => Some(ClaimedItem { claim: Claim { id: item.id, token: item.lease_token }, item }),
            Err(error) => {
                tracing::error!(%error, "a queued item cannot be read");
                None
            }
        })
        .collect();
    items.sort_by_key(|claimed| (claimed.item.priority, claimed.item.next_attempt_at, claimed.item.id));
    items
}

/// What became of each claim, from the ids of the rows that were changed.
pub(super) fn states(claims: &[Claim], held: &[(Uuid, i64)]) -> Vec<ClaimState> {
    let held: std::collections::HashSet<(Uuid, i64)> = held.iter().copied().collect();
    claims
        .iter()
        .map(|claim| if held.contains(&(claim.id.0, claim.token)) { ClaimState::Held } else { ClaimState::LeaseLost })
        .collect()
}

/// An error text that fits its column: no NUL, which PostgreSQL cannot keep, and not too long.
pub(super) fn error_text(text: &str) -> String {
    let mut text = text.replace('\0', "\u{fffd}");
    if text.len() > limits::OUTBOX_ERROR_BYTES {
        let end = (0..=limits::OUTBOX_ERROR_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_is_cut_between_characters_and_has_no_nul() {
        let text = error_text(&("é".repeat(limits::OUTBOX_ERROR_BYTES) + "\0"));
        assert!(text.len() <= limits::OUTBOX_ERROR_BYTES + '…'.len_utf8());
        assert!(text.ends_with("é…"));
        assert_eq!(error_text("a\0b"), "a\u{fffd}b");
    }
}
