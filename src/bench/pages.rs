//! Scenario (p): the pages of the admin over a large history, with one execution of thousands of
//! steps and one workflow whose graph has hundreds of nodes. One person opens one page after the other.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use automate_core::access::{Actor, Principal};
use automate_core::audit::Origin;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::runtime::StartRequest;
use automate_governance::identity::{Client, Credentials, LogIn, NewUser, Password};
use automate_store::resource::Writer;
use serde::Serialize;
use serde_json::{Value, json};

use super::BenchError;
use super::latency::Latency;
use super::server::Server;
use crate::wire::Connection;

/// Steps of the long execution.
const STEPS: usize = 5_000;
/// Nodes of the large graph.
const NODES: usize = 300;
/// How often each page is opened.
const TIMES: usize = 40;
/// How long the long execution may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Milliseconds within which 95 of 100 pages come.
pub(crate) const BUDGET_MS: f64 = 200.0;
/// Bytes of a page at most.
pub(crate) const BUDGET_BYTES: usize = 250_000;

/// What one page took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PageResult {
    /// Which page.
    pub(crate) name: String,
    /// From request to the last byte.
    pub(crate) latency: Latency,
    /// Bytes of the page.
    pub(crate) bytes: usize,
}

/// Opens each page [`TIMES`] times. What is beyond a budget is among the problems.
pub(crate) async fn run(server: &Server, problems: &mut Vec<String>) -> Result<Vec<PageResult>, BenchError> {
    let cookie = cookie(server).await?;
    server.publish(&wide()).await?;
    server.publish(&long()).await?;
    let small = execution(server, "bench-wide", json!({})).await?;
    let big = execution(server, "bench-long", json!({})).await?;
    let pages = [
        ("overview", "/admin/".to_owned()),
        ("executions", "/admin/executions/".to_owned()),
        ("failed executions", "/admin/executions/?q=state%3Afailed".to_owned()),
        ("executions of a workflow", "/admin/executions/?q=workflow%3Abench-old".to_owned()),
        ("an execution of 300 steps", format!("/admin/executions/{small}/")),
        ("its graph", format!("/admin/executions/{small}/?tab=graph")),
        ("an execution of 5,000 steps", format!("/admin/executions/{big}/")),
        ("dead letters", "/admin/dead/".to_owned()),
        ("outbox", "/admin/outbox/".to_owned()),
        ("workers", "/admin/workers/".to_owned()),
        ("webhook inbox", "/admin/webhooks/".to_owned()),
        ("workflows", "/admin/workflows/".to_owned()),
        ("a workflow of 300 steps", "/admin/workflows/bench-wide/".to_owned()),
        ("audit log", "/admin/audit/".to_owned()),
        ("generated list of executions", "/admin/executions/execution/".to_owned()),
        ("generated list of failed ones", "/admin/executions/execution/?status=failed".to_owned()),
        ("generated list with counts", "/admin/executions/execution/?facets=1".to_owned()),
    ];
    let mut results = Vec::new();
    for (name, path) in pages {
        let result = measure(server, &cookie, name, &path).await?;
        if result.latency.p95_ms > BUDGET_MS {
            problems
                .push(format!("page “{name}”: {:.0} ms at the 95th of 100, not {BUDGET_MS}", result.latency.p95_ms));
        }
        if result.bytes > BUDGET_BYTES {
            problems.push(format!("page “{name}”: {} bytes, not {BUDGET_BYTES}", result.bytes));
        }
        results.push(result);
    }
    Ok(results)
}

async fn measure(server: &Server, cookie: &str, name: &str, path: &str) -> Result<PageResult, BenchError> {
    let failed = |e: std::io::Error| BenchError::Load(format!("{path} was not answered: {e}"));
    let mut connection = Connection::open(server.address()).await.map_err(failed)?;
    let (mut times, mut bytes) = (Vec::new(), 0);
    // The first one prepares statements.
    for n in 0..=TIMES {
        let asked = Instant::now();
        let answer = connection.get(path, &[("cookie", cookie)]).await.map_err(failed)?;
        if n > 0 {
            times.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        if answer.status != 200 {
            return Err(BenchError::Load(format!("{path} was answered with {}", answer.status)));
        }
        bytes = answer.body.len();
    }
    Ok(PageResult { name: name.to_owned(), latency: Latency::of(times), bytes })
}

async fn execution(server: &Server, workflow: &str, input: Value) -> Result<ExecutionId, BenchError> {
    let failed = |e: &dyn std::fmt::Display| BenchError::Load(format!("{workflow} did not run: {e}"));
    let engine = &server.parts().engine;
    let request = StartRequest {
        tenant_id: TenantId::DEFAULT,
        workflow: workflow.to_owned(),
        version: None,
        input: Some(input),
        source: "bench".to_owned(),
        correlation_id: "bench".to_owned(),
        run_here: true,
    };
    let id = engine.start(request).await.map_err(|e| failed(&e))?;
    let ended = engine.wait_until_ended(TenantId::DEFAULT, id, PATIENCE).await.map_err(|e| failed(&e))?;
    ended.map(|_| id).ok_or_else(|| failed(&"it has not ended"))
}

/// A superuser's session.
async fn cookie(server: &Server) -> Result<String, BenchError> {
    let failed = |e: &dyn std::fmt::Display| BenchError::Load(format!("no session: {e}"));
    let identity = &server.parts().identity;
    let principal = Principal::operator(Actor::cli("bench"), TenantId::DEFAULT);
    let password = automate_core::ids::new_v7().to_string();
    let email = "pages@example.com".to_owned();
    let user = NewUser {
        email: email.clone(),
        password: Some(Password::new(password.clone())),
        tenant: Some(TenantId::DEFAULT),
        is_staff: true,
        is_superuser: true,
        ..NewUser::default()
    };
    identity.create_user(Writer { principal, origin: Origin::default() }, user).await.map_err(|e| failed(&e))?;
    let credentials = Credentials { email, password: Password::new(password), code: None, next: None };
    let client = Client { address: server.address().ip(), origin: Origin::default() };
    match identity.log_in(credentials, &client, None).await.map_err(|e| failed(&e))? {
        LogIn::Done(done) => {
            let cookie = done.session.set_cookie.split(';').next().unwrap_or_default();
            Ok(cookie.to_owned())
        }
        LogIn::SecondFactor { .. } => Err(failed(&"a second factor is asked for")),
    }
}

/// A document with [`NODES`] steps in layers of ten, each needing two of the layer above.
fn wide() -> String {
    let mut document = "workflow: bench-wide\ntitle: Three hundred steps\non: [{ manual: true }]\nsteps:\n".to_owned();
    for n in 0..NODES {
        let needs = match n.checked_sub(10) {
            Some(above) if n % 10 < 9 => format!(", needs: [s{above}, s{}]", above + 1),
            Some(above) => format!(", needs: [s{above}]"),
            None => ", needs: []".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(document, "  - {{ id: s{n}, uses: data.transform, with: {{ value: {n} }}{needs} }}");
    }
    document
}

/// A document of [`STEPS`] steps, one after the other.
fn long() -> String {
    let mut document = "workflow: bench-long\ntitle: Thousands of steps\non: [{ manual: true }]\nsteps:\n".to_owned();
    for n in 0..STEPS {
        // Writing to a string does not fail.
        let _ = writeln!(document, "  - {{ id: s{n}, uses: data.transform, with: {{ value: {n} }} }}");
    }
    document
}
