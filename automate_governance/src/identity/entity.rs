//! The tables of people.

pub mod api_token;
pub mod external_identity;
pub mod group;
pub mod group_permission;
pub mod login_attempt;
pub mod login_flow;
pub mod recovery_code;
pub mod session;
pub mod tenant;
pub mod user;
pub mod user_group;
pub mod user_permission;
