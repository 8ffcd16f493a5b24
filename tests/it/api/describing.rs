//! The OpenAPI document and the docs page.

use std::collections::BTreeSet;

use automate_tests::both_databases;
use serde_json::Value;

use super::site::Site;

/// The document that is in the repository.
const COMMITTED: &str = include_str!("../../../docs/openapi.json");

#[test]
fn the_committed_document_is_what_is_served() {
    let document = automate_api::v1::document(&automate_api::v1::system_views()).to_pretty_json().unwrap() + "\n";
    if document != COMMITTED {
        let at = document.lines().zip(COMMITTED.lines()).position(|(is, was)| is != was);
        panic!(
            "docs/openapi.json is not what the program serves, from line {} on; \
             write it again with `automate openapi > docs/openapi.json`",
            at.map_or(0, |at| at + 1)
        );
    }
}

/// Every `$ref` of a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => drop(found.insert(text.clone())),
                    other => references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

both_databases! {
    async fn the_document_has_every_operation_and_no_loose_end(db: TestDatabase) {
        let site = Site::over(&db).await;
        let answer = site.ask("", "GET", "/api/v1/openapi.json").send().await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        for operation in site.views.operations() {
            let path = format!("/api/v1{}", operation.path);
            let described = &document["paths"][&path][operation.method.as_str().to_lowercase()];
            assert_eq!(described["operationId"].as_str(), Some(operation.id.as_str()), "{operation:?}");
            assert!(!described["summary"].as_str().unwrap_or_default().is_empty() || operation.tag == "books", "{operation:?}");
            assert!(described["responses"]["400"].is_object(), "{operation:?}");
            assert!(described["responses"]["401"].is_object(), "{operation:?}");
        }
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        let list = &document["paths"]["/api/v1/books"]["get"]["parameters"];
        let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
        for name in ["limit", "cursor", "offset", "ordering", "search", "author", "pages__gte"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
    }

    async fn the_docs_page_needs_no_script_and_nothing_from_elsewhere(db: TestDatabase) {
        let site = Site::over(&db).await;
        let page = site.ask("", "GET", "/api/docs").send().await;
        assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
        let policy = &page.headers["content-security-policy"];
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        let text = page.text.to_lowercase();
        for never in ["<script", "style=", "http://", "onclick", "@import"] {
            assert!(!text.contains(never), "{never}");
        }
        for operation in site.views.operations() {
            assert!(page.text.contains(&format!("id=\"{}\"", operation.id)), "{operation:?} is not on the page");
        }
        assert!(page.text.contains("curl"));
        let style = site.ask("", "GET", "/api/docs/style.css").send().await;
        assert_eq!((style.status, style.headers["content-type"].as_str()), (200, "text/css; charset=utf-8"));
        assert!(style.text.contains("prefers-color-scheme"));
    }
}
