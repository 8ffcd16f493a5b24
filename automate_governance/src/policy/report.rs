//! What a tenant has used, for people to see.

use automate_core::clock;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_migrations::first_uuid_at;
use automate_store::db::Database;
use automate_store::error::store_error;
use chrono::{Days, NaiveDate};
use sea_orm::{ConnectionTrait, Statement};

use super::budget::{LLM_COST, LLM_TOKENS};
use super::usage::{midnight, number};

/// What a tenant has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Today, in UTC.
    pub day: NaiveDate,
    /// Executions that began today; counted up to [`limits::USAGE_COUNTED`].
    pub executions_today: u64,
    /// Executions that have not ended; counted up to [`limits::USAGE_COUNTED`].
    pub executions_live: u64,
    /// What language models took, by day, newest first; days without are left out.
    pub days: Vec<DayOfUsage>,
}

/// What language models took in a day of UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfUsage {
    /// The day, as `2026-01-31`.
    pub day: String,
    /// Tokens.
    pub llm_tokens: u64,
    /// Millionths of the currency of the price list.
    pub llm_cost_micros: u64,
}

/// What a tenant has used today and in the days before.
///
/// # Errors
/// Those of the database.
pub async fn usage(db: &Database, tenant: TenantId) -> Result<UsageReport, StoreError> {
    let work = move |db: Database| async move {
        let now = clock::now();
        let (today, most) = (midnight(now), limits::USAGE_COUNTED);
        let sql =
            "SELECT count(*) AS n FROM (SELECT 1 FROM executions WHERE tenant_id = $1 AND id >= $2 LIMIT $3) AS found";
        let began = number(&db, sql, vec![tenant.0.into(), first_uuid_at(today).into(), most.into()]).await?;
        let sql = "SELECT count(*) AS n FROM (SELECT 1 FROM outbox WHERE tenant_id = $1 AND kind = 'execution' \
                   AND status IN ('PENDING', 'RETRY', 'RUNNING') LIMIT $2) AS found";
        let live = number(&db, sql, vec![tenant.0.into(), most.into()]).await?;
        let day = now.date_naive();
        let first = (day - Days::new(limits::USAGE_DAYS - 1)).to_string();
        Ok(UsageReport { day, executions_today: began, executions_live: live, days: days(&db, tenant, first).await? })
    };
    db.run(work).await
}

async fn days(db: &Database, tenant: TenantId, first: String) -> Result<Vec<DayOfUsage>, StoreError> {
    let sql = "SELECT day, metric, amount FROM usage_counters WHERE tenant_id = $1 AND day >= $2 ORDER BY day DESC";
    let orm = db.orm_reader();
    let statement =
        Statement::from_sql_and_values(orm.get_database_backend(), sql, vec![tenant.0.into(), first.into()]);
    let mut days: Vec<DayOfUsage> = Vec::new();
    for row in orm.query_all_raw(statement).await.map_err(store_error)? {
        let day: String = row.try_get("", "day").map_err(store_error)?;
        let metric: String = row.try_get("", "metric").map_err(store_error)?;
        let amount: i64 = row.try_get("", "amount").map_err(store_error)?;
        // What was given back after a day ended may take a counter below nothing.
        let amount = u64::try_from(amount).unwrap_or(0);
        if days.last().is_none_or(|last| last.day != day) {
            days.push(DayOfUsage { day, llm_tokens: 0, llm_cost_micros: 0 });
        }
        let Some(last) = days.last_mut() else { continue };
        match metric.as_str() {
            LLM_TOKENS => last.llm_tokens = amount,
            LLM_COST => last.llm_cost_micros = amount,
            _ => {}
        }
    }
    Ok(days)
}
