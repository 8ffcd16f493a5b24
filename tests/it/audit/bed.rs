//! A log with entries, and ways around its triggers.

use automate_core::access::{Actor, ActorKind};
use automate_core::audit::{AuditEntry, AuditRow, GENESIS, Origin};
use automate_core::ids::TenantId;
use automate_store::audit::{AuditKey, AuditLog, AuditTrouble};
use automate_store::db::Backend;
use automate_tests::postgres::TestDatabase;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use serde_json::json;

pub(super) fn key(id: &str, byte: u8) -> AuditKey {
    AuditKey { id: id.to_owned(), key: [byte; 32].into() }
}

pub(super) fn entry(tenant: TenantId, n: usize) -> AuditEntry {
    let actor = Actor { kind: ActorKind::User, id: "u1".to_owned(), name: "ada@example.com".to_owned() };
    let origin = Origin { correlation_id: "c".to_owned(), address: "::1".to_owned(), agent: "tests".to_owned() };
    AuditEntry::new(tenant, actor, "book.update").from(origin).about("book", n).with(json!({ "n": n }))
}

/// A log of two tenants with ten entries each.
pub(super) struct Bed<'t> {
    pub(super) test: &'t TestDatabase,
    pub(super) log: AuditLog,
    pub(super) tenant: TenantId,
    pub(super) other: TenantId,
}

impl<'t> Bed<'t> {
    pub(super) async fn new(test: &'t TestDatabase) -> Self {
        let log = AuditLog::new(test.db.clone(), vec![key("k1", 1)]).unwrap();
        let bed = Self { test, log, tenant: TenantId::new(), other: TenantId::new() };
        for n in 0..10 {
            bed.log.record(vec![entry(bed.tenant, n), entry(bed.other, n)]).await.unwrap();
        }
        bed
    }

    /// As the owner of the database may: the triggers are in nobody's way.
    pub(super) async fn without_triggers(test: &'t TestDatabase) -> Self {
        let bed = Self::new(test).await;
        match test.db.backend() {
            Backend::Postgres => bed.execute("DROP TRIGGER audit_log_append_only ON audit_log").await.unwrap(),
            Backend::Sqlite => {
                bed.execute("DROP TRIGGER audit_log_no_update").await.unwrap();
                bed.execute("DROP TRIGGER audit_log_no_delete").await.unwrap();
            }
        }
        bed
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<(), sea_orm::DbErr> {
        self.test.db.orm().execute_unprepared(sql).await.map(|_| ())
    }

    /// Runs a statement about our tenant, which is `$1`.
    pub(super) async fn ours(&self, sql: &str, more: Vec<Value>) {
        let orm = self.test.db.orm();
        let mut values: Vec<Value> = vec![self.tenant.0.into()];
        values.extend(more);
        orm.execute_raw(Statement::from_sql_and_values(orm.get_database_backend(), sql, values)).await.unwrap();
    }

    /// What is found: the trouble and the place of each finding. All of it is about our tenant.
    pub(super) async fn findings(&self) -> Vec<(AuditTrouble, i64)> {
        let report = self.log.verify(None).await.unwrap();
        assert!(report.findings.iter().all(|finding| finding.tenant == self.tenant), "{:?}", report.findings);
        assert!(self.log.verify(Some(self.other)).await.unwrap().findings.is_empty());
        report.findings.iter().map(|finding| (finding.trouble, finding.seq)).collect()
    }

    /// Our rows with their hashes, in order.
    pub(super) async fn rows(&self) -> Vec<AuditRow> {
        let orm = self.test.db.orm_reader();
        let sql = "SELECT * FROM audit_log WHERE tenant_id = $1 ORDER BY seq";
        let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, [self.tenant.0.into()]);
        let text = |row: &QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
        let rows = orm.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| AuditRow {
                id: row.try_get("", "id").unwrap(),
                tenant: self.tenant,
                seq: row.try_get("", "seq").unwrap(),
                at: row.try_get("", "at").unwrap(),
                actor_kind: text(row, "actor_kind"),
                actor_id: text(row, "actor_id"),
                actor: text(row, "actor"),
                action: text(row, "action"),
                object_type: text(row, "object_type"),
                object_id: text(row, "object_id"),
                outcome: text(row, "outcome"),
                changes: text(row, "changes"),
                correlation_id: text(row, "correlation_id"),
                address: text(row, "address"),
                agent: text(row, "agent"),
            })
            .collect()
    }

    /// Hashes all of our rows anew, as who knows how we do it can; answers with the last hash.
    pub(super) async fn rehash(&self) -> [u8; 32] {
        let mut previous = GENESIS;
        for row in self.rows().await {
            previous = row.hash(&previous);
            let sql = "UPDATE audit_log SET hash = $3 WHERE tenant_id = $1 AND seq = $2";
            self.ours(sql, vec![row.seq.into(), previous.to_vec().into()]).await;
        }
        previous
    }
}
