//! Whether the log is what was written.

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::audit::{AuditReport, AuditTrouble};
use automate_store::models::audit::AUDIT;
use automate_store::resource::{Comparison, ListQuery, Ordering};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply};
use crate::operations::words::many;

/// The object that entries about checks are about.
const CHAIN: &str = "chain";
/// When somebody may try again whose check found another one under way.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// One check at a time in a process: it reads the whole log.
static CHECKS: Semaphore = Semaphore::const_new(1);

/// What the last check found.
pub(super) struct Checked {
    pub(super) id: String,
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) actor: String,
    pub(super) whole: bool,
    pub(super) entries: u64,
    /// All of them; the ones that are named follow.
    pub(super) count: u64,
    /// `(place, trouble, in words)`.
    pub(super) findings: Vec<(i64, String, String)>,
}

/// The last check of the tenant's log; none where there was none.
pub(super) async fn last_check(cx: &Cx) -> Result<Option<Checked>, AdminError> {
    let query = ListQuery {
        ordering: vec![Ordering { column: "seq", descending: true }],
        limit: 1,
        fields: vec!["id", "at", "actor", "changes"],
        ..ListQuery::default()
    };
    // Along the index by object.
    let query = query.filter("object_type", Comparison::Equal, vec![json!("audit")]).filter(
        "object_id",
        Comparison::Equal,
        vec![json!(CHAIN)],
    );
    let page = cx.state().resources().list(&AUDIT, &cx.writer(), &query).await?;
    let Some(row) = page.results.first() else { return Ok(None) };
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let facts = row.get("changes").cloned().unwrap_or_default();
    let number = |name: &str| facts.get(name).and_then(Value::as_u64).unwrap_or_default();
    let finding = |found: &Value| {
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let seq = found.get("seq").and_then(Value::as_i64).unwrap_or_default();
        (seq, text("trouble").replace('_', " "), text("message"))
    };
    let findings = facts.get("findings").and_then(Value::as_array).map(|all| all.iter().map(finding).collect());
    Ok(Some(Checked {
        id: text("id"),
        at: DateTime::parse_from_rfc3339(&text("at")).ok().map(|at| at.with_timezone(&Utc)),
        actor: text("actor"),
        whole: facts.get("whole").and_then(Value::as_bool).unwrap_or_default(),
        entries: number("entries"),
        count: number("count"),
        findings: findings.unwrap_or_default(),
    }))
}

fn facts(report: &AuditReport) -> Value {
    let word = |trouble: AuditTrouble| match trouble {
        AuditTrouble::Altered => "altered",
        AuditTrouble::Missing => "missing",
        AuditTrouble::Inserted => "inserted",
        AuditTrouble::Forged => "forged",
        AuditTrouble::NoEnd => "no_end",
    };
    let findings: Vec<Value> = report
        .findings
        .iter()
        .take(limits::AUDIT_FINDINGS_NAMED)
        .map(|found| json!({ "seq": found.seq, "trouble": word(found.trouble), "message": found.message }))
        .collect();
    json!({
        "whole": report.findings.is_empty(),
        "entries": report.entries,
        "count": report.findings.len(),
        "findings": findings,
        "head": report.heads.first().map(|head| format!("{} {}", head.seq, head.hash)),
    })
}

/// Reads the whole log in a task of its own and puts what it found into the log. A short log is
/// through while the page waits; of a long one the result is on the page later.
pub(in crate::operations) async fn verify(cx: Cx) -> Reply {
    cx.require("audit.verify")?;
    let tenant: TenantId = cx.tenant()?;
    let Ok(turn) = CHECKS.try_acquire() else { return Err(AdminError::Busy(PATIENCE)) };
    let (audit, entry) = (cx.state().audit().clone(), cx.entry("audit.verify").about("audit", CHAIN));
    let task = tokio::spawn(async move {
        let _turn = turn;
        let report = audit.verify(Some(tenant)).await?;
        audit.record(vec![entry.with(facts(&report))]).await?;
        Ok::<_, StoreError>(report)
    });
    let Ok(done) = tokio::time::timeout(limits::AUDIT_VERIFY_PAGE, task).await else {
        let said = "The log is long: the check goes on, and its result will be on this page.";
        return cx.done("/admin/audit/", Flash::info(said));
    };
    let report = done.map_err(|error| AdminError::Internal(format!("the check of the audit log: {error}")))??;
    let flash = match report.findings.len() {
        0 => Flash::success(format!("The log is whole: {} read.", many(report.entries, "entry"))),
        count => Flash::error(format!("The log is not what was written: {}, named below.", many(count, "fault"))),
    };
    cx.done("/admin/audit/", flash)
}
