//! Time as an argument. The engine takes `now`; drivers take a [`Clock`], which tests replace.

use chrono::{DateTime, SubsecRound, Utc};

/// A source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// The current time, in whole microseconds (what both databases can store).
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        now()
    }
}

/// The system's time in whole microseconds; for code at the edge that has no [`Clock`].
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one source of time")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
