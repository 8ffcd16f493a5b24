//! `/audit`: who did what.

use std::sync::Arc;

use automate_core::limits;
use automate_store::audit::{AuditReport, AuditTrouble};
use automate_store::models::audit::AUDIT;
use automate_store::resource::Model;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;
use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Limit, Operation, Reply, Throttle, ThrottleBy};

/// The audit log of the tenant.
pub(super) struct Audit;

/// Whether the log is what was written.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditReport)]
struct Report {
    /// Whether nothing is wrong.
    whole: bool,
    /// Entries that were read.
    entries: u64,
    /// The end of the chain; null where there is none yet. Whoever notes it elsewhere can later tell
    /// whether the log was put back as a whole.
    head: Option<Head>,
    /// What is wrong.
    findings: Vec<Finding>,
}

/// The end of a chain.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditHead)]
struct Head {
    /// How many entries.
    seq: i64,
    /// The hash of the last one, hex.
    hash: String,
}

/// Something that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditFinding)]
struct Finding {
    /// Where, from 1.
    seq: i64,
    /// Which entry, where there is one.
    id: Option<Uuid>,
    /// `altered`, `missing`, `inserted`, `forged` or `no_end`.
    trouble: String,
    /// In words.
    message: String,
}

impl BaseReadOnlyViewSet for Audit {
    fn model(&self) -> &'static Model {
        &AUDIT
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let verify = Operation::post("/audit/verify", Action::custom("verify"))
            .summary("Checks that the audit log is what was written")
            .description("Reads the tenant's whole log. What is wrong with it is no error but a finding.")
            .access(Access::new("audit:read", "audit.verify"))
            .answers::<Report>(StatusCode::OK, "What was found.")
            .throttle(Throttle::new("audit-verify", ThrottleBy::Tenant, Limit::per_minute(12).burst(6)))
            .deadline(limits::AUDIT_VERIFY_REQUEST)
            .handler(verify);
        vec![verify]
    }
}

async fn verify(call: Call) -> Result<Reply, Problem> {
    let report = call.api.audit().verify(Some(call.tenant()?)).await?;
    Reply::ok(Report::from(report))
}

impl From<AuditReport> for Report {
    fn from(report: AuditReport) -> Self {
        let word = |trouble: AuditTrouble| match trouble {
            AuditTrouble::Altered => "altered",
            AuditTrouble::Missing => "missing",
            AuditTrouble::Inserted => "inserted",
            AuditTrouble::Forged => "forged",
            AuditTrouble::NoEnd => "no_end",
        };
        let findings: Vec<Finding> = report
            .findings
            .into_iter()
            .map(|found| Finding {
                seq: found.seq,
                id: found.id,
                trouble: word(found.trouble).to_owned(),
                message: found.message,
            })
            .collect();
        Self {
            whole: findings.is_empty(),
            entries: report.entries,
            head: report.heads.into_iter().next().map(|head| Head { seq: head.seq, hash: head.hash }),
            findings,
        }
    }
}
