//! Users, groups, tenants: nobody gives themselves or others more than they have.

use automate_core::access::{DEFAULT_GROUPS, EVERYTHING, TenantScope};
use automate_core::ids::{GroupId, UserId};
use automate_governance::identity::{
    AuthError, GroupChange, IdentityError, MemberChange, NewGroup, NewTenant, NewUser, UserChange,
};
use automate_store::resource::Writer;
use automate_tests::both_databases;

use super::bed::{Bed, PASSWORD, TENANT, cookies_of, operator, password, user_id, writer};

fn forbidden<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> bool {
    matches!(result, Err(IdentityError::Forbidden(_)))
}

/// Somebody who looks after accounts and may do little else.
async fn clerk(bed: &Bed) -> Writer {
    let permissions = ["people.add_user", "people.change_user", "people.delete_user", "workflows.view_workflow"];
    let new = NewUser {
        email: "clerk@example.org".into(),
        password: Some(password(PASSWORD)),
        permissions: permissions.map(str::to_owned).to_vec(),
        ..NewUser::default()
    };
    bed.identity.create_user(operator(), new).await.unwrap();
    writer(&bed.log_in("clerk@example.org").await.principal)
}

both_databases! {
    async fn every_tenant_begins_with_the_default_groups(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let acme = bed.tenant("acme").await;
        for default in DEFAULT_GROUPS {
            for tenant in [TENANT, acme] {
                assert!(bed.identity.group_by_name(tenant, default.name).await.unwrap().is_some());
            }
        }
        // Again, and by several processes at once.
        let other = bed.node(&test).await;
        let (one, two) = tokio::join!(other.ensure_default_groups(TENANT), bed.identity.ensure_default_groups(TENANT));
        one.and(two).unwrap();
        assert_eq!(bed.count("groups").await, 8);
    }

    async fn nobody_makes_somebody_who_may_do_more_than_they(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let clerk = clerk(&bed).await;
        let admins = bed.group("admin").await;
        let new = |change: fn(&mut NewUser, GroupId)| {
            let mut new = NewUser { email: "new@example.org".into(), ..NewUser::default() };
            change(&mut new, admins);
            bed.identity.create_user(clerk.clone(), new)
        };
        assert!(forbidden(new(|new, _| new.is_superuser = true).await));
        assert!(forbidden(new(|new, _| new.is_staff = true).await));
        assert!(forbidden(new(|new, admins| new.groups = vec![admins]).await));
        assert!(forbidden(new(|new, _| new.permissions = vec![EVERYTHING.into()]).await));
        assert!(forbidden(new(|new, _| new.permissions = vec!["workflow.publish".into()]).await));
        assert_eq!(bed.identity.user_by_email("new@example.org").await.unwrap(), None, "nothing is stored");
        let made = new(|new, _| new.permissions = vec!["workflows.view_workflow".into()]).await.unwrap();
        assert_eq!(made.tenant_id, Some(TENANT.0));
        // A permission that is none.
        for nonsense in ["", "x", "a.b.c", "a b.c", "*.*", "a.\n"] {
            let change = UserChange { permissions: Some(vec![nonsense.into()]), ..UserChange::default() };
            let refused = bed.identity.change_user(operator(), user_id(&made), change, None).await;
            assert_eq!(refused.unwrap_err().code(), "INVALID_INPUT", "{nonsense:?}");
        }
    }

    async fn nobody_takes_over_an_account_that_may_do_more(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let clerk = clerk(&bed).await;
        let root = bed.superuser("root@example.org").await;
        let boss = bed.user("boss@example.org", "admin").await;
        for target in [&root, &boss] {
            let id = user_id(target);
            let address = UserChange { email: Some("mine@example.org".into()), ..UserChange::default() };
            assert!(forbidden(bed.identity.change_user(clerk.clone(), id, address, None).await));
            assert!(forbidden(bed.identity.set_password(clerk.clone(), id, &password("another horse of mine"), false).await));
            assert!(forbidden(bed.identity.totp_reset(clerk.clone(), id).await));
            assert!(forbidden(bed.identity.delete_user(clerk.clone(), id).await));
            assert!(forbidden(bed.identity.log_out_everywhere(clerk.clone(), id, None).await));
        }
        // The admins of a tenant cannot touch a superuser either.
        let admin = writer(&bed.log_in("boss@example.org").await.principal);
        let off = UserChange { is_superuser: Some(false), ..UserChange::default() };
        assert!(forbidden(bed.identity.change_user(admin, user_id(&root), off, None).await));
    }

    async fn nobody_locks_themselves_out(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let root = bed.superuser("root@example.org").await;
        let own = writer(&bed.log_in("root@example.org").await.principal);
        let id = user_id(&root);
        let off = UserChange { is_active: Some(false), ..UserChange::default() };
        let less = UserChange { is_superuser: Some(false), ..UserChange::default() };
        for change in [off, less] {
            let refused = bed.identity.change_user(own.clone(), id, change, None).await;
            assert!(matches!(refused, Err(IdentityError::Conflict(_))));
        }
        assert!(matches!(bed.identity.delete_user(own, id).await, Err(IdentityError::Conflict(_))));
    }

    async fn rows_of_another_tenant_are_not_there(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let acme = bed.tenant("acme").await;
        let theirs = NewUser { email: "eve@acme.example".into(), tenant: Some(acme), ..NewUser::default() };
        let theirs = bed.identity.create_user(operator(), theirs).await.unwrap();
        let group = GroupId(bed.identity.group_by_name(acme, "viewer").await.unwrap().unwrap().id);
        bed.user("boss@example.org", "admin").await;
        let admin = writer(&bed.log_in("boss@example.org").await.principal);
        let gone = |error: IdentityError| matches!(error, IdentityError::NotFound(_));
        let name = UserChange { name: Some("x".into()), ..UserChange::default() };
        assert!(gone(bed.identity.change_user(admin.clone(), user_id(&theirs), name, None).await.unwrap_err()));
        assert!(gone(bed.identity.delete_user(admin.clone(), user_id(&theirs)).await.unwrap_err()));
        assert!(gone(bed.identity.delete_group(admin.clone(), group).await.unwrap_err()));
        let renamed = GroupChange { name: Some("x".into()), ..GroupChange::default() };
        assert!(gone(bed.identity.change_group(admin.clone(), group, renamed, None).await.unwrap_err()));
        let there = NewUser { email: "x@example.org".into(), tenant: Some(acme), ..NewUser::default() };
        assert!(gone(bed.identity.create_user(admin.clone(), there).await.unwrap_err()));
        // Nor can one of ours be put into a group of theirs.
        let mixed = NewUser { email: "y@example.org".into(), groups: vec![group], ..NewUser::default() };
        assert_eq!(bed.identity.create_user(operator(), mixed).await.unwrap_err().code(), "INVALID_INPUT");
        assert!(forbidden(bed.identity.create_tenant(admin.clone(), NewTenant { slug: "mine".into(), name: "m".into() }).await));
        assert!(forbidden(bed.identity.suspend_tenant(admin, acme, true).await));
    }

    async fn r3_whoever_belongs_nowhere_sees_nothing_and_does_not_get_in(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "admin").await;
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        let sql = "UPDATE users SET tenant_id = NULL";
        sea_orm::ConnectionTrait::execute_unprepared(bed.db.orm(), sql).await.unwrap();
        bed.identity.forget();
        let found = bed.get(&headers).await.unwrap().principal;
        assert_eq!((found.tenant_scope(), found.global_scope()), (TenantScope::Nothing, TenantScope::Nothing));
        assert!(!found.can("workflows.view_workflow"), "the group of a tenant that is not theirs gives nothing");
        assert!(matches!(bed.try_log_in("ada@example.org", PASSWORD, "203.0.113.1").await, Err(AuthError::Credentials)));
    }

    async fn a_group_gives_and_takes(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        let new = NewGroup {
            name: "publishers".into(),
            permissions: vec!["workflow.publish".into()],
            ..NewGroup::default()
        };
        let group = bed.identity.create_group(operator(), new.clone()).await.unwrap();
        assert!(matches!(bed.identity.create_group(operator(), new).await, Err(IdentityError::Conflict(_))));
        let join = UserChange {
            groups: Some(vec![GroupId(group.id), bed.group("viewer").await]),
            ..UserChange::default()
        };
        bed.identity.change_user(operator(), user_id(&ada), join, None).await.unwrap();
        assert!(bed.get(&headers).await.unwrap().principal.can("workflow.publish"));
        let change = GroupChange { permissions: Some(vec!["event.publish".into()]), ..GroupChange::default() };
        let stale = bed.identity.change_group(operator(), GroupId(group.id), change.clone(), Some(7)).await;
        assert!(matches!(stale, Err(IdentityError::Changed { current: 2 })), "who joins it is a change of it");
        bed.identity.change_group(operator(), GroupId(group.id), change, Some(2)).await.unwrap();
        let principal = bed.get(&headers).await.unwrap().principal;
        assert!(principal.can("event.publish") && !principal.can("workflow.publish"));
        bed.identity.delete_group(operator(), GroupId(group.id)).await.unwrap();
        assert!(!bed.get(&headers).await.unwrap().principal.can("event.publish"));
        // A clerk neither makes a group with more than they have nor empties one.
        let clerk = clerk(&bed).await;
        let more = NewGroup { name: "x".into(), permissions: vec!["event.publish".into()], ..NewGroup::default() };
        assert!(forbidden(bed.identity.create_group(clerk.clone(), more).await));
        let empty = GroupChange { permissions: Some(Vec::new()), ..GroupChange::default() };
        assert!(forbidden(bed.identity.change_group(clerk.clone(), bed.group("admin").await, empty, None).await));
        assert!(forbidden(bed.identity.delete_group(clerk, bed.group("admin").await).await));
    }

    async fn people_are_moved_from_the_groups_side_under_the_rules_of_their_own(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (ada, eve) = (bed.user("ada@example.org", "viewer").await, bed.user("eve@example.org", "viewer").await);
        let new = |name: &str, gives: &str, members: Vec<UserId>| NewGroup {
            name: name.into(),
            permissions: vec![gives.into()],
            members,
            ..NewGroup::default()
        };
        let powerful = new("powerful", "workflow.publish", vec![user_id(&ada)]);
        let powerful = GroupId(bed.identity.create_group(operator(), powerful).await.unwrap().id);
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        assert!(bed.get(&headers).await.unwrap().principal.can("workflow.publish"));
        let moves = |join: &[UserId], leave: &[UserId]| GroupChange {
            members: MemberChange { join: join.to_vec(), leave: leave.to_vec() },
            ..GroupChange::default()
        };
        // A clerk lets nobody into what they do not have, and takes nobody out who may do more.
        let clerk = clerk(&bed).await;
        let lets_in = moves(&[user_id(&eve)], &[]);
        assert!(forbidden(bed.identity.change_group(clerk.clone(), powerful, lets_in, None).await));
        let takes_out = moves(&[], &[user_id(&ada)]);
        assert!(forbidden(bed.identity.change_group(clerk.clone(), powerful, takes_out.clone(), None).await));
        let harmless = new("harmless", "workflows.view_workflow", Vec::new());
        let harmless = GroupId(bed.identity.create_group(clerk.clone(), harmless).await.unwrap().id);
        let above = moves(&[user_id(&ada)], &[]);
        assert!(forbidden(bed.identity.change_group(clerk, harmless, above, None).await));
        assert_eq!(bed.count("user_groups").await, 3, "nothing is stored");
        // Nobody of another tenant.
        let acme = bed.tenant("acme").await;
        let theirs = NewUser { email: "x@acme.example".into(), tenant: Some(acme), ..NewUser::default() };
        let theirs = bed.identity.create_user(operator(), theirs).await.unwrap();
        let foreign = bed.identity.change_group(operator(), harmless, moves(&[user_id(&theirs)], &[]), None).await;
        assert_eq!(foreign.unwrap_err().code(), "INVALID_INPUT");
        // Who is named in neither list stays; who is there already is no change.
        bed.identity.change_group(operator(), powerful, moves(&[user_id(&eve), user_id(&ada)], &[]), Some(1)).await.unwrap();
        assert_eq!(bed.count("user_groups").await, 4);
        let entries = bed.audited().await.iter().filter(|entry| *entry == "user.change done").count();
        bed.identity.change_group(operator(), powerful, takes_out, Some(2)).await.unwrap();
        assert!(!bed.get(&headers).await.unwrap().principal.can("workflow.publish"));
        let now = bed.audited().await.iter().filter(|entry| *entry == "user.change done").count();
        assert_eq!(now, entries + 1, "it stands in her history, too");
        // A change from the user's side counts as one of the group.
        let leave = UserChange { groups: Some(Vec::new()), ..UserChange::default() };
        bed.identity.change_user(operator(), user_id(&eve), leave, None).await.unwrap();
        let stale = bed.identity.change_group(operator(), powerful, moves(&[user_id(&eve)], &[]), Some(3)).await;
        assert!(matches!(stale, Err(IdentityError::Changed { current: 4 })), "{stale:?}");
        let many: Vec<UserId> = (0..201).map(|_| UserId::new()).collect();
        let many = bed.identity.change_group(operator(), powerful, moves(&many, &[]), None).await;
        assert_eq!(many.unwrap_err().code(), "INVALID_INPUT");
    }

    async fn a_deleted_user_leaves_nothing_but_the_log(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        bed.identity.delete_user(operator(), user_id(&ada)).await.unwrap();
        assert!(bed.get(&headers).await.is_err());
        for table in ["users", "sessions", "user_groups", "user_permissions", "api_tokens"] {
            assert_eq!(bed.count(table).await, 0, "{table}");
        }
        assert!(bed.audited().await.contains(&"user.delete done".to_owned()));
        assert!(matches!(bed.identity.delete_user(operator(), UserId::new()).await, Err(IdentityError::NotFound(_))));
    }

    async fn a_slug_is_taken_once_and_the_default_tenant_stays(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.tenant("acme").await;
        for (slug, code) in [("acme", "CONFLICT"), ("default", "CONFLICT"), ("Acme", "INVALID_INPUT"), ("admin", "INVALID_INPUT")] {
            let new = NewTenant { slug: slug.into(), name: "x".into() };
            assert_eq!(bed.identity.create_tenant(operator(), new).await.unwrap_err().code(), code, "{slug}");
        }
        assert!(matches!(bed.identity.suspend_tenant(operator(), TENANT, true).await, Err(IdentityError::Conflict(_))));
    }
}
