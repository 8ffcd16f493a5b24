//! The system's own resources, one file each, built with [`base`](super::base) and nothing else.

mod audit;
mod changing;
mod connections;
mod executions;
mod giving;
mod groups;
mod providers;
mod secrets;
mod session;
mod tenants;
mod tokens;
mod users;
mod workflows;

use super::base::Views;

/// The views of the system's own API.
#[must_use]
pub fn system_views() -> Views {
    Views::new().with(workflows::Workflows).with(executions::Executions).and(people_views())
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
