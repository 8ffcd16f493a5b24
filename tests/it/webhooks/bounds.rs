//! What is refused before it is understood.

use std::time::{Duration, Instant};

use automate_core::limits;
use automate_tests::both_databases;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::site::{Site, pairs};

both_databases! {
    async fn w12_w14_w16_bodies_that_are_not_taken_leave_nothing_but_a_line_in_the_inbox(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        let large = vec![b' '; limits::BODY_BYTES + 1];
        let answer = site.post("open-3fb1c9", &[], &large).await;
        assert_eq!((answer.status, answer.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
        assert_eq!(answer.headers.get("connection").map(String::as_str), Some("close"));
        let same = site.post("nobody-listens", &[], &large).await;
        assert_eq!((same.status, same.anonymous()), (413, answer.anonymous()));
        let gzip = site.post("open-3fb1c9", &pairs(&[("content-encoding", "gzip")]), b"\x1f\x8b").await;
        assert_eq!((gzip.status, gzip.code().as_str()), (415, "UNSUPPORTED_ENCODING"));
        for kind in ["multipart/form-data; boundary=x", "text/plain", "application/json; charset=utf-16"] {
            let answer = site.post("open-3fb1c9", &pairs(&[("content-type", kind)]), b"{}").await;
            assert_eq!((answer.status, answer.code().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{kind}");
        }
        assert_eq!(site.executions().await, 0);
        let rows = site.inbox(5).await;
        assert_eq!(rows.len(), 5);
        assert!(rows.iter().any(|row| row.signature == "PAYLOAD_TOO_LARGE" && row.http_status == 413));
    }

    async fn w10_delivery_ids_that_nobody_sends_in_good_faith_are_400_at_every_path(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        let long = "x".repeat(10 * 1024);
        for path in ["open-3fb1c9", "nobody-listens"] {
            for (name, id) in
                [("webhook-id", "a.b"), ("idempotency-key", long.as_str()), ("idempotency-key", "a b"), ("webhook-id", "é")]
            {
                let answer = site.post(path, &pairs(&[(name, id)]), b"{}").await;
                assert_eq!((answer.status, answer.code().as_str()), (400, "INVALID_DELIVERY_ID"), "{path} {name}");
            }
            let folded = format!("POST /hooks/default/{path} HTTP/1.1\r\nHost: a\r\nwebhook-id: a\r\n b\r\nContent-Length: 2\r\n\r\n{{}}");
            assert_eq!(site.raw(folded.as_bytes()).await.status, 400);
            let nul = format!("POST /hooks/default/{path} HTTP/1.1\r\nHost: a\r\nwebhook-id: a\0b\r\nContent-Length: 2\r\n\r\n{{}}");
            assert_eq!(site.raw(nul.as_bytes()).await.status, 400);
        }
        assert_eq!(site.executions().await, 0);
    }

    async fn w19_odd_methods_and_paths_get_405_404_and_414(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        for method in ["GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS"] {
            let answer = site.request(method, "/hooks/default/open-3fb1c9", &[], b"").await;
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.headers.get("allow").map(String::as_str), Some("POST"), "{method}");
        }
        for path in ["..%2fopen-3fb1c9", "a/../open-3fb1c9", "open-3fb1c9%00", "open-3fb1c9/", "%2e%2e/x", "a%0d%0aX:%20y"] {
            let answer = site.post(path, &[], b"{}").await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "NOT_FOUND"), "{path}");
        }
        let answer = site.post(&"x".repeat(8 * 1024), &[], b"{}").await;
        assert_eq!((answer.status, answer.code().as_str()), (414, "URI_TOO_LONG"));
        for path in ["/", "/.git/config", "/hooks", "/hooks/default", "/debug", "/api/v1/webhooks/default"] {
            assert_eq!(site.get(path).await.status, 404, "{path}");
        }
        // An encoded letter is the letter.
        assert_eq!(site.post("open%2D3fb1c9", &[], b"{}").await.status, 202);
        assert_eq!(site.executions().await, 1);
    }

    async fn w13_slow_senders_do_not_keep_others_waiting(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        let mut slow = Vec::new();
        for n in 0..300 {
            let mut socket = TcpStream::connect(site.address).await.unwrap();
            let head: &[u8] = match n % 3 {
                0 => b"",
                1 => b"POST /hooks/default/open-3fb1c9 HTTP/1.1\r\nHos",
                _ => b"POST /hooks/default/open-3fb1c9 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
            };
            socket.write_all(head).await.unwrap();
            slow.push(socket);
        }
        let mut times = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            assert_eq!(site.post("open-3fb1c9", &[], b"{}").await.status, 202);
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        assert!(times[48] < Duration::from_secs(2), "{:?}", times[48]);
        let begun = Instant::now();
        for mut socket in slow.into_iter().step_by(3).take(5) {
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    }
}
