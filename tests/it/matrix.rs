//! The matrices of the REST API: every operation × who asks, and × whose row it is. They are made
//! from the router's own list of operations; `matrix/routes.txt` has an entry for each of them, and
//! an operation without one fails the test.

mod asking;

use std::collections::BTreeSet;

use automate_api::v1::base::Operation;
use automate_api::v1::system_views;
use automate_core::access::{DEFAULT_GROUPS, EVERYTHING, MODELS, NAMED_PERMISSIONS, all_permissions};
use automate_tests::both_databases;
use serde_json::{Value, json};

use asking::{Answer, Site};

const ROUTES: &str = include_str!("matrix/routes.txt");
/// An id that no row has.
const NO_ROW: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What an entry says about whose rows an operation touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// None: it is public, or about the caller alone.
    None,
    /// Those of the caller's tenant: lists and what makes new rows.
    Own,
    /// One row, by the id or name in the address.
    Row,
    /// The installation's: for superusers.
    Global,
}

struct Entry {
    operation: Operation,
    reach: Reach,
}

/// An operation as a line of the file, without its reach.
fn line(operation: &Operation) -> String {
    let access = &operation.access;
    let who = match (access.public, access.superuser) {
        (true, _) => "public",
        (_, true) => "superuser",
        _ => "-",
    };
    format!(
        "{} {} | {} | {} | {who}",
        operation.method,
        operation.path,
        access.scope.as_deref().unwrap_or("-"),
        access.permission.as_deref().unwrap_or("-"),
    )
}

fn entries() -> Vec<Entry> {
    let views = system_views();
    let operations: Vec<Operation> = views.operations().into_iter().cloned().collect();
    let lines: Vec<(&str, &str)> =
        ROUTES.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).filter_map(|l| l.rsplit_once(" | ")).collect();
    let known: BTreeSet<String> = operations.iter().map(line).collect();
    let missing: Vec<String> =
        known.iter().filter(|l| !lines.iter().any(|(own, _)| own == l)).map(|l| format!("{l} | ?")).collect();
    let gone: Vec<&str> = lines.iter().map(|(l, _)| *l).filter(|l| !known.contains(*l)).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "without an entry:\n{}\nno more:\n{}",
        missing.join("\n"),
        gone.join("\n")
    );
    operations
        .into_iter()
        .map(|operation| {
            let own = line(&operation);
            let reach = match lines.iter().find(|(l, _)| *l == own).map(|(_, reach)| *reach) {
                Some("none") => Reach::None,
                Some("own") => Reach::Own,
                Some("row") => Reach::Row,
                Some("global") => Reach::Global,
                other => panic!("{own}: its reach is {other:?}, not none, own, row or global"),
            };
            Entry { operation, reach }
        })
        .collect()
}

/// The address with something in the place of each parameter.
fn address(operation: &Operation, id: &str) -> String {
    let segments = operation.path.split('/').map(|segment| match segment {
        "{number}" => "1",
        segment if segment.starts_with('{') => id,
        segment => segment,
    });
    format!("/api/v1{}", segments.collect::<Vec<_>>().join("/"))
}

/// A body that is right for whoever may send it: the document's example, where that is.
fn body(operation: &Operation) -> Option<Value> {
    let example = operation.input.as_ref().map(|input| input.shape.example())?;
    Some(match operation.id.as_str() {
        "users_update" | "tokens_update" | "groups_update" => json!({ "name": "changed" }),
        "users_create" => json!({ "email": "new@example.org" }),
        "groups_create" => json!({ "name": "new", "permissions": [] }),
        "tenants_set_policy" => json!({}),
        "tokens_create" => json!({ "name": "new", "scopes": ["tokens:read"] }),
        _ => example,
    })
}

fn ask(site: &Site, token: Option<&str>, operation: &Operation, id: &str) -> Answer {
    site.ask(operation.method.as_str(), &address(operation, id), token, body(operation).as_ref())
}

/// Everything that has to do with streams would wait for what never comes.
fn may_be_asked(operation: &Operation) -> bool {
    !operation.id.ends_with("_events") || operation.method != "GET" || operation.path == "/events"
}

#[test]
fn every_route_has_its_entry_and_every_permission_exists() {
    let known: BTreeSet<String> = all_permissions().into_iter().collect();
    for entry in entries() {
        if let Some(permission) = &entry.operation.access.permission {
            assert!(known.contains(permission), "{:?}: `{permission}` is in no catalogue", entry.operation);
        }
        let open = entry.operation.access.public || entry.operation.access.scope.is_some();
        let about_oneself = entry.operation.path.starts_with("/session");
        assert!(open || about_oneself, "{:?} has no scope", entry.operation);
    }
    assert!(!MODELS.is_empty() && !NAMED_PERMISSIONS.is_empty());
}

both_databases! {
    async fn r2_every_route_is_refused_without_its_scope_its_permission_or_a_token(db: TestDatabase) {
        let site = Site::over(&db).await;
        let entries = entries();
        let scopes: BTreeSet<String> = entries.iter().filter_map(|e| e.operation.access.scope.clone()).collect();
        let everything: Vec<String> = vec![EVERYTHING.to_owned()];
        for entry in entries.iter().filter(|entry| !entry.operation.access.public) {
            let operation = &entry.operation;
            let nobody = ask(&site, None, operation, NO_ROW);
            assert_eq!(nobody.status, 401, "{operation:?} without a token: {nobody:?}");
            assert!(nobody.head.contains("www-authenticate"), "{operation:?}: {nobody:?}");
            let wrong = ask(&site, Some("aut_wrong"), operation, NO_ROW);
            assert_eq!(wrong.status, 401, "{operation:?} with a wrong token: {wrong:?}");
            if let Some(scope) = &operation.access.scope {
                // Writing has reading in it, so a token without `x:read` must lack `x:write` too.
                let lacking: Vec<String> = scopes
                    .iter()
                    .filter(|own| *own != scope && scope.strip_suffix(":read").is_none_or(|r| **own != format!("{r}:write")))
                    .cloned()
                    .collect();
                let token = site.token(None, &everything, &lacking, false).await;
                let answer = ask(&site, Some(&token), operation, NO_ROW);
                assert_eq!(answer.status, 403, "{operation:?} without `{scope}`: {answer:?}");
                assert!(answer.body.contains(scope.as_str()), "{operation:?} names the scope: {answer:?}");
            }
            if let Some(permission) = &operation.access.permission {
                let others: Vec<String> = all_permissions().into_iter().filter(|own| own != permission).collect();
                let token = site.token(None, &others, &["admin".to_owned()], false).await;
                let answer = ask(&site, Some(&token), operation, NO_ROW);
                assert_eq!(answer.status, 403, "{operation:?} without `{permission}`: {answer:?}");
                assert!(answer.body.contains(permission.as_str()), "{operation:?} names the permission: {answer:?}");
            }
            if operation.access.superuser {
                let token = site.token(None, &everything, &["admin".to_owned()], false).await;
                assert_eq!(ask(&site, Some(&token), operation, NO_ROW).status, 403, "{operation:?} for superusers");
            }
        }
    }

    async fn r2_every_route_opens_to_its_scope_and_permission_and_the_default_groups_are_what_they_say(db: TestDatabase) {
        let site = Site::over(&db).await;
        let groups: Vec<(&str, Vec<String>)> =
            DEFAULT_GROUPS.iter().map(|group| (group.name, group.permissions())).collect();
        for entry in entries().iter().filter(|entry| !entry.operation.access.public && may_be_asked(&entry.operation)) {
            let (operation, access) = (&entry.operation, &entry.operation.access);
            let scopes: Vec<String> = access.scope.iter().cloned().collect();
            let scopes = if scopes.is_empty() { vec!["stats:read".to_owned()] } else { scopes };
            let mut permissions: Vec<String> = access.permission.iter().cloned().collect();
            // Whoever may not cancel one execution may not cancel many (the example cancels), and
            // setting a secret that is not there makes one.
            match operation.id.as_str() {
                "bulk_operations_start" | "bulk_operations_preview" => permissions.push("execution.cancel".to_owned()),
                "secrets_update" => permissions.push("secrets.add_secret".to_owned()),
                _ => {}
            }
            let token = site.token(None, &permissions, &scopes, access.superuser).await;
            let answer = ask(&site, Some(&token), operation, NO_ROW);
            let about_oneself = operation.path.starts_with("/session");
            assert!(about_oneself || !matches!(answer.status, 401 | 403), "{operation:?} with all it needs: {answer:?}");
            assert!(answer.status < 500, "{operation:?}: {answer:?}");
            let Some(permission) = access.permission.as_ref().filter(|_| !access.superuser) else { continue };
            for (name, granted) in &groups {
                let token = site.token(None, granted, &["admin".to_owned()], false).await;
                let answer = ask(&site, Some(&token), operation, NO_ROW);
                let may = granted.iter().any(|own| own == EVERYTHING || own == permission);
                let refused = answer.status == 403 && answer.body.contains(permission.as_str());
                assert_eq!(refused, !may, "{operation:?} for the group `{name}`: {answer:?}");
            }
        }
    }

    async fn a11_rows_of_another_tenant_are_not_there_on_any_route(db: TestDatabase) {
        let site = Site::over(&db).await;
        let theirs = site.tenant_with_rows().await;
        let everything: Vec<String> = vec![EVERYTHING.to_owned()];
        let ours = site.token(None, &everything, &["admin".to_owned()], false).await;
        let entries = entries();
        let mut asked = 0;
        for entry in entries.iter().filter(|entry| may_be_asked(&entry.operation)) {
            let operation = &entry.operation;
            match entry.reach {
                Reach::Row => {
                    let resource = operation.path.split('/').nth(1).unwrap();
                    let id = theirs.row(resource).unwrap_or_else(|| panic!("{operation:?}: the other tenant has no row of {resource}"));
                    let before = site.get(&theirs.token, &address(operation, &id), operation);
                    let answer = ask(&site, Some(&ours), operation, &id);
                    let told = answer.json();
                    assert_eq!(answer.status, 404, "{operation:?} of another tenant's row {id}: {answer:?}");
                    let absent = ask(&site, Some(&ours), operation, NO_ROW).json();
                    assert_eq!(told["code"], absent["code"], "{operation:?} tells a foreign row from none");
                    assert_eq!(site.get(&theirs.token, &address(operation, &id), operation), before, "{operation:?} changed it");
                    asked += 1;
                }
                Reach::Own if operation.method == "GET" => {
                    let answer = ask(&site, Some(&ours), operation, NO_ROW);
                    for id in theirs.ids() {
                        assert!(!answer.body.contains(id), "{operation:?} shows {id} of another tenant");
                    }
                    asked += 1;
                }
                Reach::Global => {
                    let answer = ask(&site, Some(&ours), operation, &theirs.tenant);
                    assert!(matches!(answer.status, 403 | 404), "{operation:?}: {answer:?}");
                    asked += 1;
                }
                Reach::Own | Reach::None => {}
            }
        }
        assert!(asked > 60, "only {asked} operations were asked");
    }
}
