//! The system's own resources, one file each, built with [`base`](super::base) and nothing else.

mod executions;
mod workflows;

use super::base::Views;

/// The views of the system's own API.
#[must_use]
pub fn system_views() -> Views {
    Views::new().with(workflows::Workflows).with(executions::Executions)
}
