//! A real service with effects that counts them by their `Idempotency-Key`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::sync::watch;

/// How long a held answer is held at most.
const HOLD: Duration = Duration::from_secs(120);
/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(200);

/// The service. `/charge` answers at once, `/slow` after 200 ms, `/hold` holds the answer to the
/// first call of every key until [`Effects::release`]. It lives for as long as its runtime.
#[derive(Debug, Clone)]
pub struct Effects {
    address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    calls: Mutex<BTreeMap<String, Vec<String>>>,
    released: watch::Sender<bool>,
}

impl Effects {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn start() -> Self {
        let inner = Arc::new(Inner { calls: Mutex::default(), released: watch::Sender::new(false) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/charge", post(charge))
            .route("/slow", post(slow))
            .route("/hold", post(hold))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, inner }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bodies that came with each key, in their order.
    ///
    /// # Panics
    /// Where a call panicked.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, Vec<String>> {
        self.inner.calls.lock().unwrap().clone()
    }

    /// How many calls came.
    #[must_use]
    pub fn count(&self) -> usize {
        self.calls().values().map(Vec::len).sum()
    }

    /// Gives the held answers.
    pub fn release(&self) {
        self.inner.released.send_replace(true);
    }
}

impl Inner {
    /// Takes note of a call; answers with its number for its key.
    fn note(&self, headers: &HeaderMap, body: &str) -> Result<usize, StatusCode> {
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).ok_or(StatusCode::BAD_REQUEST)?;
        let mut calls = self.calls.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let of_key = calls.entry(key.to_owned()).or_default();
        of_key.push(body.to_owned());
        Ok(of_key.len())
    }
}

async fn charge(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Result<String, StatusCode> {
    inner.note(&headers, &body)?;
    Ok(body)
}

async fn slow(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Result<String, StatusCode> {
    inner.note(&headers, &body)?;
    tokio::time::sleep(SLOW).await;
    Ok(body)
}

async fn hold(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Result<String, StatusCode> {
    let number = inner.note(&headers, &body)?;
    if number == 1 {
        let mut released = inner.released.subscribe();
        // Where nobody releases it the answer comes in the end all the same.
        let _ = tokio::time::timeout(HOLD, released.wait_for(|released| *released)).await;
        return Ok(format!("{body} late"));
    }
    Ok(body)
}
