use super::*;

fn principal(permissions: &[&str], scopes: Option<&[&str]>) -> Principal {
    Principal {
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
        scopes: scopes.map(|s| s.iter().map(|s| (*s).to_owned()).collect()),
        ..Principal::anonymous()
    }
}

#[test]
fn nobody_may_nothing_and_sees_nothing() {
    let nobody = Principal::anonymous();
    assert!(
        !nobody.is_authenticated() && !nobody.can("workflows.view_workflow") && !nobody.has_scope("workflows:read")
    );
    assert_eq!((nobody.tenant_scope(), nobody.global_scope()), (TenantScope::Nothing, TenantScope::Nothing));
}

#[test]
fn permissions_and_scopes_are_compared_whole() {
    let one = principal(&["workflows.view_workflow"], Some(&["workflows:read"]));
    assert!(one.can("workflows.view_workflow") && one.has_scope("workflows:read"));
    for near in ["workflows.view_workflows", "workflows.view_", "workflow.view_workflow", "*", ""] {
        assert!(!one.can(near), "{near}");
    }
    for near in ["workflows:write", "workflows", "workflows:", "workflows:read2", "admin"] {
        assert!(!one.has_scope(near), "{near}");
    }
}

#[test]
fn writing_has_reading_in_it_and_admin_has_all() {
    assert!(principal(&[], Some(&["workflows:write"])).has_scope("workflows:read"));
    assert!(!principal(&[], Some(&["events:publish"])).has_scope("events:read"));
    assert!(principal(&[], Some(&["admin"])).has_scope("tokens:write"));
    assert!(principal(&[], None).has_scope("anything:at-all"));
    assert!(principal(&["*"], None).can("people.delete_user"));
}

#[test]
fn the_default_groups_grow_from_viewer_to_admin() {
    let sets: Vec<BTreeSet<String>> =
        DEFAULT_GROUPS.iter().map(|group| group.permissions().into_iter().collect()).collect();
    assert!(sets[0].is_subset(&sets[1]) && sets[1].is_subset(&sets[2]));
    assert_eq!(sets[3], BTreeSet::from([EVERYTHING.to_owned()]));
    for hidden in ["execution.view_payload", "people.view_user", "audit.view_entry", "secrets.view_secret"] {
        assert!(!sets[0].contains(hidden), "{hidden}");
    }
    assert!(!sets[2].iter().any(|permission| permission.starts_with("people.")));
}
