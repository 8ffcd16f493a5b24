//! What somebody may give to others: no more than they have, and with a token no more than it may
//! itself do.

use automate_core::access::{ADMIN_SCOPE, EVERYTHING, Principal, all_permissions};
use automate_store::resource::Writer;

use super::changing::wrong;
use crate::Problem;
use crate::v1::base::Call;
use crate::v1::identity::KnownPermissions;

/// The caller as a giver of permissions, passwords and addresses. A token's owner may do more than
/// the token: who makes an account with it that may do all that the owner may, has got around the
/// token's scopes. So a token without the scope `admin` gives only what its scopes let it use.
pub(super) fn giver(call: &Call) -> Writer {
    let mut writer = call.writer();
    narrow(&mut writer.principal);
    writer
}

fn narrow(principal: &mut Principal) {
    if principal.has_scope(ADMIN_SCOPE) {
        return;
    }
    let everything = principal.is_superuser || principal.permissions.contains(EVERYTHING);
    let has = if everything { all_permissions() } else { principal.permissions.iter().cloned().collect() };
    let usable = |permission: &String| scope_of(permission).is_some_and(|scope| principal.has_scope(&scope));
    let usable = has.into_iter().filter(usable).collect();
    (principal.is_superuser, principal.permissions) = (false, usable);
}

/// The scope without which a token cannot use a permission; none where only `admin` does.
fn scope_of(permission: &str) -> Option<String> {
    let (app, what) = permission.split_once('.')?;
    let named = match app {
        "workflow" => Some("workflows:write"),
        "event" => Some("events:publish"),
        "execution" if what == "view_payload" => Some("executions:read"),
        "execution" => Some("executions:write"),
        "webhook" => Some("webhooks:write"),
        "connection" => Some("connections:write"),
        "secret" => Some("secrets:read"),
        "audit" if what == "verify" => Some("audit:read"),
        // Views of lists are the admin's; whoever manages people may let them share theirs.
        "savedview" => Some("users:write"),
        _ => None,
    };
    if let Some(scope) = named {
        return Some(scope.to_owned());
    }
    let (verb, model) = what.split_once('_').unwrap_or((what, ""));
    let resource = match (app, model) {
        ("workflows", "trigger") => "triggers",
        ("workflows", _) => "workflows",
        ("executions", "event") => "events",
        ("executions", "webhookrequest") => "webhooks",
        ("executions", "bulkoperation") => "bulk-operations",
        ("executions", _) => "executions",
        ("outbox", _) => "outbox",
        ("connectors", "connector") => "connectors",
        ("connectors", "connection") => "connections",
        ("connectors", "provider") => "providers",
        ("secrets", _) => "secrets",
        ("people", "group") => "groups",
        ("people", "token") => "tokens",
        ("people", _) => "users",
        ("tenants", "policy") => "policies",
        ("tenants", _) => "tenants",
        ("audit", _) => "audit",
        _ => return None,
    };
    let kind = if verb == "view" { "read" } else { "write" };
    Some(format!("{resource}:{kind}"))
}

/// Refuses permissions that there are not.
///
/// # Errors
/// 422 that names the first.
pub(super) fn check_known(call: &Call, permissions: &[String]) -> Result<(), Problem> {
    let known = call.api.service::<KnownPermissions>()?;
    match permissions.iter().find(|permission| !known.has(permission)) {
        None => Ok(()),
        Some(unknown) => {
            let shown: String = unknown.chars().filter(|c| !c.is_control()).take(60).collect();
            Err(wrong("permissions", "UNKNOWN_PERMISSION", format!("there is no permission `{shown}`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn narrowed(permissions: &[&str], scopes: Option<&[&str]>, is_superuser: bool) -> Principal {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
        let mut principal = Principal {
            permissions: set(permissions),
            scopes: scopes.map(set),
            is_superuser,
            ..Principal::anonymous()
        };
        narrow(&mut principal);
        principal
    }

    #[test]
    fn every_permission_has_a_scope_that_there_is() {
        let known = automate_governance::identity::KnownScopes::default();
        for permission in all_permissions() {
            let scope = scope_of(&permission).unwrap_or_else(|| panic!("{permission} has no scope"));
            assert!(known.check(std::slice::from_ref(&scope)).is_ok(), "{permission}: {scope}");
        }
        assert_eq!(scope_of(EVERYTHING), None);
        assert_eq!(scope_of("shop.view_order"), None);
    }

    #[test]
    fn a_token_gives_what_its_scopes_let_it_use() {
        let root = narrowed(&[], Some(&["users:write", "workflows:read"]), true);
        assert!(!root.is_superuser && !root.can(EVERYTHING));
        assert!(root.can("people.add_user") && root.can("workflows.view_workflow"));
        assert!(!root.can("workflows.change_workflow") && !root.can("secrets.view_secret"));
        let editor = narrowed(&["workflows.change_workflow", "workflow.run"], Some(&["workflows:write"]), false);
        assert!(editor.can("workflow.run") && !editor.can("workflows.delete_workflow"));
    }

    #[test]
    fn people_and_tokens_for_everything_give_all_that_they_have() {
        assert!(narrowed(&[], None, true).is_superuser);
        assert!(narrowed(&["*"], Some(&["admin"]), false).can(EVERYTHING));
    }
}
