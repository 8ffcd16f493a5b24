//! Server-sent events.

use std::time::Duration;

use automate_tests::both_databases;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::site::Site;

/// A stream that stays open.
async fn open(site: &Site, who: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(site.address).await.unwrap();
    socket.write_all(&site.ask(who, "GET", "/api/v1/books/events?endless=true").bytes()).await.unwrap();
    let mut head = [0; 2_048];
    let read = socket.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    (socket, head)
}

both_databases! {
    async fn a_stream_goes_on_after_the_event_that_the_client_has_and_ends(db: TestDatabase) {
        let site = Site::over(&db).await;
        let ask = site.ask("admin", "GET", "/api/v1/books/events").header("last-event-id", "1");
        let answer = ask.send().await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/event-stream"));
        assert!(answer.text.contains("retry: 2000\n\n"), "{answer:?}");
        assert!(!answer.text.contains("id: 1\n"), "{answer:?}");
        assert!(answer.text.contains("id: 2\nevent: lent\ndata: {\"n\":2}\n\n"), "{answer:?}");
        assert!(answer.text.contains("id: 3\n"), "{answer:?}");
    }

    async fn r13_a_tenant_has_so_many_streams_and_a_closed_one_makes_place(db: TestDatabase) {
        let mut settings = Site::strict(1_000);
        settings.streams_per_tenant = 2;
        settings.heartbeat = Duration::from_millis(50);
        let site = Site::with(&db, settings).await;
        let (first, head) = open(&site, "admin").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let (mut second, _) = open(&site, "admin").await;
        let (_, refused) = open(&site, "admin").await;
        assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: "), "{refused}");
        let (_other, head) = open(&site, "other").await;
        assert!(head.starts_with("HTTP/1.1 200"), "another tenant has its own: {head}");
        let mut beat = vec![0; 4_096];
        let mut heard = String::new();
        while !heard.contains(": still here") {
            let read = second.read(&mut beat).await.unwrap();
            assert!(read > 0, "the stream ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&beat[..read]));
        }
        drop(first);
        for _ in 0..100 {
            let (_, head) = open(&site, "admin").await;
            if head.starts_with("HTTP/1.1 200") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a closed stream did not make place");
    }
}
