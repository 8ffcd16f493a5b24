//! When a failed attempt is repeated.

use std::time::Duration;

use crate::document::definition::Retry;
use crate::error::{ErrorCode, StepError};
use crate::limits;

/// Whether a policy allows another attempt after `attempt` attempts that ended with `error`.
#[must_use]
pub fn may_retry(policy: &Retry, attempt: u32, error: &StepError) -> bool {
    if attempt >= policy.max_attempts || !error.retryable {
        return false;
    }
    policy.on.is_empty() || policy.on.iter().any(|word| names(word, error.code))
}

/// Whether a word of `retry.on` means a code. `TRANSIENT` is the field's word for what may pass by
/// itself: the network, a time-out, a 5xx.
fn names(word: &str, code: ErrorCode) -> bool {
    match word {
        "TRANSIENT" => matches!(code, ErrorCode::TransientNetwork | ErrorCode::Timeout | ErrorCode::Upstream5xx),
        word => word == code.as_str(),
    }
}

/// The delay before the attempt after `attempt`: `initial × factor^(attempt−1)`, at most `max`,
/// and never less than what the other side asked for. With jitter it is drawn evenly between half
/// of the delay and the whole ("equal jitter"); `draw` is a number in `[0, 1)`.
#[must_use]
pub fn backoff(policy: &Retry, attempt: u32, retry_after: Option<Duration>, draw: f64) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = policy.initial.as_secs_f64() * policy.factor.powi(exponent);
    let capped = if grown.is_finite() { grown.min(policy.max.as_secs_f64()) } else { policy.max.as_secs_f64() };
    let drawn = if policy.jitter { capped * (0.5 + draw.clamp(0.0, 1.0) / 2.0) } else { capped };
    let delay = Duration::from_secs_f64(drawn.max(0.0).min(limits::MAX_WAIT.as_secs_f64()));
    delay.max(retry_after.unwrap_or_default().min(limits::MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Retry {
        Retry {
            max_attempts: 5,
            initial: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(5),
            jitter: false,
            on: vec![],
        }
    }

    #[test]
    fn the_delay_doubles_up_to_its_bound() {
        let delays: Vec<u64> = (1..=5).map(|n| backoff(&policy(), n, None, 0.0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn jitter_draws_between_half_and_the_whole() {
        let policy = Retry { jitter: true, ..policy() };
        assert_eq!(backoff(&policy, 2, None, 0.0), Duration::from_secs(1));
        assert!(backoff(&policy, 2, None, 0.999) > Duration::from_millis(1990));
        assert!(backoff(&policy, 2, None, 0.999) < Duration::from_secs(2));
    }

    #[test]
    fn what_the_other_side_asks_for_is_the_least_and_is_bounded() {
        assert_eq!(backoff(&policy(), 1, Some(Duration::from_secs(30)), 0.0), Duration::from_secs(30));
        assert_eq!(backoff(&policy(), 1, Some(Duration::from_secs(1_000_000_000)), 0.0), limits::MAX_RETRY_AFTER);
    }

    #[test]
    fn an_absurd_factor_ends_at_the_bound() {
        let policy = Retry { factor: 1e300, max_attempts: 100, ..policy() };
        assert_eq!(backoff(&policy, 99, None, 0.5), Duration::from_secs(5));
    }

    #[test]
    fn only_listed_and_retryable_codes_are_repeated() {
        let error = |code| StepError::new(code, "x");
        assert!(may_retry(&policy(), 1, &error(ErrorCode::Timeout)));
        assert!(!may_retry(&policy(), 5, &error(ErrorCode::Timeout)));
        assert!(!may_retry(&policy(), 1, &error(ErrorCode::AuthFailed)));
        let only = Retry { on: vec!["RATE_LIMITED".into()], ..policy() };
        assert!(!may_retry(&only, 1, &error(ErrorCode::Timeout)));
        assert!(may_retry(&only, 1, &error(ErrorCode::RateLimited)));
        let transient = Retry { on: vec!["TRANSIENT".into()], ..policy() };
        assert!(may_retry(&transient, 1, &error(ErrorCode::Upstream5xx)));
        assert!(!may_retry(&transient, 1, &error(ErrorCode::RateLimited)));
    }
}
