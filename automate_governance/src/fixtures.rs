//! What a fixture of an installation holds: tenants, people, workflows, connections, policies.
//! History, queues, sessions, tokens and secrets are not in it: they belong to where they are.

use automate_store::models::workflows::{trigger, version, workflow};
use automate_store::resource::fixtures::FixtureTable;

use crate::connections::entity as connection;
use crate::identity::entity::{group, group_permission, tenant, user, user_group, user_permission};
use crate::policy::entity as policy;

/// The tables, each after those that it refers to.
#[must_use]
pub fn tables() -> Vec<FixtureTable> {
    vec![
        FixtureTable::of::<tenant::Entity>("tenants.tenant").natural(&["slug"]),
        FixtureTable::of::<policy::Entity>("tenants.policy").reference("tenant_id", "tenants.tenant"),
        FixtureTable::of::<group::Entity>("people.group")
            .natural(&["tenant_id", "name"])
            .reference("tenant_id", "tenants.tenant"),
        FixtureTable::of::<group_permission::Entity>("people.group_permission").reference("group_id", "people.group"),
        FixtureTable::of::<user::Entity>("people.user")
            .natural(&["email_key"])
            .reference("tenant_id", "tenants.tenant")
            // A second factor is encrypted with the master key of where it was made.
            .never(&["totp_secret", "totp_confirmed_at", "totp_last_step"])
            .credentials(&["password_hash"]),
        FixtureTable::of::<user_group::Entity>("people.user_group")
            .reference("user_id", "people.user")
            .reference("group_id", "people.group"),
        FixtureTable::of::<user_permission::Entity>("people.user_permission").reference("user_id", "people.user"),
        FixtureTable::of::<workflow::Entity>("workflows.workflow")
            .natural(&["tenant_id", "slug"])
            .reference("tenant_id", "tenants.tenant")
            .later_reference("live_version_id", "workflows.version"),
        FixtureTable::of::<version::Entity>("workflows.version")
            .natural(&["workflow_id", "number"])
            .reference("tenant_id", "tenants.tenant")
            .reference("workflow_id", "workflows.workflow"),
        FixtureTable::of::<trigger::Entity>("workflows.trigger")
            .reference("tenant_id", "tenants.tenant")
            .reference("workflow_id", "workflows.workflow")
            .reference("version_id", "workflows.version"),
        FixtureTable::of::<connection::Entity>("connectors.connection")
            .natural(&["tenant_id", "name"])
            .reference("tenant_id", "tenants.tenant"),
    ]
}
