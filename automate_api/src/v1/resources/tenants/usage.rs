//! `/tenants/{id}/usage`.

use automate_core::ids::TenantId;
use automate_governance::policy;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::of_path;
use crate::Problem;
use crate::v1::base::{Access, Action, Call, Operation, Reply};

/// What a tenant has used.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantUsage)]
struct Usage {
    /// Today, in UTC.
    #[schema(format = Date)]
    day: String,
    /// Executions that began today; counted up to a million.
    executions_today: u64,
    /// Executions that have not ended; counted up to a million.
    executions_live: u64,
    /// What language models took in the last thirty days, newest first; days without are left out.
    days: Vec<DayOfUsage>,
}

/// What language models took in a day of UTC.
#[derive(Serialize, ToSchema)]
struct DayOfUsage {
    /// The day.
    #[schema(format = Date)]
    day: String,
    /// Tokens.
    llm_tokens: u64,
    /// Cost, in millionths of the currency of the price list.
    llm_cost_micros: u64,
}

pub(super) fn operation() -> Operation {
    Operation::get("/tenants/{id}/usage", Action::custom("usage"))
        .summary("Shows what a tenant has used")
        .description("Of one's own tenant; superusers see all of them.")
        .access(Access::new("tenants:read", "tenants.view_tenant"))
        .answers::<Usage>(StatusCode::OK, "What was used.")
        .handler(show)
}

async fn show(call: Call) -> Result<Reply, Problem> {
    let tenant = TenantId(of_path(&call).await?.id);
    let report = policy::usage(call.api.database(), tenant).await?;
    let day = |day: policy::DayOfUsage| DayOfUsage {
        day: day.day,
        llm_tokens: day.llm_tokens,
        llm_cost_micros: day.llm_cost_micros,
    };
    Reply::ok(Usage {
        day: report.day.to_string(),
        executions_today: report.executions_today,
        executions_live: report.executions_live,
        days: report.days.into_iter().map(day).collect(),
    })
}
