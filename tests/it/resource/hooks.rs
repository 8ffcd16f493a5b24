//! What happens around a change happens with it or not at all.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use automate_store::resource::{ResourceError, ResourceHooks, Row, Writer};
use automate_tests::both_databases;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::{Map, Value, json};

use super::bed::{BOOKS, Bed, id_of, map};

/// Stores a code made of the signature, keeps notes in the transaction, and refuses when told to.
#[derive(Default)]
struct Librarian {
    refuse: Mutex<&'static str>,
    seen: Mutex<Vec<String>>,
}

impl Librarian {
    async fn note(&self, txn: &DatabaseTransaction, at: &str, what: String) -> Result<(), ResourceError> {
        txn.execute_unprepared("INSERT INTO notes VALUES (1)").await.map_err(automate_store::error::store_error)?;
        self.seen.lock().unwrap().push(what);
        if *self.refuse.lock().unwrap() == at {
            return Err(ResourceError::Refused(format!("not {at}")));
        }
        Ok(())
    }
}

#[async_trait]
impl ResourceHooks for Librarian {
    async fn before_save(
        &self,
        txn: &DatabaseTransaction,
        _writer: &Writer,
        old: Option<&Row>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ResourceError> {
        if let Some(Value::String(signature)) = fields.remove("signature") {
            fields.insert("code".to_owned(), json!(format!("#{signature}")));
            // Nobody moves a row to another tenant, hooks included.
            fields.insert("tenant_id".to_owned(), json!(uuid::Uuid::nil().to_string()));
        }
        self.note(txn, "before", format!("before {} {}", old.is_some(), fields.contains_key("id"))).await
    }

    async fn after_save(
        &self,
        txn: &DatabaseTransaction,
        _writer: &Writer,
        old: Option<&Row>,
        new: &Row,
    ) -> Result<(), ResourceError> {
        let code = |row: &Row| row.fields["code"].to_string();
        self.note(txn, "after", format!("after {:?} {}", old.map(code), code(new))).await
    }

    async fn before_delete(
        &self,
        txn: &DatabaseTransaction,
        _writer: &Writer,
        _old: &Row,
    ) -> Result<(), ResourceError> {
        self.note(txn, "delete", "delete".to_owned()).await
    }
}

async fn notes(bed: &Bed) -> i64 {
    let orm = bed.resources.db().orm_reader();
    let statement = sea_orm::Statement::from_string(orm.get_database_backend(), "SELECT count(*) AS n FROM notes");
    orm.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

both_databases! {
    async fn hooks_complete_a_change_and_what_they_do_is_part_of_it(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.execute("CREATE TABLE notes (n integer)").await;
        let librarian = Arc::new(Librarian::default());
        let hooks: Arc<dyn ResourceHooks> = librarian.clone();
        let new = |slug: &str| map(json!({ "title": "B", "slug": slug, "pages": 1, "is_lent": false, "signature": "x" }));
        let book = bed.resources.create(&BOOKS, &bed.ours, &hooks, new("one")).await.unwrap();
        assert!(!book.fields.contains_key("code") && !book.fields.contains_key("signature"));
        assert_eq!(book.fields["tenant_id"], bed.ours.principal.tenant.unwrap().to_string());
        let fields = map(json!({ "signature": "y" }));
        let book = bed.resources.update(&BOOKS, &bed.ours, &hooks, id_of(&book), fields, None).await.unwrap();
        assert_eq!(book.version, Some(2));
        let seen = std::mem::take(&mut *librarian.seen.lock().unwrap());
        assert_eq!(
            seen,
            ["before false true", "after None \"#x\"", "before true false", "after Some(\"\\\"#x\\\"\") \"#y\""]
        );
        let entries = bed.entries().await;
        assert_eq!(entries[1].2, json!({ "code": { "from": "***", "to": "***" } }));

        let before = notes(&bed).await;
        for at in ["before", "after"] {
            *librarian.refuse.lock().unwrap() = at;
            let made = bed.resources.create(&BOOKS, &bed.ours, &hooks, new("two")).await;
            assert!(matches!(made, Err(ResourceError::Refused(_))));
            let fields = map(json!({ "title": "Other" }));
            let changed = bed.resources.update(&BOOKS, &bed.ours, &hooks, id_of(&book), fields, None).await;
            assert!(matches!(changed, Err(ResourceError::Refused(_))));
        }
        *librarian.refuse.lock().unwrap() = "delete";
        let deleted = bed.resources.delete(&BOOKS, &bed.ours, &hooks, id_of(&book), None).await;
        assert!(matches!(deleted, Err(ResourceError::Refused(_))));
        assert_eq!(notes(&bed).await, before, "a refusal takes everything back");
        assert_eq!(bed.entries().await.len(), entries.len());
        assert_eq!(bed.list(&[]).await.results.len(), 1);
        *librarian.refuse.lock().unwrap() = "";
        bed.resources.delete(&BOOKS, &bed.ours, &hooks, id_of(&book), None).await.unwrap();
        assert!(bed.list(&[]).await.results.is_empty());
    }

    async fn a_client_that_goes_away_leaves_a_change_whole_or_not_there(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for n in 0..30_u64 {
            let book = map(json!({ "title": "B", "slug": format!("s{n}"), "pages": 1, "is_lent": false }));
            let hooks = automate_store::resource::no_hooks();
            let making = bed.resources.create(&BOOKS, &bed.ours, &hooks, book);
            let _ = tokio::time::timeout(std::time::Duration::from_micros(n * 200), making).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let made = bed.list(&[("count", "true")]).await.count.unwrap();
        assert_eq!(bed.entries().await.len() as u64, made);
        assert!(bed.resources.audit().verify(None).await.unwrap().findings.is_empty());
        bed.book(json!({})).await;
    }
}
