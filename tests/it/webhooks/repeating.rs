//! Deliveries that come more than once.

use std::collections::BTreeSet;
use std::sync::Arc;

use automate_core::document::definition::VerifyScheme;
use automate_tests::both_databases;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::site::{SECRET, Site, pairs, signed};

const BODY: &[u8] = br#"{"id": "evt_1", "event_id": "Ev1", "n": 42}"#;

both_databases! {
    async fn w8_a_delivery_that_comes_again_names_the_first(test: TestDatabase) {
        let site = Site::over(&test).await;
        for scheme in [VerifyScheme::Hmac, VerifyScheme::Standard, VerifyScheme::Stripe, VerifyScheme::Github, VerifyScheme::Slack] {
            site.listen_signed(scheme).await;
            let headers = signed(scheme, SECRET, "msg_1", 0, BODY);
            let first = site.post(scheme.as_str(), &headers, BODY).await;
            let again = site.post(scheme.as_str(), &headers, BODY).await;
            // Signed anew, as Stripe and Slack do when they repeat.
            let anew = site.post(scheme.as_str(), &signed(scheme, SECRET, "msg_1", -5, BODY), BODY).await;
            for repeated in [again, anew] {
                assert_eq!(repeated.status, 202, "{}", scheme.as_str());
                assert_eq!(repeated.json()["duplicate"], true, "{}: {repeated:?}", scheme.as_str());
                assert_eq!(repeated.execution(), first.execution());
                assert_eq!(repeated.json()["event_id"], first.json()["event_id"]);
            }
        }
        assert_eq!(site.executions().await, 5);
    }

    async fn w9_the_first_body_of_an_id_wins_and_the_inbox_says_so(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen_signed(VerifyScheme::Standard).await;
        let first = site.post_signed(VerifyScheme::Standard, "msg_1", BODY).await;
        let other = br#"{"n": 43}"#;
        let second = site.post_signed(VerifyScheme::Standard, "msg_1", other).await;
        assert_eq!((second.json()["duplicate"].as_bool(), second.execution()), (Some(true), first.execution()));
        assert_eq!(site.executions().await, 1);
        let rows = site.inbox(2).await;
        let conflict = rows.iter().find(|row| row.signature == "DELIVERY_CONFLICT").unwrap_or_else(|| panic!("{rows:?}"));
        assert_eq!(conflict.body.as_deref(), Some(&other[..]));
    }

    async fn unsigned_deliveries_are_told_apart_by_the_id_they_bring(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        let with_id = pairs(&[("idempotency-key", "order-1")]);
        let first = site.post("open-3fb1c9", &with_id, BODY).await;
        let again = site.post("open-3fb1c9", &with_id, BODY).await;
        assert_eq!((again.json()["duplicate"].as_bool(), again.execution()), (Some(true), first.execution()));
        let (one, two) = (site.post("open-3fb1c9", &[], BODY).await, site.post("open-3fb1c9", &[], BODY).await);
        assert_ne!(one.execution(), two.execution());
    }

    async fn an_unsigned_delivery_cannot_use_up_the_id_of_a_signed_one(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.publish("workflow: a\non: [{ webhook: both, verify: { scheme: stripe, secret: $secret:SIGNING } }]\nsteps: [{ id: s, set: { a: 1 } }]").await;
        site.publish("workflow: b\non: [{ webhook: both, verify: none }]\nsteps: [{ id: s, set: { a: 1 } }]").await;
        let forged = site.post("both", &pairs(&[("idempotency-key", "evt_1")]), BODY).await;
        assert_eq!(forged.json()["execution_ids"].as_array().map(Vec::len), Some(1), "only the unsigned one");
        let genuine = site.post("both", &signed(VerifyScheme::Stripe, SECRET, "", 0, BODY), BODY).await;
        assert_eq!(genuine.json()["duplicate"], false);
        assert_eq!(genuine.json()["execution_ids"].as_array().map(Vec::len), Some(2));
    }

    async fn w20_the_same_delivery_a_thousand_times_at_once_over_two_processes_runs_once(test: TestDatabase) {
        let sites = Arc::new([Site::over(&test).await, Site::over(&test).await]);
        sites[0].listen_signed(VerifyScheme::Standard).await;
        // The other process learns of a publication within a second.
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let headers = Arc::new(signed(VerifyScheme::Standard, SECRET, "msg_1", 0, BODY));
        let senders: Vec<_> = (0..50)
            .map(|n| {
                let (sites, headers) = (Arc::clone(&sites), Arc::clone(&headers));
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    for _ in 0..20 {
                        answers.push(sites[n % 2].post("standard", &headers, BODY).await);
                    }
                    answers
                })
            })
            .collect();
        let mut ids = BTreeSet::new();
        let mut firsts = 0;
        for sender in senders {
            for answer in sender.await.unwrap() {
                assert_eq!(answer.status, 202, "{answer:?}");
                ids.insert(answer.execution());
                firsts += usize::from(answer.json()["duplicate"] == false);
            }
        }
        assert_eq!((ids.len(), firsts, sites[0].executions().await), (1, 1, 1));
    }

    async fn g24_senders_that_hang_up_harm_nobody_and_lose_nothing_that_was_answered(test: TestDatabase) {
        let site = Arc::new(Site::over(&test).await);
        site.listen("open-3fb1c9", "none").await;
        let rude: Vec<_> = (0..200_u64)
            .map(|n| {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    let mut socket = TcpStream::connect(site.address).await.unwrap();
                    let request = "POST /hooks/default/open-3fb1c9 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
                    socket.write_all(request.as_bytes()).await.unwrap();
                    tokio::time::sleep(std::time::Duration::from_micros(n * 50)).await;
                    drop(socket);
                })
            })
            .collect();
        let mut answered = Vec::new();
        for _ in 0..100 {
            let answer = site.post("open-3fb1c9", &[], b"{}").await;
            assert_eq!(answer.status, 202, "{answer:?}");
            answered.push(answer.execution());
        }
        for sender in rude {
            sender.await.unwrap();
        }
        for id in answered {
            site.ended(&id).await;
        }
    }
}
