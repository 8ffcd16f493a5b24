//! The audit log in the database: one function that appends, one that verifies.
//!
//! Entries are appended inside the transaction of what they are about, and a tenant's entries one
//! after the other: the row in `audit_heads` is locked. On SQLite there is one writer anyway.

mod around;
mod looking;
mod resign;
mod verify;

use automate_core::audit::{AuditEntry, AuditRow, GENESIS};
use automate_core::config::MASK;
use automate_core::ids::{TenantId, new_v7};
use automate_core::limits;
use automate_core::redaction::{mask_fields, process_scrubber};
use automate_core::store::StoreError;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::db::Database;
use crate::error::store_error;

pub use verify::{AuditFinding, AuditReport, AuditTrouble, ChainHead};

/// A key for the codes at the ends of chains, with its name.
#[derive(Clone)]
pub struct AuditKey {
    /// Its name, stored beside what it signed.
    pub id: String,
    /// The key; 32 bytes that are not in the database.
    pub key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuditKey({})", self.id)
    }
}

/// The audit log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditLog {
    db: Database,
    /// The first one signs; all of them verify.
    keys: std::sync::Arc<[AuditKey]>,
}

impl AuditLog {
    /// The log of a database. The first key signs, all of them verify: put a new one in front.
    ///
    /// # Errors
    /// `Internal` where there is no key.
    pub fn new(db: Database, keys: Vec<AuditKey>) -> Result<Self, StoreError> {
        if keys.is_empty() {
            return Err(StoreError::Internal("the audit log needs a key".to_owned()));
        }
        Ok(Self { db, keys: keys.into() })
    }

    /// Appends an entry within a transaction, so that it is there exactly when what it tells of is.
    ///
    /// # Errors
    /// Those of the database; the transaction should then be given up.
    pub async fn append<C: ConnectionTrait>(&self, txn: &C, entry: AuditEntry) -> Result<(), StoreError> {
        let backend = txn.get_database_backend();
        let tenant = entry.tenant;
        let mut head = self.head(txn, tenant).await?;
        if head.is_none() {
            // Two first entries at once: the second waits here for the first.
            let hash = GENESIS.to_vec();
            let values = vec![
                tenant.0.into(),
                hash.into(),
                self.keys[0].id.clone().into(),
                self.mac(0, tenant, 0, &GENESIS).into(),
            ];
            let sql = "INSERT INTO audit_heads (tenant_id, seq, hash, key_id, mac) VALUES ($1, 0, $2, $3, $4) \
                       ON CONFLICT (tenant_id) DO NOTHING";
            run(txn, backend, sql, values).await?;
            head = self.head(txn, tenant).await?;
        }
        let (seq, previous) =
            head.ok_or_else(|| StoreError::Internal("the end of the audit log vanished".to_owned()))?;
        let row = row_of(entry, seq + 1);
        let hash = row.hash(&previous);
        let sql = "INSERT INTO audit_log (id, tenant_id, seq, at, actor_kind, actor_id, actor, action, object_type, \
                   object_id, outcome, changes, correlation_id, address, agent, hash) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
        let mac = self.mac(0, tenant, row.seq, &hash);
        let values = vec![
            row.id.into(),
            row.tenant.0.into(),
            row.seq.into(),
            row.at.into(),
            row.actor_kind.into(),
            row.actor_id.into(),
            row.actor.into(),
            row.action.into(),
            row.object_type.into(),
            row.object_id.into(),
            row.outcome.into(),
            row.changes.into(),
            row.correlation_id.into(),
            row.address.into(),
            row.agent.into(),
            hash.to_vec().into(),
        ];
        run(txn, backend, sql, values).await?;
        let sql = "UPDATE audit_heads SET seq = $2, hash = $3, key_id = $4, mac = $5 WHERE tenant_id = $1";
        let values =
            vec![tenant.0.into(), (seq + 1).into(), hash.to_vec().into(), self.keys[0].id.clone().into(), mac.into()];
        run(txn, backend, sql, values).await
    }

    /// Appends entries in a transaction of their own: for what changes no row, such as a refusal.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let log = self.clone();
        let work = move |db: Database| async move {
            let txn = db.begin().await?;
            for entry in entries {
                log.append(&txn, entry).await?;
            }
            txn.commit().await.map_err(store_error)
        };
        self.db.run(work).await
    }

    async fn head<C: ConnectionTrait>(&self, txn: &C, tenant: TenantId) -> Result<Option<(i64, [u8; 32])>, StoreError> {
        let backend = txn.get_database_backend();
        let lock = if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" };
        let sql = format!("SELECT seq, hash FROM audit_heads WHERE tenant_id = $1{lock}");
        let statement = Statement::from_sql_and_values(backend, &sql, vec![tenant.0.into()]);
        let Some(row) = txn.query_one_raw(statement).await.map_err(store_error)? else { return Ok(None) };
        let hash: Vec<u8> = row.try_get("", "hash").map_err(store_error)?;
        let hash = hash.try_into().map_err(|_| StoreError::Corrupt("the end of the audit log".to_owned()))?;
        Ok(Some((row.try_get("", "seq").map_err(store_error)?, hash)))
    }

    /// HMAC-SHA256 (RFC 2104) over the end of a chain.
    fn mac(&self, key: usize, tenant: TenantId, seq: i64, hash: &[u8; 32]) -> Vec<u8> {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.keys[key].key.as_slice()) else { return Vec::new() };
        mac.update(tenant.0.as_bytes());
        mac.update(&seq.to_be_bytes());
        mac.update(hash);
        mac.finalize().into_bytes().to_vec()
    }
}

fn row_of(entry: AuditEntry, seq: i64) -> AuditRow {
    let mut changes = entry.changes;
    mask_fields(&mut changes);
    let mut changes = process_scrubber().scrub_str(&changes.to_string()).into_owned();
    if changes.len() > limits::AUDIT_CHANGES_BYTES {
        changes = json!({ "cut": MASK, "bytes": changes.len() }).to_string();
    }
    let text = |text: String| -> String {
        let clean = process_scrubber().scrub_str(&text).into_owned();
        clean.chars().filter(|c| *c != '\0').take(limits::AUDIT_TEXT_CHARS).collect()
    };
    AuditRow {
        id: new_v7(),
        tenant: entry.tenant,
        seq,
        at: automate_core::clock::now(),
        actor_kind: entry.actor.kind.as_str().to_owned(),
        actor_id: text(entry.actor.id),
        actor: text(entry.actor.name),
        action: text(entry.action),
        object_type: text(entry.object_type),
        object_id: text(entry.object_id),
        outcome: entry.outcome.as_str().to_owned(),
        changes,
        correlation_id: text(entry.origin.correlation_id),
        address: text(entry.origin.address),
        agent: text(entry.origin.agent),
    }
}

async fn run<C: ConnectionTrait>(txn: &C, backend: DbBackend, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
    txn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map_err(store_error)?;
    Ok(())
}
