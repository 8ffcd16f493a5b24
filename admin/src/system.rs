//! The system's own models.

use automate_governance::identity::entity::{group, tenant, user};
use automate_governance::models::{GROUPS, TENANTS, USERS};

use crate::model_admin::ModelAdmin;
use crate::site::AdminSite;

/// A site with them.
pub(crate) fn register(site: AdminSite) -> AdminSite {
    site.with(ModelAdmin::<user::Entity>::new(&USERS, |spec| {
        spec.placed("People", "Users");
    }))
    .with(ModelAdmin::<group::Entity>::new(&GROUPS, |spec| {
        spec.placed("People", "Groups");
    }))
    .with(ModelAdmin::<tenant::Entity>::new(&TENANTS, |spec| {
        spec.placed("People", "Tenants");
    }))
}
