//! Whatever somebody does to the tables is named.

use automate_core::ids::TenantId;
use automate_store::audit::{AuditLog, AuditTrouble};
use automate_store::db::Backend;
use automate_tests::both_databases;

use super::bed::{Bed, entry, key};

use AuditTrouble::{Altered, Forged, Inserted, Missing, NoEnd};

/// Puts a copy of an entry at another place.
const COPY: &str =
    "INSERT INTO audit_log SELECT $2, tenant_id, $3, at, actor_kind, actor_id, actor, action, object_type,
    object_id, outcome, changes, correlation_id, address, agent, hash FROM audit_log WHERE tenant_id = $1 AND seq = 5";

both_databases! {
    async fn a_log_that_nobody_touched_is_whole(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let report = bed.log.verify(None).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!((report.entries, report.heads.len()), (20, 2));
        assert!(report.heads.iter().all(|head| head.seq == 10));
        assert_eq!(bed.log.verify(Some(bed.tenant)).await.unwrap().entries, 10);
        assert_eq!(bed.log.verify(Some(TenantId::new())).await.unwrap().entries, 0);
    }

    async fn entries_can_neither_be_changed_nor_deleted_in_the_ordinary_way(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut statements = vec![
            "UPDATE audit_log SET actor = 'somebody else'",
            "UPDATE audit_log SET actor = actor WHERE seq = 3",
            "DELETE FROM audit_log",
            "DELETE FROM audit_log WHERE seq = 10",
        ];
        if test.db.backend() == Backend::Postgres {
            statements.push("TRUNCATE audit_log");
            statements.push("TRUNCATE audit_log CASCADE");
        }
        for statement in statements {
            let error = bed.execute(statement).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{statement}: {error}");
        }
        assert!(bed.findings().await.is_empty());
    }

    async fn an_altered_entry_is_named_whichever_field_it_is(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        for (column, value) in [
            ("at", "'2020-01-01T00:00:00+00:00'"),
            ("actor_kind", "'system'"),
            ("actor_id", "'u2'"),
            ("actor", "'mallory@example.com'"),
            ("action", "'book.view'"),
            ("object_type", "'user'"),
            ("object_id", "'7'"),
            ("outcome", "'refused'"),
            ("changes", "'{}'"),
            ("correlation_id", "'d'"),
            ("address", "'::2'"),
            ("agent", "''"),
        ] {
            bed.ours("CREATE TABLE kept AS SELECT * FROM audit_log WHERE tenant_id = $1", vec![]).await;
            bed.ours(&format!("UPDATE audit_log SET {column} = {value} WHERE tenant_id = $1 AND seq = 4"), vec![]).await;
            assert_eq!(bed.findings().await, [(Altered, 4)], "{column}");
            bed.ours("DELETE FROM audit_log WHERE tenant_id = $1", vec![]).await;
            bed.execute("INSERT INTO audit_log SELECT * FROM kept").await.unwrap();
            bed.execute("DROP TABLE kept").await.unwrap();
            assert!(bed.findings().await.is_empty(), "put back");
        }
    }

    async fn an_altered_entry_with_hashes_to_match_is_named_at_the_end(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        bed.ours("UPDATE audit_log SET actor = 'x' WHERE tenant_id = $1 AND seq = 4", vec![]).await;
        bed.rehash().await;
        assert_eq!(bed.findings().await, [(Altered, 10)]);
    }

    async fn entries_that_were_taken_out_are_named(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        bed.ours("DELETE FROM audit_log WHERE tenant_id = $1 AND seq IN (1, 4, 5)", vec![]).await;
        assert_eq!(bed.findings().await, [(Missing, 1), (Missing, 4)]);
        bed.ours("DELETE FROM audit_log WHERE tenant_id = $1 AND seq > 7", vec![]).await;
        assert_eq!(bed.findings().await, [(Missing, 1), (Missing, 4), (Missing, 8)]);
        let report = bed.log.verify(None).await.unwrap();
        assert_eq!(report.findings[1].message, "entries 4 to 5 are missing here");
    }

    async fn entries_that_were_taken_out_and_closed_up_are_named(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        bed.ours("DELETE FROM audit_log WHERE tenant_id = $1 AND seq = 4", vec![]).await;
        for seq in 5..=10 {
            bed.ours("UPDATE audit_log SET seq = $2 - 1 WHERE tenant_id = $1 AND seq = $2", vec![i64::from(seq).into()]).await;
        }
        let found = bed.findings().await;
        assert_eq!((found[0], found.last()), ((Altered, 4), Some(&(Missing, 10))));
        bed.rehash().await;
        assert_eq!(bed.findings().await, [(Missing, 10)]);
    }

    async fn two_entries_that_changed_places_are_named(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        for (from, to) in [(4_i64, 999_i64), (5, 4), (999, 5)] {
            let sql = "UPDATE audit_log SET seq = $3 WHERE tenant_id = $1 AND seq = $2";
            bed.ours(sql, vec![from.into(), to.into()]).await;
        }
        let found = bed.findings().await;
        assert_eq!(found[..2], [(Altered, 4), (Altered, 5)]);
    }

    async fn an_entry_that_was_put_in_is_named_wherever_it_is(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        for place in [11_i64, 0, -7] {
            let id = uuid::Uuid::new_v4();
            bed.ours(COPY, vec![id.into(), place.into()]).await;
            let found = bed.findings().await;
            // Behind the end it does not follow from the last one either.
            assert!(found.contains(&(Inserted, place)), "{place}: {found:?}");
            bed.ours("DELETE FROM audit_log WHERE tenant_id = $1 AND id = $2", vec![id.into()]).await;
        }
        // In the middle, with a place made for it.
        for seq in (5..=10).rev() {
            bed.ours("UPDATE audit_log SET seq = $2 + 1 WHERE tenant_id = $1 AND seq = $2", vec![i64::from(seq).into()]).await;
        }
        let copy = COPY.replace("seq = 5", "seq = 4");
        bed.ours(&copy, vec![uuid::Uuid::new_v4().into(), 5_i64.into()]).await;
        assert!(bed.findings().await.contains(&(Altered, 5)));
        bed.rehash().await;
        assert_eq!(bed.findings().await, [(Inserted, 11)]);
        // Beside another one.
        bed.execute("DROP INDEX audit_log_seq").await.unwrap();
        bed.ours(&copy, vec![uuid::Uuid::new_v4().into(), 2_i64.into()]).await;
        assert!(bed.findings().await.iter().any(|found| matches!(found, (Inserted | Altered, 2))));
    }

    async fn an_empty_log_whose_end_says_otherwise_is_named(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        bed.ours("DELETE FROM audit_log WHERE tenant_id = $1", vec![]).await;
        assert_eq!(bed.findings().await, [(Missing, 1)]);
    }

    async fn a_forged_end_is_named(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        bed.ours("DELETE FROM audit_log WHERE tenant_id = $1 AND seq > 7", vec![]).await;
        let last = bed.rehash().await;
        let sql = "UPDATE audit_heads SET seq = 7, hash = $2 WHERE tenant_id = $1";
        bed.ours(sql, vec![last.to_vec().into()]).await;
        assert_eq!(bed.findings().await, [(Forged, 7)], "the code is of the old end");
        bed.ours("UPDATE audit_heads SET mac = $2 WHERE tenant_id = $1", vec![vec![0_u8; 32].into()]).await;
        assert_eq!(bed.findings().await, [(Forged, 7)]);
        bed.ours("UPDATE audit_heads SET mac = $2 WHERE tenant_id = $1", vec![Vec::<u8>::new().into()]).await;
        assert_eq!(bed.findings().await, [(Forged, 7)]);
    }

    async fn another_tenants_end_is_none(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        for column in ["seq", "hash", "mac"] {
            let sql = format!("UPDATE audit_heads SET {column} = (SELECT {column} FROM audit_heads WHERE tenant_id = $2) WHERE tenant_id = $1");
            bed.ours(&sql, vec![bed.other.0.into()]).await;
        }
        assert_eq!(bed.findings().await, [(Forged, 10)]);
    }

    async fn an_end_that_is_gone_is_named(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        bed.ours("DELETE FROM audit_heads WHERE tenant_id = $1", vec![]).await;
        assert_eq!(bed.findings().await, [(NoEnd, 10)]);
    }

    async fn an_end_of_a_key_that_we_lack_is_named(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let stranger = AuditLog::new(test.db.clone(), vec![key("k9", 9)]).unwrap();
        let found = stranger.verify(Some(bed.tenant)).await.unwrap().findings;
        assert_eq!((found.len(), found[0].trouble), (1, NoEnd));
        // The same name and another key.
        let stranger = AuditLog::new(test.db.clone(), vec![key("k1", 9)]).unwrap();
        assert_eq!(stranger.verify(Some(bed.tenant)).await.unwrap().findings[0].trouble, Forged);
    }

    async fn an_entry_that_cannot_even_be_read_is_a_finding_and_no_error(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        if test.db.backend() == Backend::Postgres {
            // Its types let nothing else in.
            return;
        }
        bed.ours("UPDATE audit_log SET at = 'yesterday' WHERE tenant_id = $1 AND seq = 4", vec![]).await;
        assert_eq!(bed.findings().await[0], (Altered, 4));
        bed.ours("UPDATE audit_log SET seq = 'nowhere' WHERE tenant_id = $1 AND seq = 10", vec![]).await;
        let found = bed.findings().await;
        assert!(found.contains(&(Altered, 10)) && found.contains(&(Missing, 10)), "{found:?}");
    }

    async fn a_log_that_was_put_back_as_a_whole_is_known_by_a_noted_end(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let heads = bed.log.verify(Some(bed.tenant)).await.unwrap().heads;
        assert!(bed.log.contains(heads[0].seq, &heads[0].hash).await.unwrap());
        assert!(!bed.log.contains(heads[0].seq + 1, &heads[0].hash).await.unwrap());
        assert!(!bed.log.contains(heads[0].seq, "no hex").await.unwrap());
    }

    async fn a_new_key_signs_the_ends_that_an_old_one_verifies(test: TestDatabase) {
        let bed = Bed::without_triggers(&test).await;
        let sql = "UPDATE audit_heads SET mac = $2 WHERE tenant_id = $1";
        let both = AuditLog::new(test.db.clone(), vec![key("k2", 2), key("k1", 1)]).unwrap();
        assert!(both.verify(None).await.unwrap().findings.is_empty(), "before it signed anything");
        assert_eq!(both.resign().await.unwrap(), 2);
        assert_eq!(both.resign().await.unwrap(), 0);
        let new = AuditLog::new(test.db.clone(), vec![key("k2", 2)]).unwrap();
        assert!(new.verify(None).await.unwrap().findings.is_empty(), "the old key can go");
        new.record(vec![entry(bed.tenant, 10)]).await.unwrap();
        assert!(new.verify(None).await.unwrap().findings.is_empty());
        // A forged end is not made genuine.
        bed.ours(sql, vec![vec![0_u8; 32].into()]).await;
        let third = AuditLog::new(test.db.clone(), vec![key("k3", 3), key("k2", 2)]).unwrap();
        assert_eq!(third.resign().await.unwrap(), 1);
        let found = third.verify(None).await.unwrap().findings;
        assert_eq!((found.len(), found[0].trouble, found[0].tenant), (1, Forged, bed.tenant));
    }
}
