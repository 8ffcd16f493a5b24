//! What a declaration takes from an entity.

use automate_store::resource::{ColumnKind, NoHooks, Row};
use serde_json::json;

use super::bed::{BOOKS, BRANCHES, map, somebody};

#[test]
fn a_model_is_declared_from_what_its_entity_is() {
    let kinds: Vec<(&str, ColumnKind, u32)> =
        BOOKS.columns.iter().map(|column| (column.name, column.kind, column.bits)).collect();
    assert_eq!(kinds[0], ("id", ColumnKind::Uuid, 64));
    assert!(kinds.contains(&("pages", ColumnKind::Integer, 32)));
    assert!(kinds.contains(&("size", ColumnKind::Integer, 64)));
    assert!(kinds.contains(&("meta", ColumnKind::Json, 64)));
    assert!(kinds.contains(&("cover", ColumnKind::Bytes, 64)));
    assert!(kinds.contains(&("lent_at", ColumnKind::Time, 64)));
    assert_eq!((BOOKS.key, BOOKS.tenant, BOOKS.version), ("id", Some("tenant_id"), Some("row_version")));
    assert_eq!((BRANCHES.tenant, BRANCHES.version), (None, None));
    assert_eq!(BOOKS.permission_for("change"), "library.change_book");
}

#[test]
fn a_row_is_shown_without_hidden_fields_and_without_what_takes_a_permission() {
    let row = Row { fields: map(json!({ "id": "x", "code": "c", "body": "b", "shelf": {"id": 1} })), version: None };
    let shown = row.shown(&BOOKS, &somebody(None, &[]).principal);
    assert_eq!(json!(shown), json!({ "id": "x", "body": null, "shelf": {"id": 1} }));
    let shown = row.shown(&BOOKS, &somebody(None, &["library.read_body"]).principal);
    assert_eq!(json!(shown), json!({ "id": "x", "body": "b", "shelf": {"id": 1} }));
    let _ = NoHooks;
}
