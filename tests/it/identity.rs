//! People, on both databases: log-ins, sessions, tokens, groups, tenants, identity providers.

mod bed;

mod commands;
mod grants;
mod logging_in;
mod provider;
mod rogue;
mod second_factor;
mod sessions;
mod setup;
mod tokens;
