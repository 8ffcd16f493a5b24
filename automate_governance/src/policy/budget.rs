//! What a tenant spends on language models in a day of UTC, kept in the database.

use async_trait::async_trait;
use automate_connectors::provider::{Budget, BudgetError, Reservation, Spend};
use automate_core::clock;
use automate_core::ids::TenantId;
use automate_core::policy::Policies;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use chrono::NaiveDate;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::Governor;

/// The metric of tokens of language models.
pub const LLM_TOKENS: &str = "llm_tokens";
/// The metric of their cost, in millionths of the currency.
pub const LLM_COST: &str = "llm_cost_micros";

/// The budgets of the tenants' policies.
#[derive(Clone)]
pub struct UsageBudget {
    db: Database,
    governor: Governor,
}

impl UsageBudget {
    pub(super) fn new(db: Database, governor: Governor) -> Self {
        Self { db, governor }
    }
}

/// What is added to one counter, and what it may then be at most.
#[derive(Clone, Copy)]
struct Charge {
    metric: &'static str,
    amount: i64,
    most: Option<u64>,
}

fn charges(spend: Spend) -> [(&'static str, i64); 2] {
    let tokens = spend.input_tokens.saturating_add(spend.output_tokens);
    [(LLM_TOKENS, signed(tokens)), (LLM_COST, signed(spend.cost_micros.unwrap_or(0)))]
}

#[async_trait]
impl Budget for UsageBudget {
    async fn reserve(&self, tenant: TenantId, estimate: Spend) -> Result<Reservation, BudgetError> {
        let policy = self.governor.policy(tenant).await.map_err(unavailable)?;
        let refuse = |metric: &str, limit, used, wanted| BudgetError::Exceeded {
            metric: metric.to_owned(),
            period: "today".to_owned(),
            limit,
            used,
            wanted,
        };
        let cost_bound = policy.llm_cost_micros_per_day;
        if let (Some(limit), None) = (cost_bound, estimate.cost_micros) {
            // A model without a price cannot be bounded by money.
            return Err(refuse(LLM_COST, limit, 0, 0));
        }
        let day = clock::now().date_naive();
        let bounds = [policy.llm_tokens_per_day, cost_bound];
        let all: Vec<Charge> = charges(estimate)
            .into_iter()
            .zip(bounds)
            .map(|((metric, amount), most)| Charge { metric, amount, most })
            .collect();
        let work = move |db: Database| async move {
            let txn = db.begin().await?;
            for charge in &all {
                if !add(&txn, tenant, day, *charge).await? {
                    let used = read(&txn, tenant, day, charge.metric).await?;
                    // Nothing of it: what the first counter took goes with the transaction.
                    txn.rollback().await.map_err(store_error)?;
                    return Ok(Some((*charge, used)));
                }
            }
            txn.commit().await.map_err(store_error)?;
            Ok(None)
        };
        match self.db.run(work).await.map_err(unavailable)? {
            None => Ok(Reservation { tenant, day: Some(day), charged: estimate }),
            Some((charge, used)) => {
                Err(refuse(charge.metric, charge.most.unwrap_or(u64::MAX), used, charge.amount.unsigned_abs()))
            }
        }
    }

    async fn settle(&self, reservation: Reservation, actual: Spend) -> Result<(), BudgetError> {
        let Some(day) = reservation.day else { return Ok(()) };
        let charged = charges(reservation.charged);
        let differences: Vec<Charge> = charges(actual)
            .into_iter()
            .zip(charged)
            .map(|((metric, actual), (_, charged))| Charge { metric, amount: actual - charged, most: None })
            .filter(|charge| charge.amount != 0)
            .collect();
        let tenant = reservation.tenant;
        let work = move |db: Database| async move {
            let txn = db.begin().await?;
            for charge in differences {
                add(&txn, tenant, day, charge).await?;
            }
            txn.commit().await.map_err(store_error)
        };
        self.db.run(work).await.map_err(unavailable)
    }
}

/// Adds to a counter where that keeps it within its bound; one statement, so that two at once
/// cannot both take the last of it.
async fn add<C: ConnectionTrait>(
    txn: &C,
    tenant: TenantId,
    day: NaiveDate,
    charge: Charge,
) -> Result<bool, StoreError> {
    let backend = txn.get_database_backend();
    let mut sql =
        "INSERT INTO usage_counters AS u (tenant_id, day, metric, amount) SELECT $1, $2, $3, $4 WHERE $4 <= $5 \
                   ON CONFLICT (tenant_id, day, metric) DO UPDATE SET amount = u.amount + excluded.amount \
                   WHERE u.amount + excluded.amount <= $5"
            .to_owned();
    if backend == DbBackend::Postgres {
        sql = sql.replace(
            "SELECT $1, $2, $3, $4 WHERE $4 <= $5",
            "SELECT $1::uuid, $2, $3, $4::bigint WHERE $4::bigint <= $5::bigint",
        );
    }
    let values = vec![
        tenant.0.into(),
        day.to_string().into(),
        charge.metric.into(),
        charge.amount.into(),
        charge.most.map_or(i64::MAX, signed).into(),
    ];
    let done = txn.execute_raw(Statement::from_sql_and_values(backend, &sql, values)).await.map_err(store_error)?;
    Ok(done.rows_affected() > 0)
}

async fn read<C: ConnectionTrait>(txn: &C, tenant: TenantId, day: NaiveDate, metric: &str) -> Result<u64, StoreError> {
    let sql = "SELECT amount FROM usage_counters WHERE tenant_id = $1 AND day = $2 AND metric = $3";
    let values = vec![tenant.0.into(), day.to_string().into(), metric.into()];
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    let row = txn.query_one_raw(statement).await.map_err(store_error)?;
    let amount: i64 = row.map_or(Ok(0), |row| row.try_get("", "amount")).map_err(store_error)?;
    Ok(u64::try_from(amount).unwrap_or(0))
}

fn unavailable(error: StoreError) -> BudgetError {
    BudgetError::Unavailable { reason: error.to_string() }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
