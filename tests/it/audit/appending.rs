//! Appending: in one chain, with what it tells of or not at all.

use std::time::Instant;

use automate_core::audit::AuditEntry;
use automate_core::ids::TenantId;
use automate_core::store::StoreError;
use automate_store::audit::AuditLog;
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Bed, entry, key};

both_databases! {
    async fn fifty_tasks_of_two_processes_make_one_whole_chain(test: TestDatabase) {
        let log = AuditLog::new(test.db.clone(), vec![key("k1", 1)]).unwrap();
        let second = test.open_again().await;
        let other = AuditLog::new(second.clone(), vec![key("k1", 1)]).unwrap();
        let tenant = TenantId::new();
        let begun = Instant::now();
        let tasks: Vec<_> = (0..50)
            .map(|task| {
                let log = if task % 2 == 0 { log.clone() } else { other.clone() };
                tokio::spawn(async move {
                    for n in 0..4 {
                        // The first entries of a chain are the ones that could be made twice.
                        while let Err(error) = log.record(vec![entry(tenant, task * 10 + n)]).await {
                            assert!(matches!(error, StoreError::Busy(_) | StoreError::Unavailable(_)), "{error}");
                        }
                    }
                })
            })
            .collect();
        // Whoever checks meanwhile finds nothing: what comes in is not what was put in.
        while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
            let found = log.verify(Some(tenant)).await.unwrap().findings;
            assert!(found.is_empty(), "{found:?}");
        }
        for task in tasks {
            task.await.unwrap();
        }
        let rate = 200.0 / begun.elapsed().as_secs_f64();
        println!("{:?}: {rate:.0} entries a second from 50 tasks on one chain", test.db.backend());
        let report = log.verify(None).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!((report.entries, report.heads[0].seq), (200, 200));
        second.close().await;
    }

    async fn a_transaction_that_is_given_up_leaves_neither_an_entry_nor_a_gap(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for commit in [false, true, false, true] {
            let txn = test.db.begin().await.unwrap();
            bed.log.append(&txn, entry(bed.tenant, 100)).await.unwrap();
            bed.log.append(&txn, entry(bed.tenant, 101)).await.unwrap();
            if commit {
                txn.commit().await.unwrap();
            } else {
                drop(txn);
            }
        }
        let report = bed.log.verify(Some(bed.tenant)).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!(report.entries, 14);
    }

    async fn the_first_entry_of_a_chain_may_be_given_up_too(test: TestDatabase) {
        let log = AuditLog::new(test.db.clone(), vec![key("k1", 1)]).unwrap();
        let tenant = TenantId::new();
        let txn = test.db.begin().await.unwrap();
        log.append(&txn, entry(tenant, 0)).await.unwrap();
        txn.rollback().await.unwrap();
        assert!(log.verify(None).await.unwrap().heads.is_empty());
        log.record(vec![entry(tenant, 0)]).await.unwrap();
        assert_eq!(log.verify(None).await.unwrap().heads[0].seq, 1);
    }

    async fn whatever_an_entry_holds_is_hashed_as_it_is_read_back(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let nasty = "quote \" backslash \\u0000 nul \u{0} newline \n emoji 🦀 ";
        let odd = AuditEntry {
            changes: json!({ nasty: { "from": nasty, "to": ["\\u0000", null, 1e300, i64::MAX] } }),
            object_id: nasty.repeat(100),
            ..entry(bed.tenant, 0).about(nasty, nasty)
        };
        let long = entry(bed.tenant, 1).with(json!({ "long": "x".repeat(200_000) }));
        bed.log.record(vec![odd, long]).await.unwrap();
        assert!(bed.findings().await.is_empty());
        let rows = bed.rows().await;
        let changes: serde_json::Value = serde_json::from_str(&rows[10].changes).unwrap();
        assert_eq!(changes[nasty]["to"][0], "\\u0000", "what is stored is still JSON, and the same");
        assert!(rows[11].changes.len() < 100 && rows[11].changes.contains("200"), "said to be cut");
        assert_eq!(rows[10].object_id.chars().count(), 512);
    }

    async fn a_long_chain_is_followed_page_by_page(test: TestDatabase) {
        let log = AuditLog::new(test.db.clone(), vec![key("k1", 1)]).unwrap();
        let tenant = TenantId::new();
        let begun = Instant::now();
        for _ in 0..25 {
            log.record((0..100).map(|n| entry(tenant, n)).collect()).await.unwrap();
        }
        println!("{:?}: {:.0} entries a second in transactions of 100", test.db.backend(), 2_500.0 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let report = log.verify(None).await.unwrap();
        println!("{:?}: {:.0} entries a second verified", test.db.backend(), 2_500.0 / begun.elapsed().as_secs_f64());
        assert_eq!((report.entries, report.findings.len()), (2_500, 0));
    }
}
