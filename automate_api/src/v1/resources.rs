//! The system's own resources, one file each, built with [`base`](super::base) and nothing else.

mod audit;
mod bulk_operations;
mod changing;
mod connections;
mod connectors;
mod events;
mod executions;
mod giving;
mod groups;
mod nested;
mod outbox;
mod providers;
mod secrets;
mod session;
mod stats;
mod tenants;
mod tokens;
mod told;
mod triggers;
mod users;
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
        .and(people_views())
}

/// The views of people, and of what they are trusted with.
fn people_views() -> Views {
    Views::new()
        .with(session::Session)
        .with(users::Users)
        .with(groups::Groups)
        .with(tokens::Tokens)
        .with(tenants::Tenants)
        .with(audit::Audit)
        .with(secrets::Secrets)
        .with(connections::Connections)
        .with(providers::Providers)
}
