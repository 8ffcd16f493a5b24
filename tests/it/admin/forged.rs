//! Fields that no form has: what is posted for them changes nothing, and is on record.

use std::collections::BTreeMap;

use automate_core::ids::TenantId;
use automate_tests::admin::{Browser, Rows, Site, tables};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;

const OTHER: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

async fn full(db: TestDatabase) -> (Site, Rows, Browser) {
    let site = Site::start(db).await;
    let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
    let rows = site.fill(&ours).await;
    let browser = site.log_in();
    (site, rows, browser)
}

/// What the audit log says was forged, the newest last.
async fn on_record(site: &Site) -> Vec<String> {
    let sql = "SELECT changes AS name FROM audit_log WHERE action = 'admin.forged_field' AND outcome = 'refused' ORDER BY seq";
    tables::texts(&site.database.db, sql).await
}

async fn named(site: &Site, table: &str, condition: &str) -> BTreeMap<String, String> {
    let mut row = tables::row(&site.database.db, table, condition).await;
    for moving in ["updated_at", "row_version", "last_used_at"] {
        row.remove(moving);
    }
    row
}

/// A table, the row's condition, its form, columns that the form does not have, and what is typed.
type Form<'a> = (&'a str, &'a str, String, &'a [&'a str], &'a [(&'a str, &'a str)]);

both_databases! {
    async fn columns_that_a_form_does_not_have_are_dropped_and_named_in_the_log(db: TestDatabase) {
        let (site, _, mut ada) = full(db).await;
        let eve = site.make_person("eve@example.org", TenantId::DEFAULT, &["people.view_user"]).await.to_string();
        let forms: [Form<'_>; 4] = [
            ("users", "email = 'eve@example.org'", format!("/admin/people/user/{eve}/change/"),
                &["id", "tenant_id", "email_key", "password_hash", "totp_secret", "totp_last_step", "totp_confirmed_at", "last_login_at", "password_changed_at", "created_at"],
                &[("email", "eve@example.org"), ("name", "Eve"), ("is_active", "true"), ("is_staff", "true"), ("permissions", "people.view_user")]),
            ("groups", "name = 'default on call'", String::from("/admin/people/group/"), &["id", "tenant_id", "created_at"],
                &[("name", "default on call"), ("description", "typed")]),
            ("api_tokens", "name = 'default-deploy'", String::from("/admin/people/token/"),
                &["id", "tenant_id", "user_id", "hash", "prefix", "scopes", "revoked_at", "last_used_at", "created_at", "rate_per_minute"],
                &[("name", "default-deploy"), ("expires_at", "2099-01-01T00:00:00")]),
            ("tenants", "slug = 'default'", String::from("/admin/tenants/tenant/"), &["id", "slug", "status", "created_at"], &[("name", "Ours")]),
        ];
        for (table, condition, form, columns, typed) in forms {
            let form = if form.ends_with("change/") { form } else {
                let list = ada.get(&form).is(200);
                let of_row = typed.iter().find(|(name, _)| *name == "name").unwrap().1;
                let links = list.links().into_iter().filter(|link| link.starts_with(&form) && link.ends_with("/change/"));
                let link = links.into_iter().find(|link| {
                    let page = ada.get(link);
                    page.has(&format!("value=\"{of_row}\"")) || table == "tenants"
                });
                link.unwrap_or_else(|| panic!("{form} has no {of_row}"))
            };
            let before = named(&site, table, condition).await;
            let recorded = on_record(&site).await.len();
            let version = ada.get(&form).is(200).hidden("row_version").unwrap();
            let mut fields: Vec<(&str, &str)> = vec![("row_version", &version), ("_continue", "1")];
            fields.extend(typed);
            for column in columns {
                fields.push((column, if column.ends_with("_at") { "2001-01-01T00:00:00Z" } else { OTHER }));
            }
            let page = ada.post(&form, &fields);
            assert_eq!(page.status, 303, "{form}: {}", page.body);
            let after = named(&site, table, condition).await;
            let differing: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
            let typed: Vec<&str> = typed.iter().map(|(name, _)| *name).collect();
            for name in differing {
                assert!(typed.contains(&name.as_str()), "{table}.{name} was {} and is {}", before[name], after[name]);
            }
            let record = on_record(&site).await;
            assert_eq!(record.len(), recorded + 1, "{table}: one record of what was forged");
            for column in columns {
                assert!(record.last().unwrap().contains(&format!("\"{column}\"")), "{column} is not on record: {record:?}");
            }
        }
    }

    async fn a_new_row_is_of_the_tenant_and_has_an_id_of_its_own_whatever_is_posted(db: TestDatabase) {
        let (site, _, mut ada) = full(db).await;
        let forged = [("id", OTHER), ("tenant_id", OTHER), ("created_at", "2001-01-01T00:00:00Z")];
        for (table, form, typed) in [
            ("groups", "/admin/people/group/add/", vec![("name", "forged"), ("description", "x")]),
            ("users", "/admin/people/user/add/", vec![("email", "forged@example.org"), ("name", "forged"), ("password_hash", "x"), ("email_key", "ada@example.com")]),
            ("api_tokens", "/admin/people/token/add/", vec![("name", "forged"), ("scopes", "workflows:read"), ("user_id", OTHER), ("hash", "00"), ("prefix", "mine")]),
        ] {
            let fields: Vec<(&str, &str)> = typed.iter().copied().chain(forged).chain([("_save", "1")]).collect();
            let page = ada.post(form, &fields);
            assert!(matches!(page.status, 200 | 303), "{form}: {} {}", page.status, page.body);
            let row = tables::row(&site.database.db, table, "name = 'forged'").await;
            let text = format!("{row:?}").to_lowercase();
            assert!(!text.contains(OTHER) && !text.contains(&OTHER.replace('-', "")), "{table}: {text}");
            assert!(!row["created_at"].contains("2001"), "{table}: {text}");
            let record = on_record(&site).await;
            assert!(record.last().is_some_and(|record| record.contains("tenant_id")), "{table}: {record:?}");
        }
        assert_eq!(tables::row(&site.database.db, "users", "name = 'forged'").await["password_hash"].replace("NULL", ""), "");
    }

    async fn a10_a_field_of_a_list_or_of_another_form_cannot_be_slipped_in(db: TestDatabase) {
        let (site, rows, mut ada) = full(db).await;
        let before = tables::contents(&site.database.db).await;
        for model in &rows.models {
            let Some(id) = rows.get(model) else { continue };
            // Names as lists have them, of columns that no list offers to change.
            for column in ["tenant_id", "id", "email", "is_superuser", "name", "status", "password_hash"] {
                let fields = [
                    (format!("{id}.{column}"), "forged"), (format!("{column}.{id}"), "forged"), (format!("{id}.row_version"), "1"),
                    (format!("version.{id}"), "1"), (column.to_owned(), "forged"),
                ];
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                let page = ada.post(&format!("{model}edit/"), &fields);
                assert!(page.status < 500, "{model}edit/: {}", page.status);
            }
            // What nobody changes by a form is changed by none.
            for deed in ["delete", "restore", "change"] {
                let writes = model.contains("/people/") || model.contains("/tenants/");
                let page = ada.post(&format!("{model}{id}/{deed}/"), &[("row_version", "999"), ("name", "forged"), ("slug", "forged")]);
                assert!(page.status >= 400, "{model} {deed}: {}", page.status);
                assert!(writes || matches!(page.status, 403..=405), "{model} {deed}: {}", page.status);
            }
        }
        // Rows of an inline that only shows them: the whole form is refused.
        let user = format!("/admin/people/user/{}/change/", rows.get("/admin/people/user/").unwrap());
        let version = ada.get(&user).is(200).hidden("row_version").unwrap();
        for row in [("tokens-0-name", "forged"), ("tokens-0-prefix", "forged"), ("tokens-0-expires_at", "2099-01-01T00:00:00")] {
            let fields = [("row_version", version.as_str()), ("_save", "1"), ("tokens-TOTAL_FORMS", "1"), ("tokens-0-id", ""), row];
            assert_eq!(ada.post(&user, &fields).status, 403, "{row:?}");
        }
        let connection = format!("/admin/connections/{}/change/", rows.get("connections").unwrap());
        let version = ada.get(&connection).is(200).hidden("version").unwrap();
        let fields = [("version", version.as_str()), ("name", "forged"), ("connector", "http"), ("tenant_id", OTHER), ("id", OTHER)];
        drop(ada.post(&connection, &fields));
        let execution = rows.get("execution").unwrap();
        for (deed, field) in [("cancel", "status"), ("signal", "tenant_id"), ("replay", "id")] {
            let page = ada.get(&format!("/admin/executions/{execution}/{deed}/"));
            drop(page);
            let page = ada.post(&format!("/admin/executions/{NOBODY}/{deed}/"), &[(field, execution), ("token", "x")]);
            assert_eq!(page.status, 404, "{deed}");
        }
        let after = tables::contents(&site.database.db).await;
        let resting = ["audit", "outbox", "leases", "executions", "workers", "connections", "partitions"];
        let changed: Vec<String> =
            tables::differences(&before, &after).into_iter().filter(|one| !resting.iter().any(|table| one.starts_with(table))).collect();
        assert!(changed.is_empty(), "{}", changed.join("\n"));
        let connection = tables::row(&site.database.db, "connections", "1 = 1").await;
        assert!(!format!("{connection:?}").contains("forged") && connection["connector"].contains("slack"), "{connection:?}");
    }
}

const NOBODY: &str = super::routes::NO_ROW;
