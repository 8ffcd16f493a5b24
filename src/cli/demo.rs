//! `automate demo`: the main job in one command, told as a story.

mod upstream;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use automate_core::config::{AllowRule, Config};
use automate_core::ids::ExecutionId;
use automate_core::secrets::SecretValue;
use automate_core::signals::Signal;
use automate_core::status::ExecutionStatus;
use base64::Engine as _;
use clap::Args;
use serde_json::Value;

use super::serve::Shutdown;
use super::timeline::Story;
use super::{CliError, Context, TENANT, output};
use crate::app::{Parts, Role};
use crate::wire::Connection;
use upstream::Upstream;

const ORDER: &str = include_str!("../../examples/workflows/demo-order.yaml");
const HELLO: &str = include_str!("../../examples/workflows/demo-hello.yaml");
const PAYLOAD: &str = r#"{"id":"A-1042","customer":"C-7","total":249.5,"lines":[{"sku":"TEA-1","quantity":3}]}"#;
/// How long the first execution may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keeps what it makes in the configured database [default: a temporary one]
    #[arg(long)]
    keep: bool,
    /// Ends after the first execution instead of staying up
    #[arg(long)]
    once: bool,
}

/// The folder of a demo that is not kept; removed when it goes.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary folder.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Shows the main job.
pub(crate) async fn run(context: Context, args: DemoArgs) -> Result<(), CliError> {
    let shutdown = Shutdown::listen()?;
    let io = |what: &'static str| move |e: std::io::Error| CliError::failed(format!("{what}: {e}"));
    let crm = Upstream::begin().await.map_err(io("cannot start the demo's small server"))?;
    let (mut config, folder) = configuration(&context, args.keep)?;
    // The guard refuses this machine's own addresses; the demo's server is let through, here only.
    config.egress.allow.push(
        format!("127.0.0.1:{}", crm.address.port())
            .parse::<AllowRule>()
            .map_err(|e| CliError::failed(e.to_string()))?,
    );
    config.secrets.backends = vec!["database".to_owned()];

    output::line("Automate demo: an order from a shop becomes a finished execution.\n");
    let parts = context.app.build(&config, Role::Worker).await?;
    let kept = if args.keep { "kept" } else { "temporary" };
    output::line(format!("  database   {} ({kept})", parts.database_shown));

    let signing = random_secret();
    let secrets = [("DEMO_WEBHOOK_SECRET", signing.clone()), ("DEMO_CRM_TOKEN", random_secret())];
    for (key, value) in secrets {
        parts.stored_secrets.set(TENANT, key, &SecretValue::new(value)).await?;
    }
    output::line("  secrets    DEMO_WEBHOOK_SECRET, DEMO_CRM_TOKEN (random, stored encrypted)");

    let hello = format!("hello-{}", automate_core::ids::new_v7().simple());
    for document in [
        ORDER.replace("http://demo-crm.invalid", &format!("http://{}", crm.address)),
        HELLO.replace("hello-path", &hello),
    ] {
        parts.engine.publish(TENANT, &document, "demo", "the demo").await?;
    }
    output::line("  workflows  demo-order (5 steps with a branch), demo-hello (2 steps)");
    output::line(format!(
        "  a CRM      http://{} (a small server of the demo; its first answer is a 503, on purpose)",
        crm.address
    ));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(io("cannot listen on a free port"))?;
    let address = listener.local_addr().map_err(io("cannot listen on a free port"))?;
    let server = {
        let (parts, config, token) = (parts.clone(), config.clone(), shutdown.token.clone());
        tokio::spawn(async move { parts.serve(listener, &config, Role::Worker, token).await })
    };
    output::line(format!("  server     http://{address}\n"));

    let told = tell(&parts, address, &signing).await;
    if told.is_ok() && !args.once {
        let admin = admin_address(&parts, address).await?;
        say_what_next(&parts, address, &admin, &hello, args.keep);
        shutdown.token.cancelled().await;
        output::line("\nstopping");
    }
    shutdown.token.cancel();
    // The server's own end is of no interest any more.
    drop(server.await);
    parts.close().await;
    drop(folder);
    told
}

/// Its own configuration in a temporary folder, or the operator's.
fn configuration(context: &Context, keep: bool) -> Result<(Config, Option<Folder>), CliError> {
    if keep {
        return Ok((context.loaded.config.clone(), None));
    }
    let path = std::env::temp_dir().join(format!("automate-demo-{}", automate_core::ids::new_v7().simple()));
    std::fs::create_dir_all(&path).map_err(|e| CliError::failed(format!("cannot make {}: {e}", path.display())))?;
    let mut config = Config::default();
    config.log = context.config().log.clone();
    config.database.url = format!("sqlite://{}", path.join("automate.db").display());
    config.data_dir = path.clone();
    Ok((config, Some(Folder(path))))
}

/// Sends the webhook and prints what became of it.
async fn tell(parts: &Parts, address: std::net::SocketAddr, signing: &str) -> Result<(), CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::failed(format!("the demo's webhook was not accepted: {e}"));
    let now = automate_core::clock::now();
    let id = format!("msg_{}", automate_core::ids::new_v7().simple());
    let signature =
        automate_connectors::verify::sign_standard(signing, &id, now, PAYLOAD.as_bytes()).map_err(|e| failed(&e))?;
    let timestamp = now.timestamp().to_string();
    let headers = [("webhook-id", id.as_str()), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)];
    output::line(format!(
        "The shop sends a signed webhook (Standard Webhooks):\n  POST /hooks/default/orders {PAYLOAD}"
    ));
    let begun = Instant::now();
    let mut connection = Connection::open(address).await.map_err(|e| failed(&e))?;
    let answer =
        connection.post("/hooks/default/orders", &headers, PAYLOAD.as_bytes()).await.map_err(|e| failed(&e))?;
    let took = output::length(begun.elapsed());
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status != 202 {
        return Err(failed(&format!("{} {body}", answer.status)));
    }
    output::line(format!("  202 after {took}: it is on disk and cannot be lost any more\n"));
    let accepted: Value = serde_json::from_str(&body).map_err(|e| failed(&e))?;
    let execution: ExecutionId = accepted["execution_ids"][0]
        .as_str()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| failed(&"the answer names no execution"))?;

    let spinner = output::spinner("the execution runs".into());
    let ended = parts.engine.wait_until_ended(TENANT, execution, PATIENCE).await?;
    spinner.finish_and_clear();
    let story = Story::load(parts.store.as_ref(), TENANT, execution).await?;
    output::line(story.tell());
    match ended.map(|e| e.status) {
        Some(ExecutionStatus::Completed) => {
            output::line(
                "\nThe failed call was tried again by itself, and the token shows as $secret:… because its value is never stored.",
            );
            Ok(())
        }
        Some(_) => Err(CliError::failed("the execution of the demo did not complete")),
        None => Err(CliError::failed(format!("the execution did not end within {}", output::length(PATIENCE)))),
    }
}

/// The admin, with a link that lets one in where nobody is there yet.
async fn admin_address(parts: &Parts, address: std::net::SocketAddr) -> Result<String, CliError> {
    Ok(match parts.identity.setup_link().await? {
        Some(link) => format!("http://{address}/admin/setup/?token={}", *link.token),
        None => format!("http://{address}/admin/"),
    })
}

/// Prints what to try, and tells of every execution that ends from now on.
fn say_what_next(parts: &Parts, address: std::net::SocketAddr, admin: &str, hello: &str, kept: bool) {
    parts.engine.ports().signals.connect(None, "demo", |signal| match signal {
        Signal::WorkflowCompleted(s) => {
            output::line(format!("  execution {} of {} completed", s.execution_id, s.workflow))
        }
        Signal::WorkflowFailed(s) => output::line(format!("  execution {} of {} failed", s.execution_id, s.workflow)),
        _ => {}
    });
    let database = if kept { String::new() } else { format!("DATABASE_URL={} ", parts.database_shown) };
    output::line(format!(
        "\nSee it in the admin:\n  {admin}\n\
         \nTry next, from another terminal:\n\
         \n  curl -X POST 'http://{address}/hooks/default/{hello}?wait=true' -H 'content-type: application/json' -d '{{\"name\":\"Ada\"}}'\
         \n  {database}automate executions list\
         \n  {database}automate workflow export demo-order\
         \n  curl http://{address}/readyz\
         \n\nYour own: automate workflow import FILE.yaml --publish, then automate serve.\
         \nIt stays up until Ctrl-C."
    ));
}

/// A signing secret as Standard Webhooks writes it: `whsec_` and 32 random bytes in base64.
fn random_secret() -> String {
    let mut bytes = [0_u8; 32];
    for half in bytes.chunks_exact_mut(16) {
        half.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}
