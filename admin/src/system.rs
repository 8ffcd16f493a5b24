//! The system's own models. Who owns their writes writes them here, too: people are changed through
//! [`Identity`](automate_governance::identity::Identity), and what the engine writes is only shown.

mod deeds;
mod grants;
mod groups;
mod policy;
mod records;
mod sessions;
mod tenants;
mod tokens;
mod users;

use axum::Router;

use crate::site::AdminSite;
use crate::state::AdminState;

/// A site with them.
pub(crate) fn register(site: AdminSite) -> AdminSite {
    let site = site.with(users::Users).with(groups::Groups).with(tokens::Tokens).with(tenants::Tenants);
    records::register(site)
}

/// Pages that single rows of theirs have besides their forms.
pub(crate) fn routes() -> Router<AdminState> {
    deeds::routes().merge(policy::routes()).merge(sessions::routes())
}
