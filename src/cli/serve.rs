//! `automate serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{CliError, Context, output};
use crate::app::{Parts, Role};

/// How long a start waits for a database that is away.
const CONNECT_PATIENCE: Duration = Duration::from_secs(60);
/// A signal this soon after the first is the same wish told twice: timeout(1) and supervisors
/// signal a process and then its group.
const SAME_WISH: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const CONNECT_PAUSE: Duration = Duration::from_secs(8);

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one [default: server.bind]
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,
    /// Executions at once in this process [default: worker.concurrency]
    #[arg(long, value_name = "N", conflicts_with = "no_worker")]
    workers: Option<usize>,
    /// Only accepts; `automate worker` does the work elsewhere
    #[arg(long)]
    no_worker: bool,
}

impl ServeArgs {
    /// The keys of the configuration that the flags set.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let mut list = Vec::new();
        if let Some(bind) = &self.bind {
            list.push(("server.bind".to_owned(), bind.clone()));
        }
        if let Some(n) = self.workers {
            list.push(("worker.concurrency".to_owned(), n.to_string()));
        }
        list
    }
}

/// The wish to stop: the first SIGTERM or SIGINT drains, the second ends the process at once.
pub(crate) struct Shutdown {
    /// Fires with the first signal.
    pub(crate) token: CancellationToken,
}

impl Shutdown {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, CliError> {
        let failed = |e: std::io::Error| CliError::failed(format!("cannot listen for signals: {e}"));
        let mut term = signal(SignalKind::terminate()).map_err(failed)?;
        let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
        let token = CancellationToken::new();
        let fire = token.clone();
        tokio::spawn(async move {
            let mut first = None;
            loop {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
                match first {
                    None => {
                        first = Some(tokio::time::Instant::now());
                        fire.cancel();
                    }
                    Some(at) if at.elapsed() < SAME_WISH => {}
                    Some(_) => {
                        output::note("stopping at once; leases expire and the work is taken up again");
                        std::process::exit(1);
                    }
                }
            }
        });
        Ok(Self { token })
    }
}

/// Says that draining has begun, when it does.
pub(crate) async fn announce_drain(token: CancellationToken, drain: Duration) {
    token.cancelled().await;
    output::note(&format!(
        "stopping: running steps may end within {}; a second signal stops at once",
        output::length(drain)
    ));
}

/// Opens the database, trying again for a while where it is away; every other fault is final.
pub(crate) async fn open_with_patience(context: &Context, role: Role, shutdown: &Shutdown) -> Result<Parts, CliError> {
    let begun = tokio::time::Instant::now();
    let mut pause = Duration::from_millis(500);
    loop {
        match context.app.build(context.config(), role).await {
            Ok(parts) => return Ok(parts),
            Err(error) if error.is_transient() && begun.elapsed() + pause < CONNECT_PATIENCE => {
                tracing::warn!(%error, retry_in = ?pause, "the database is not available yet");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.token.cancelled() => return Err(error.into()),
                }
                pause = (pause * 2).min(CONNECT_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where a browser finds the server: at its public address, or where it listens. All addresses at once
/// are none that a browser can go to; the own machine's is one of them.
fn site(public_url: &str, mut address: SocketAddr) -> String {
    if !public_url.is_empty() {
        return public_url.trim_end_matches('/').to_owned();
    }
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

/// Serves until asked to stop, then drains.
pub(crate) async fn run(context: Context, args: ServeArgs) -> Result<(), CliError> {
    let shutdown = Shutdown::listen()?;
    let role = if args.no_worker { Role::Accept } else { Role::Worker };
    let parts = open_with_patience(&context, role, &shutdown).await?;
    let bind = &context.config().server.bind;
    let listener = tokio::net::TcpListener::bind(bind)
        .await
        .map_err(|e| CliError::failed(format!("cannot listen on {bind}: {e}")).hint("choose another with --bind"))?;
    let address = listener.local_addr().map_err(|e| CliError::failed(e.to_string()))?;
    output::line(format!("automate serves http://{address} ({})", parts.database_shown));
    match parts.identity.setup_link().await {
        Ok(None) => {}
        Ok(Some(link)) => {
            let site = site(&context.config().server.public_url, address);
            // Whoever waited for the address alone has gone by now.
            output::offer(&format!(
                "there is no user yet: make the first one at {site}/admin/setup/?token={}",
                *link.token
            ));
            output::note(&format!(
                "the link works once, until {} UTC; `automate createsuperuser` makes the first one, too",
                output::time(link.expires_at)
            ));
        }
        // The server is of use without.
        Err(error) => {
            tracing::warn!(%error, "no set-up link was made");
            output::note("make the first user with `automate createsuperuser`");
        }
    }
    let announce = tokio::spawn(announce_drain(shutdown.token.clone(), context.config().worker.drain));
    let result = parts.serve(listener, context.config(), role, shutdown.token.clone()).await;
    announce.abort();
    parts.close().await;
    result.map_err(|e| CliError::failed(format!("the server ended: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_up_link_leads_to_where_a_browser_finds_the_server() {
        for (public_url, address, expected) in [
            ("https://flows.example.org/", "127.0.0.1:8000", "https://flows.example.org"),
            ("", "127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("", "0.0.0.0:80", "http://127.0.0.1:80"),
            ("", "[::]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(site(public_url, address.parse().unwrap()), expected);
        }
    }
}
