//! The system's own resources, one file each, built with [`base`](super::base) and nothing else.

mod bulk_operations;
mod connectors;
mod events;
mod executions;
mod nested;
mod outbox;
mod stats;
mod told;
mod triggers;
mod webhooks;
mod workflows;

use super::base::Views;

/// The views of the system's own API.
#[must_use]
pub fn system_views() -> Views {
    Views::new()
        .with(workflows::Workflows::new())
        .with(executions::Executions::new())
        .with(bulk_operations::BulkOperations)
        .with(events::Events)
        .with(triggers::Triggers)
        .with(webhooks::Webhooks)
        .with(outbox::Outbox)
        .with(connectors::Connectors)
        .with(stats::Stats)
}
