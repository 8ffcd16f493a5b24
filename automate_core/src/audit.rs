//! What the audit log says, and how its chain is made. Pure; storing is in `automate_store`.
//!
//! Each entry's hash covers the hash before it, so that an entry that is altered, taken out, put in
//! or moved breaks the chain where it was. The end of the chain carries a code made with a key
//! that is not in the database.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::Actor;
use crate::ids::TenantId;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// Done, in the transaction of this entry.
    Done,
    /// Asked for, and done right after this entry was written; a failed one follows where it was not.
    Asked,
    /// Not allowed.
    Refused,
    /// Tried and failed.
    Failed,
}

impl AuditOutcome {
    /// The word that is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The correlation id of the request.
    pub correlation_id: String,
    /// The client's address.
    pub address: String,
    /// What the client calls itself.
    pub agent: String,
}

/// Something that somebody did, or was refused.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Whose log; the default tenant's for what belongs to the installation.
    pub tenant: TenantId,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// What, as `noun.verb`: `workflow.publish`, `user.login`.
    pub action: String,
    /// The kind of row: `workflow`.
    pub object_type: String,
    /// Which row.
    pub object_id: String,
    /// How it went.
    pub outcome: AuditOutcome,
    /// What changed: `{"field": {"from": …, "to": …}}`, or facts by name. Credentials are masked
    /// before it is stored.
    pub changes: Value,
}

impl AuditEntry {
    /// An entry about something that was done.
    #[must_use]
    pub fn new(tenant: TenantId, actor: Actor, action: &str) -> Self {
        Self {
            tenant,
            actor,
            origin: Origin::default(),
            action: action.to_owned(),
            object_type: action.split('.').next().unwrap_or_default().to_owned(),
            object_id: String::new(),
            outcome: AuditOutcome::Done,
            changes: Value::Null,
        }
    }

    /// The same, from somewhere.
    #[must_use]
    pub fn from(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The same, about a row.
    #[must_use]
    pub fn about(mut self, object_type: &str, object_id: impl ToString) -> Self {
        object_type.clone_into(&mut self.object_type);
        self.object_id = object_id.to_string();
        self
    }

    /// The same, with what changed.
    #[must_use]
    pub fn with(mut self, changes: Value) -> Self {
        self.changes = changes;
        self
    }

    /// The same, with how it went.
    #[must_use]
    pub fn outcome(mut self, outcome: AuditOutcome) -> Self {
        self.outcome = outcome;
        self
    }
}

/// The hash before the first entry of a chain.
pub const GENESIS: [u8; 32] = [0; 32];

/// A row of the log, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its id.
    pub id: Uuid,
    /// Whose log.
    pub tenant: TenantId,
    /// Its place in the tenant's chain, from 1.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// See [`ActorKind`](crate::access::ActorKind).
    pub actor_kind: String,
    /// The id of the user or token.
    pub actor_id: String,
    /// Their name.
    pub actor: String,
    /// What.
    pub action: String,
    /// The kind of row.
    pub object_type: String,
    /// Which row.
    pub object_id: String,
    /// How it went.
    pub outcome: String,
    /// What changed, as JSON text.
    pub changes: String,
    /// The request.
    pub correlation_id: String,
    /// The client's address.
    pub address: String,
    /// The client's name for itself.
    pub agent: String,
}

impl AuditRow {
    /// The hash of this row after `previous`: SHA-256 (FIPS 180-4) over `previous` and every field
    /// with its length before it, so that no two rows are hashed from the same bytes.
    #[must_use]
    pub fn hash(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(previous);
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(self.id.as_bytes());
        field(self.tenant.0.as_bytes());
        field(&self.seq.to_be_bytes());
        field(self.at.to_rfc3339_opts(SecondsFormat::Micros, true).as_bytes());
        for text in [
            &self.actor_kind,
            &self.actor_id,
            &self.actor,
            &self.action,
            &self.object_type,
            &self.object_id,
            &self.outcome,
            &self.changes,
            &self.correlation_id,
            &self.address,
            &self.agent,
        ] {
            field(text.as_bytes());
        }
        hash.finalize().into()
    }
}
