//! Whether the audit log is what was written.

use std::collections::BTreeMap;
use std::fmt;

use automate_core::audit::{AuditRow, GENESIS};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
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
struct Head {
    seq: i64,
    hash: Vec<u8>,
    key_id: String,
    mac: Vec<u8>,
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
        let mut heads = self.heads().await?;
        for tenant in self.tenants().await? {
            heads.entry(tenant).or_insert(None);
        }
        for (tenant, head) in heads {
            if only.is_none_or(|only| only == tenant) {
                self.verify_chain(tenant, head, &mut report).await?;
            }
        }
        Ok(report)
    }

    async fn verify_chain(
        &self,
        tenant: TenantId,
        head: Option<Head>,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let finding = |seq, id, trouble, message: String| AuditFinding { tenant, seq, id, trouble, message };
        let mut found = Vec::new();
        let (mut previous, mut last) = (GENESIS, 0_i64);
        loop {
            let page = self.page(tenant, last).await?;
            let Some(end) = page.last().map(|stored| stored.row.seq) else { break };
            for Stored { row, hash } in &page {
                report.entries += 1;
                let id = Some(row.id);
                if row.seq > last + 1 {
                    let (from, to) = (last + 1, row.seq - 1);
                    let message = format!("{} missing here", entries(from, to));
                    found.push(finding(from, None, AuditTrouble::Missing, message));
                }
                if row.seq == last + 1 && row.hash(&previous).as_slice() != hash.as_slice() {
                    let message = format!(
                        "{} ({}) was altered, moved or put in: it does not follow from entry {last}",
                        row.id, row.action
                    );
                    found.push(finding(row.seq, id, AuditTrouble::Altered, message));
                }
                last = row.seq;
                // From the stored hash, so that one finding does not make findings of all that follow.
                previous = hash.as_slice().try_into().unwrap_or(GENESIS);
            }
            last = end;
        }
        match head {
            None if last > 0 => {
                found.push(finding(last, None, AuditTrouble::NoEnd, "the end of the chain is gone".to_owned()))
            }
            None => {}
            Some(head) => {
                let hash: [u8; 32] = head.hash.as_slice().try_into().unwrap_or(GENESIS);
                match self.keys.iter().position(|key| key.id == head.key_id) {
                    None => found.push(finding(
                        head.seq,
                        None,
                        AuditTrouble::NoEnd,
                        format!(
                            "the end of the chain is signed with key `{}`, which this installation lacks",
                            head.key_id
                        ),
                    )),
                    Some(key) if !bool::from(self.mac(key, tenant, head.seq, &hash).ct_eq(&head.mac)) => {
                        found.push(finding(
                            head.seq,
                            None,
                            AuditTrouble::Forged,
                            "the end of the chain was not written by this installation".to_owned(),
                        ))
                    }
                    Some(_) if head.seq > last => found.push(finding(
                        last + 1,
                        None,
                        AuditTrouble::Missing,
                        format!("{} missing at the end", entries(last + 1, head.seq)),
                    )),
                    Some(_) if head.seq < last => found.push(finding(
                        head.seq + 1,
                        None,
                        AuditTrouble::Inserted,
                        format!("{} put in behind the end", entries(head.seq + 1, last)),
                    )),
                    Some(_) if last > 0 && previous != hash => found.push(finding(
                        last,
                        None,
                        AuditTrouble::Altered,
                        "the last entry is not the one that was written".to_owned(),
                    )),
                    Some(_) => {}
                }
                report.heads.push(ChainHead { tenant, seq: head.seq, hash: hex::encode(&head.hash) });
            }
        }
        found.truncate(limits::AUDIT_FINDINGS);
        report.findings.append(&mut found);
        Ok(())
    }

    async fn heads(&self) -> Result<BTreeMap<TenantId, Option<Head>>, StoreError> {
        let orm = self.db.orm_reader();
        let sql = "SELECT tenant_id, seq, hash, key_id, mac FROM audit_heads";
        let rows =
            orm.query_all_raw(Statement::from_string(orm.get_database_backend(), sql)).await.map_err(store_error)?;
        rows.iter()
            .map(|row| {
                let tenant: Uuid = get(row, "tenant_id")?;
                let head = Head {
                    seq: get(row, "seq")?,
                    hash: get(row, "hash")?,
                    key_id: get(row, "key_id")?,
                    mac: get(row, "mac")?,
                };
                Ok((TenantId(tenant), Some(head)))
            })
            .collect()
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let orm = self.db.orm_reader();
        // Whoever deleted the end of a chain may have left its entries.
        let sql = "SELECT DISTINCT tenant_id FROM audit_log";
        let rows =
            orm.query_all_raw(Statement::from_string(orm.get_database_backend(), sql)).await.map_err(store_error)?;
        rows.iter().map(|row| Ok(TenantId(get(row, "tenant_id")?))).collect()
    }

    async fn page(&self, tenant: TenantId, after: i64) -> Result<Vec<Stored>, StoreError> {
        let orm = self.db.orm_reader();
        let sql = format!(
            "SELECT id, seq, at, actor_kind, actor_id, actor, action, object_type, object_id, outcome, changes, \
             correlation_id, address, agent, hash FROM audit_log WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT {}",
            limits::AUDIT_PAGE
        );
        let statement =
            Statement::from_sql_and_values(orm.get_database_backend(), &sql, vec![tenant.0.into(), after.into()]);
        let rows = orm.query_all_raw(statement).await.map_err(store_error)?;
        rows.iter().map(|row| stored(tenant, row)).collect()
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
