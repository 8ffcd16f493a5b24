//! What a tenant may spend in a day, kept in the database: reserved before, settled after.

use automate_core::clock;
use automate_core::ids::TenantId;
use automate_core::policy::PolicyRefusal;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use sea_orm::{ConnectionTrait, Statement};

use super::usage::{midnight, next_midnight};

/// The metric of tokens of language models.
pub const LLM_TOKENS: &str = "llm_tokens";
/// The metric of their cost, in millionths of the currency.
pub const LLM_COST: &str = "llm_cost_micros";

/// Counts what tenants use in a day of UTC.
#[derive(Clone)]
pub struct UsageBudget {
    db: Database,
}

impl UsageBudget {
    /// Over a database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// Adds an amount to what a tenant has used today, where that stays within `most`; one statement,
    /// so that two at once cannot both take the last of it. Answers with the sum.
    ///
    /// # Errors
    /// `Ok(Err(…))` where it would be too much; the outer error is the database's.
    pub async fn reserve(
        &self,
        tenant: TenantId,
        metric: &'static str,
        rule: &'static str,
        amount: u64,
        most: Option<u64>,
    ) -> Result<Result<u64, PolicyRefusal>, StoreError> {
        let now = clock::now();
        let day = midnight(now).format("%Y-%m-%d").to_string();
        let amount_i = signed(amount);
        let most_i = most.map_or(i64::MAX, signed);
        let work = move |db: Database| async move {
            let sql = "INSERT INTO usage_counters AS u (tenant_id, day, metric, amount) \
                       SELECT $1, $2, $3, $4 WHERE $4 <= $5 \
                       ON CONFLICT (tenant_id, day, metric) DO UPDATE SET amount = u.amount + excluded.amount \
                       WHERE u.amount + excluded.amount <= $5 RETURNING amount";
            let orm = db.orm();
            let backend = orm.get_database_backend();
            let sql = match backend {
                sea_orm::DbBackend::Postgres => {
                    sql.replace("$1,", "$1::uuid,").replace("$4 ", "$4::bigint ").replace("$5", "$5::bigint")
                }
                _ => sql.to_owned(),
            };
            let values = vec![tenant.0.into(), day.into(), metric.into(), amount_i.into(), most_i.into()];
            let row =
                orm.query_one_raw(Statement::from_sql_and_values(backend, sql, values)).await.map_err(store_error)?;
            row.map(|row| row.try_get::<i64>("", "amount")).transpose().map_err(store_error)
        };
        Ok(match self.db.run(work).await? {
            Some(sum) => Ok(sum.unsigned_abs()),
            None => {
                let left = (next_midnight(now) - now).to_std().unwrap_or_default();
                let most = most.unwrap_or(u64::MAX);
                Err(PolicyRefusal::new(rule, format!("{amount} more would pass the {most} of a day")).retry_after(left))
            }
        })
    }

    /// Corrects a reservation by the difference to what was really used. Never refuses: it has been
    /// used.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle(
        &self,
        tenant: TenantId,
        metric: &'static str,
        reserved: u64,
        used: u64,
    ) -> Result<(), StoreError> {
        let difference = signed(used) - signed(reserved);
        if difference == 0 {
            return Ok(());
        }
        let day = midnight(clock::now()).format("%Y-%m-%d").to_string();
        let work = move |db: Database| async move {
            let sql = "INSERT INTO usage_counters AS u (tenant_id, day, metric, amount) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (tenant_id, day, metric) DO UPDATE SET amount = u.amount + excluded.amount";
            let orm = db.orm();
            let values = vec![tenant.0.into(), day.into(), metric.into(), difference.into()];
            let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, values);
            orm.execute_raw(statement).await.map_err(store_error)?;
            Ok(())
        };
        self.db.run(work).await
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
