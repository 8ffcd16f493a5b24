//! The guard of outgoing calls against real servers.

mod http2;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use automate_connectors::base::http::{HttpClient as _, HttpError, HttpRequest};
use automate_governance::egress::{AddressPolicy, GuardedClient, NameLookup};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

/// Answers every request with its own name, on connections that stay; the port and how many
/// connections there were.
async fn server(name: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                // Requests are small: each comes in one piece.
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (port, connections)
}

/// Answers that a name gives in turn; the last one stays.
struct Turns(Mutex<Vec<IpAddr>>);

#[async_trait]
impl NameLookup for Turns {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().unwrap();
        Ok(vec![if answers.len() > 1 { answers.remove(0) } else { answers[0] }])
    }
}

async fn text(client: &GuardedClient, url: &str) -> Result<String, HttpError> {
    let request = HttpRequest::new(Method::GET, Url::parse(url).unwrap());
    client.send(request).await.map(|response| String::from_utf8_lossy(&response.body).into_owned())
}

#[tokio::test]
async fn o7_an_address_without_a_name_and_a_connection_that_is_there_are_checked_all_the_same() {
    let ((ours, our_connections), (theirs, their_connections)) = (server("ours").await, server("theirs").await);
    let policy = || AddressPolicy::new(vec![format!("127.0.0.1:{ours}").parse().unwrap()]);
    // An address goes past every resolver.
    let client = GuardedClient::new(policy()).unwrap();
    assert_eq!(text(&client, &format!("http://127.0.0.1:{ours}/")).await.unwrap(), "ours");
    for denied in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "127.1"] {
        let refused = text(&client, &format!("http://{denied}:{theirs}/")).await;
        assert!(matches!(refused, Err(HttpError::Denied { .. })), "{denied}: {refused:?}");
    }
    // A connection that is there leads to the address that was checked, whatever the name says by now.
    let names = Turns(Mutex::new(vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()]));
    let client = GuardedClient::with_lookup(policy(), Arc::new(names)).unwrap();
    for _ in 0..2 {
        assert_eq!(text(&client, &format!("http://x.example:{ours}/")).await.unwrap(), "ours");
    }
    assert_eq!(our_connections.load(Ordering::SeqCst), 2, "one of each client");
    // Another port of the same host has neither the connection nor the right.
    assert!(text(&client, &format!("http://x.example:{theirs}/")).await.is_err());
    assert_eq!(their_connections.load(Ordering::SeqCst), 0);
}
