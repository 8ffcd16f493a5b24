//! What a sender is told, and what operators can ask.

use std::time::{Duration, Instant};

use automate_core::runtime::Settings;
use automate_tests::both_databases;
use automate_tests::postgres::{PgServer, TestDatabase};
use serde_json::json;

use super::site::{Site, pairs};

both_databases! {
    async fn a_delivery_is_answered_after_its_commit_with_its_ids(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        let answer = site.post("open-3fb1c9", &pairs(&[("x-correlation-id", "mine-7")]), br#"{"n":1}"#).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.headers.get("x-correlation-id").map(String::as_str), Some("mine-7"));
        assert_eq!(answer.headers.get("cache-control").map(String::as_str), Some("no-store"));
        let record = site.ended(&answer.execution()).await;
        assert_eq!(record.correlation_id, "mine-7");
        assert_eq!(record.event_id.map(|id| id.to_string()).as_deref(), answer.json()["event_id"].as_str());
        let keys: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["event_id", "execution_ids", "duplicate"]);
    }

    async fn the_first_designs_address_is_an_alias(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("order.created", "none").await;
        let answer = site.post_to("/api/v1/webhooks/default/order.created", &[], b"{}").await;
        assert_eq!(answer.status, 202, "{answer:?}");
        site.ended(&answer.execution()).await;
        let unknown = site.post_to("/api/v1/webhooks/default/other", &[], b"{}").await;
        assert_eq!((unknown.status, unknown.code().as_str()), (401, "SIGNATURE_INVALID"));
    }

    async fn whoever_waits_gets_the_output_or_202_after_the_timeout(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        site.publish("workflow: slow\non: [{ webhook: slow, verify: none }]\nsteps: [{ id: w, wait: { for: 1h } }]").await;
        site.publish("workflow: bad\non: [{ webhook: bad, verify: none }]\nsteps: [{ id: f, fail: 'internal matters' }]").await;
        let answer = site.post_to("/hooks/default/open-3fb1c9?wait=true", &[], br#"{"n":1}"#).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((&answer.json()["status"], &answer.json()["output"]), (&json!("completed"), &json!({"n": 1})));
        let failed = site.post_to("/hooks/default/bad?wait=true", &[], b"{}").await;
        assert_eq!((failed.status, &failed.json()["status"]), (200, &json!("failed")));
        assert_eq!(failed.json()["error"], json!({"code": "FAILED"}), "the message is the operator's");
        let begun = Instant::now();
        let slow = site.post_to("/hooks/default/slow?wait=true&timeout=1", &[], b"{}").await;
        assert_eq!(slow.status, 202, "{slow:?}");
        assert!((1..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        assert!(!slow.json().as_object().unwrap().contains_key("status"));
        let refused = site.post_to("/hooks/default/slow?wait=perhaps", &[], b"{}").await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "INVALID_PARAMETER"));
    }

    async fn a22_health_says_ok_and_names_and_nothing_more(test: TestDatabase) {
        let site = Site::over(&test).await;
        assert_eq!(site.get("/healthz").await.json(), json!({"status": "ok"}));
        let ready = site.get("/readyz").await;
        assert_eq!(ready.status, 200, "{ready:?}");
        let expected = ["database", "migrations", "accepting"].map(|name| json!({"name": name, "status": "ok"}));
        assert_eq!(ready.json(), json!({"status": "ok", "checks": expected}));
        for path in ["/metrics", "/ext/observability/metrics"] {
            let metrics = site.get(path).await;
            assert_eq!(metrics.status, 200);
            for name in ["automate_database_up 1", "automate_outbox_items{state=\"ready\"} 0", "process_resident_memory_bytes "] {
                assert!(metrics.text.contains(name), "{name}: {}", metrics.text);
            }
            let proxied = site.request("GET", path, &pairs(&[("x-forwarded-for", "127.0.0.1")]), b"").await;
            assert_eq!((proxied.status, proxied.code().as_str()), (404, "NOT_FOUND"));
        }
    }

    async fn g17_a_full_queue_refuses_before_it_accepts(test: TestDatabase) {
        let settings = Settings { concurrency: 0, max_depth: 5, reap_interval: Duration::from_millis(100), ..Settings::default() };
        let site = Site::with(&test, settings).await;
        site.listen("open-3fb1c9", "none").await;
        let mut refused = None;
        for _ in 0..100 {
            let answer = site.post("open-3fb1c9", &[], b"{}").await;
            if answer.status != 202 {
                refused = Some(answer);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let refused = refused.expect("the queue is full at some time");
        assert_eq!((refused.status, refused.code().as_str()), (503, "OVERLOADED"));
        assert!(refused.headers.get("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g18_a_database_that_is_away_is_503_and_work_resumes_when_it_is_back() {
    if TestDatabase::postgres().await.is_none() {
        return;
    }
    let server = tokio::task::spawn_blocking(|| PgServer::private(false).unwrap()).await.unwrap();
    let server = std::sync::Arc::new(server);
    let test = TestDatabase::on(&server).await;
    let site = Site::over(&test).await;
    site.listen("open-3fb1c9", "none").await;
    assert_eq!(site.post("open-3fb1c9", &[], b"{}").await.status, 202);
    let stopping = std::sync::Arc::clone(&server);
    tokio::task::spawn_blocking(move || stopping.crash().unwrap()).await.unwrap();
    let begun = Instant::now();
    let away = site.post("open-3fb1c9", &[], b"{}").await;
    assert_eq!(away.status, 503, "{away:?}");
    assert!(away.headers.contains_key("retry-after"));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(site.get("/readyz").await.status, 503);
    assert_eq!(site.get("/healthz").await.status, 200, "the process itself is well");
    let starting = std::sync::Arc::clone(&server);
    tokio::task::spawn_blocking(move || starting.start().unwrap()).await.unwrap();
    let begun = Instant::now();
    loop {
        let answer = site.post("open-3fb1c9", &[], b"{}").await;
        if answer.status == 202 {
            site.ended(&answer.execution()).await;
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
