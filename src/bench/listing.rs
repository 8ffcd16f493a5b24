//! Scenario (l): many clients on the list of executions over REST, each from page to page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use automate_core::access::{Actor, Principal};
use automate_core::audit::Origin;
use automate_core::ids::{TenantId, UserId};
use automate_governance::identity::{NewToken, NewUser};
use automate_store::resource::Writer;
use serde::{Deserialize, Serialize};

use super::latency::Latency;
use super::server::Server;
use super::{BenchError, gauge, per_second};
use crate::wire::Connection;

/// Clients at once.
pub(crate) const CLIENTS: usize = 50;
/// The lists that are asked for, with their names in the report.
const LISTS: [(&str, &str); 3] = [
    ("newest, from page to page", "/api/v1/executions?limit=50"),
    ("of one workflow", "/api/v1/executions?limit=50&workflow=bench-old"),
    ("failed ones", "/api/v1/executions?limit=50&status=failed"),
];

/// What a client needs of a page: whatever else it costs to read one is not what is measured.
#[derive(Deserialize)]
struct Page {
    next: Option<String>,
}

/// What one list took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ListResult {
    /// Which list.
    pub(crate) name: String,
    /// From request to answer.
    pub(crate) latency: Latency,
    /// Answers per second, of all clients together.
    pub(crate) per_second: f64,
}

/// What all lists took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ListingResult {
    /// Clients at once.
    pub(crate) clients: usize,
    /// Each list.
    pub(crate) queries: Vec<ListResult>,
    /// Resident memory of the server before.
    pub(crate) resident_before: Option<u64>,
    /// Resident memory of the server after.
    pub(crate) resident_after: Option<u64>,
}

/// Measures each list for `time`.
pub(crate) async fn run(server: &Server, time: Duration) -> Result<ListingResult, BenchError> {
    let token = token(server).await?;
    let resident_before = gauge::resident_bytes();
    let mut queries = Vec::new();
    for (name, path) in LISTS {
        queries.push(measure(server.address(), &token, name, path, time).await?);
    }
    Ok(ListingResult { clients: CLIENTS, queries, resident_before, resident_after: gauge::resident_bytes() })
}

async fn measure(
    address: SocketAddr,
    token: &Arc<str>,
    name: &str,
    path: &'static str,
    time: Duration,
) -> Result<ListResult, BenchError> {
    let begun = Instant::now();
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(address, Arc::clone(token), path, begun + time))).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.map_err(|e| BenchError::Load(format!("a client broke off: {e}")))??);
    }
    let per_second = per_second(times.len() as u64, begun.elapsed());
    Ok(ListResult { name: name.to_owned(), latency: Latency::of(times), per_second })
}

/// Walks from page to page, from the beginning again at the end of the list.
async fn client(
    address: SocketAddr,
    token: Arc<str>,
    path: &'static str,
    until: Instant,
) -> Result<Vec<u32>, BenchError> {
    let failed = |e: std::io::Error| BenchError::Load(format!("a list was not answered: {e}"));
    let mut connection = Connection::open(address).await.map_err(failed)?;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let (mut times, mut target) = (Vec::new(), path.to_owned());
    while Instant::now() < until {
        let asked = Instant::now();
        let answer = connection.get(&target, &headers).await.map_err(failed)?;
        times.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(BenchError::Load(format!("a list was answered with {}: {text}", answer.status)));
        }
        let page: Page = serde_json::from_slice(&answer.body).map_err(|e| BenchError::Load(e.to_string()))?;
        target = match page.next {
            Some(cursor) => format!("{path}&cursor={cursor}"),
            None => path.to_owned(),
        };
    }
    Ok(times)
}

/// A token that may read executions, without a limit that would be measured instead.
async fn token(server: &Server) -> Result<Arc<str>, BenchError> {
    let failed = |e: automate_governance::identity::IdentityError| BenchError::Load(format!("no token: {e}"));
    let identity = &server.parts().identity;
    let principal = Principal::operator(Actor::cli("bench"), TenantId::DEFAULT);
    let writer = Writer { principal, origin: Origin::default() };
    let user = NewUser {
        email: "bench@example.com".to_owned(),
        tenant: Some(TenantId::DEFAULT),
        permissions: vec!["executions.view_execution".to_owned()],
        ..NewUser::default()
    };
    let user = identity.create_user(writer.clone(), user).await.map_err(failed)?;
    let token = NewToken {
        name: "bench".to_owned(),
        user: UserId(user.id),
        tenant: None,
        scopes: vec!["executions:read".to_owned()],
        rate_per_minute: Some(1_000_000),
        expires_at: None,
    };
    Ok(Arc::from(identity.create_token(writer, token).await.map_err(failed)?.fresh.secret.as_str()))
}
