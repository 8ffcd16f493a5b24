//! Whether the audit log is what was written.

use std::collections::BTreeSet;
use std::fmt;

use automate_core::audit::{AuditRow, GENESIS};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde::Serialize;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::AuditLog;
use crate::db::Database;
use crate::error::store_error;

/// What is wrong with an entry, or with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditTrouble {
    /// The entry is not what was written at this place: altered, moved or exchanged.
    Altered,
    /// Entries are missing before this one, or at the end.
    Missing,
    /// Entries behind the end.
    Inserted,
    /// The end of the chain is not ours: it was made without the key.
    Forged,
    /// There are entries and no end, or an end that nobody can check.
    NoEnd,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFinding {
    /// Whose chain.
    pub tenant: TenantId,
    /// Where, from 1.
    pub seq: i64,
    /// Which entry, where there is one.
    pub id: Option<Uuid>,
    /// What.
    pub trouble: AuditTrouble,
    /// In words.
    pub message: String,
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {} entry {}: {}", self.tenant, self.seq, self.message)
    }
}

/// The end of a chain. Whoever notes it elsewhere can later tell whether the log was put back to an
/// earlier state as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainHead {
    /// Whose chain.
    pub tenant: TenantId,
    /// How many entries.
    pub seq: i64,
    /// The hash of the last one, hex.
    pub hash: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AuditReport {
    /// Entries that were read.
    pub entries: u64,
    /// The ends of the chains as they are stored.
    pub heads: Vec<ChainHead>,
    /// What is wrong; empty is whole.
    pub findings: Vec<AuditFinding>,
}

/// The end of a chain as stored.
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) hash: Vec<u8>,
    pub(super) key_id: String,
    pub(super) mac: Vec<u8>,
}

/// What is stored at a place; what of it cannot be read was written by nobody of us.
struct Entry {
    seq: Option<i64>,
    stored: Option<Stored>,
}

/// A stored row with its stored hash.
struct Stored {
    row: AuditRow,
    hash: Vec<u8>,
}

impl AuditLog {
    /// Reads chains from their beginning and says what is wrong with them: of one tenant, or of all.
    /// Reads page by page, in constant memory.
    ///
    /// # Errors
    /// Those of the database. What is wrong with the log is no error but a finding.
    pub async fn verify(&self, tenant: Option<TenantId>) -> Result<AuditReport, StoreError> {
        let log = self.clone();
        self.db.run_within(limits::AUDIT_VERIFY, move |_| async move { log.verify_all(tenant).await }).await
    }

    /// Whether an entry with this place and hash (hex) is in any chain.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn contains(&self, seq: i64, hash: &str) -> Result<bool, StoreError> {
        let Ok(hash) = hex::decode(hash) else { return Ok(false) };
        let work = move |db: Database| async move {
            let orm = db.orm_reader();
            let sql = "SELECT 1 FROM audit_log WHERE seq = $1 AND hash = $2";
            let statement =
                Statement::from_sql_and_values(orm.get_database_backend(), sql, vec![seq.into(), hash.into()]);
            Ok(orm.query_one_raw(statement).await.map_err(store_error)?.is_some())
        };
        self.db.run(work).await
    }

    async fn verify_all(&self, only: Option<TenantId>) -> Result<AuditReport, StoreError> {
        let mut report = AuditReport::default();
        for tenant in self.chains().await? {
            if only.is_none_or(|only| only == tenant) {
                self.verify_chain(tenant, &mut report).await?;
            }
        }
        Ok(report)
    }

    async fn verify_chain(&self, tenant: TenantId, report: &mut AuditReport) -> Result<(), StoreError> {
        let mut chain = Chain { tenant, previous: GENESIS, last: 0, found: Vec::new() };
        // From below the first place: nothing belongs there, and what is there is to be found.
        let mut after = i64::MIN;
        let head = loop {
            let before = after;
            loop {
                let page = self.page(tenant, after).await?;
                report.entries += page.len() as u64;
                let Some(end) = page.last() else { break };
                let end = end.seq;
                page.into_iter().for_each(|entry| chain.follow(entry));
                match end {
                    Some(end) => after = end,
                    // A place that cannot be read sorts behind all others; there is nothing to go on from.
                    None => break,
                }
            }
            // The end is read after the entries: what others append meanwhile is behind both.
            let head = head(self.db.orm_reader(), tenant, false).await?;
            let appended = head.as_ref().is_some_and(|head| head.seq > chain.last);
            if !appended || after == before {
                break head;
            }
        };
        match head {
            None if chain.last > 0 || !chain.found.is_empty() => {
                chain.find(chain.last, None, AuditTrouble::NoEnd, "the end of the chain is gone".to_owned());
            }
            None => {}
            Some(head) => {
                self.verify_end(&mut chain, &head);
                report.heads.push(ChainHead { tenant, seq: head.seq, hash: hex::encode(&head.hash) });
            }
        }
        report.findings.append(&mut chain.found);
        Ok(())
    }

    fn verify_end(&self, chain: &mut Chain, head: &Head) {
        let (tenant, last) = (chain.tenant, chain.last);
        let hash: [u8; 32] = head.hash.as_slice().try_into().unwrap_or(GENESIS);
        let Some(key) = self.keys.iter().position(|key| key.id == head.key_id) else {
            let message =
                format!("the end of the chain is signed with key `{}`, which this installation lacks", head.key_id);
            return chain.find(head.seq, None, AuditTrouble::NoEnd, message);
        };
        if !bool::from(self.mac(key, tenant, head.seq, &hash).ct_eq(&head.mac)) {
            let message = "the end of the chain was not written by this installation".to_owned();
            chain.find(head.seq, None, AuditTrouble::Forged, message);
        } else if head.seq > last {
            let message = format!("{} missing at the end", entries(last + 1, head.seq));
            chain.find(last + 1, None, AuditTrouble::Missing, message);
        } else if head.seq < last {
            let message = format!("{} put in behind the end", entries(head.seq + 1, last));
            chain.find(head.seq + 1, None, AuditTrouble::Inserted, message);
        } else if last > 0 && chain.previous != hash {
            let message = "the last entry is not the one that was written".to_owned();
            chain.find(last, None, AuditTrouble::Altered, message);
        }
    }

    /// Whose chains there are: of ends without entries, and of entries without an end.
    pub(super) async fn chains(&self) -> Result<Vec<TenantId>, StoreError> {
        let orm = self.db.orm_reader();
        let mut chains = BTreeSet::new();
        for table in ["audit_heads", "audit_log"] {
            let mut last: Option<Uuid> = None;
            // One look into the index for each tenant; DISTINCT would read every entry.
            loop {
                let mut select = Query::select();
                select.column("tenant_id").from(table).order_by("tenant_id", Order::Asc).limit(1);
                if let Some(last) = last {
                    select.and_where(Expr::col("tenant_id").gt(last));
                }
                let Some(row) = orm.query_one(&select).await.map_err(store_error)? else { break };
                let tenant: Uuid = get(&row, "tenant_id")?;
                chains.insert(TenantId(tenant));
                last = Some(tenant);
            }
        }
        Ok(chains.into_iter().collect())
    }

    async fn page(&self, tenant: TenantId, after: i64) -> Result<Vec<Entry>, StoreError> {
        let orm = self.db.orm_reader();
        let sql = format!(
            "SELECT id, seq, at, actor_kind, actor_id, actor, action, object_type, object_id, outcome, changes, \
             correlation_id, address, agent, hash FROM audit_log WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT {}",
            limits::AUDIT_PAGE
        );
        let statement =
            Statement::from_sql_and_values(orm.get_database_backend(), &sql, vec![tenant.0.into(), after.into()]);
        let rows = orm.query_all_raw(statement).await.map_err(store_error)?;
        Ok(rows.iter().map(|row| Entry { seq: get(row, "seq").ok(), stored: stored(tenant, row).ok() }).collect())
    }
}

/// The end of a chain, locked where whoever asks will change it.
pub(super) async fn head<C: ConnectionTrait>(db: &C, tenant: TenantId, lock: bool) -> Result<Option<Head>, StoreError> {
    let lock = if lock { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT seq, hash, key_id, mac FROM audit_heads WHERE tenant_id = $1{lock}");
    let statement = Statement::from_sql_and_values(db.get_database_backend(), &sql, vec![tenant.0.into()]);
    let Some(row) = db.query_one_raw(statement).await.map_err(store_error)? else { return Ok(None) };
    Ok(Some(Head {
        seq: get(&row, "seq")?,
        hash: get(&row, "hash")?,
        key_id: get(&row, "key_id")?,
        mac: get(&row, "mac")?,
    }))
}

/// A chain as far as it was followed.
struct Chain {
    tenant: TenantId,
    previous: [u8; 32],
    last: i64,
    found: Vec<AuditFinding>,
}

impl Chain {
    fn find(&mut self, seq: i64, id: Option<Uuid>, trouble: AuditTrouble, message: String) {
        if self.found.len() < limits::AUDIT_FINDINGS {
            self.found.push(AuditFinding { tenant: self.tenant, seq, id, trouble, message });
        }
    }

    fn follow(&mut self, entry: Entry) {
        let next = self.last + 1;
        let Some(seq) = entry.seq else {
            let message = "an entry whose place cannot be read was altered".to_owned();
            return self.find(next, None, AuditTrouble::Altered, message);
        };
        let id = entry.stored.as_ref().map(|stored| stored.row.id);
        if seq < next {
            let message = format!("an entry was put in at {seq}, where there is another or none belongs");
            return self.find(seq, id, AuditTrouble::Inserted, message);
        }
        if seq > next {
            self.find(next, None, AuditTrouble::Missing, format!("{} missing here", entries(next, seq - 1)));
        }
        self.last = seq;
        let Some(Stored { row, hash }) = entry.stored else {
            // What follows is then checked from nothing, and found too.
            self.previous = GENESIS;
            return self.find(seq, None, AuditTrouble::Altered, format!("entry {seq} was altered: it cannot be read"));
        };
        if seq == next && row.hash(&self.previous).as_slice() != hash.as_slice() {
            let message = format!(
                "{} ({}) was altered, moved or put in: it does not follow from entry {}",
                row.id,
                row.action,
                next - 1
            );
            self.find(seq, id, AuditTrouble::Altered, message);
        }
        // From the stored hash, so that one finding does not make findings of all that follow.
        self.previous = hash.as_slice().try_into().unwrap_or(GENESIS);
    }
}

fn entries(from: i64, to: i64) -> String {
    if from == to { format!("entry {from} is") } else { format!("entries {from} to {to} are") }
}

fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}

fn stored(tenant: TenantId, row: &QueryResult) -> Result<Stored, StoreError> {
    Ok(Stored {
        hash: get(row, "hash")?,
        row: AuditRow {
            id: get(row, "id")?,
            tenant,
            seq: get(row, "seq")?,
            at: get(row, "at")?,
            actor_kind: get(row, "actor_kind")?,
            actor_id: get(row, "actor_id")?,
            actor: get(row, "actor")?,
            action: get(row, "action")?,
            object_type: get(row, "object_type")?,
            object_id: get(row, "object_id")?,
            outcome: get(row, "outcome")?,
            changes: get(row, "changes")?,
            correlation_id: get(row, "correlation_id")?,
            address: get(row, "address")?,
            agent: get(row, "agent")?,
        },
    })
}
