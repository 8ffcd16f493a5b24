//! The port to budgets.

use async_trait::async_trait;
use automate_core::error::ErrorCode;
use automate_core::ids::TenantId;
use chrono::NaiveDate;
use serde_json::json;

use crate::base::ConnectorError;

/// What a call takes, or may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spend {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Money, in millionths of the installation's currency; `None` where the model has no price.
    /// A budget of money can refuse such a call, as it cannot bound it.
    pub cost_micros: Option<u64>,
}

/// What was charged before a call.
///
/// It is a note, not a lock: dropping it changes nothing, and what was charged stays charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Whose budget it is.
    pub tenant: TenantId,
    /// The day that was charged, which [`Budget::settle`] corrects, also after midnight. `None`
    /// where nobody counts.
    pub day: Option<NaiveDate>,
    /// How much was charged.
    pub charged: Spend,
}

/// Why a budget gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The call would go beyond the budget. Nothing was charged.
    #[error("the budget of {limit} {metric} for {period} does not allow it: {used} are used, {wanted} more are needed")]
    Exceeded {
        /// What is bounded, as `llm_tokens` or `llm_cost_micros`.
        metric: String,
        /// The time that the budget is for, as `today`.
        period: String,
        /// The bound.
        limit: u64,
        /// What is used up.
        used: u64,
        /// What the call may take.
        wanted: u64,
    },
    /// It cannot be said whether the budget allows it; the call is not made.
    #[error("the budget could not be asked: {reason}")]
    Unavailable {
        /// What went wrong, without secrets.
        reason: String,
    },
}

impl From<BudgetError> for ConnectorError {
    fn from(error: BudgetError) -> Self {
        let message = error.to_string();
        match error {
            BudgetError::Exceeded { metric, period, limit, used, wanted } => {
                Self::new(ErrorCode::BudgetExceeded, message).with_details(json!({
                    "metric": metric, "period": period, "limit": limit, "used": used, "wanted": wanted,
                }))
            }
            BudgetError::Unavailable { .. } => Self::new(ErrorCode::Internal, message).with_retryable(true),
        }
    }
}

/// Bounds what a tenant spends.
///
/// [`Budget::reserve`] charges an estimate before the call, [`Budget::settle`] replaces it by what
/// the call really took. Since the estimate is charged and not merely noted, a process that dies
/// in between loses no charge, and calls at the same time cannot all pass on the same remainder:
/// an implementation checks and charges in one transaction. A call whose outcome nobody knows
/// (cancelled, timed out, cut) is never settled and stays charged with its estimate; one that was
/// refused before the model worked is settled with nothing.
#[async_trait]
pub trait Budget: Send + Sync + 'static {
    /// Charges an estimate where the budget allows it.
    ///
    /// # Errors
    /// [`BudgetError`], and nothing is charged then.
    async fn reserve(&self, tenant: TenantId, estimate: Spend) -> Result<Reservation, BudgetError>;

    /// Replaces what was charged by what it was: adds the difference, which may be negative, to
    /// the day of the reservation. Called once for a reservation at most. Never refuses: the money
    /// is spent.
    ///
    /// # Errors
    /// [`BudgetError::Unavailable`] where it cannot be recorded; the estimate stays charged.
    async fn settle(&self, reservation: Reservation, actual: Spend) -> Result<(), BudgetError>;
}

/// No bound, and nobody counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

#[async_trait]
impl Budget for Unlimited {
    async fn reserve(&self, tenant: TenantId, estimate: Spend) -> Result<Reservation, BudgetError> {
        Ok(Reservation { tenant, day: None, charged: estimate })
    }

    async fn settle(&self, _: Reservation, _: Spend) -> Result<(), BudgetError> {
        Ok(())
    }
}
