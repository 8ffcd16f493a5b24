//! People over the REST API: log-ins, accounts, groups, tokens, tenants, and what they are trusted
//! with. Everything runs over a real server, on both databases.

mod audit;
mod bed;
mod connections;
mod doors;
mod escalation;
mod fields;
mod foreign;
mod groups;
mod losing;
mod providers;
mod secrets;
mod session;
mod tenants;
mod tokens;
mod users;
