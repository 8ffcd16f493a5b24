//! The checks, in the order in which one depends on the other.

use std::collections::BTreeSet;
use std::time::Duration;

use automate_admin::CheckError;
use automate_core::document::definition::Trigger;
use automate_core::secrets::{BackendHealth, Purpose, SecretsBackend as _};
use automate_core::store::{Store, StoreHealth};

use super::super::{Context, output};
use super::Check;
use crate::app::{Parts, Role};

/// A queue whose oldest ready item is older than this is not being worked on.
const OLD: Duration = Duration::from_secs(60);
/// Clocks may differ by minutes without harm; this is worth a look.
const SKEW_SECONDS: f64 = 5.0;
/// Free space below this is little, and below a tenth of it too little.
const FREE_BYTES: u64 = 1 << 30;

/// Runs all checks that can be run.
pub(super) async fn all(context: &Context) -> Vec<Check> {
    let mut checks = vec![Check::ok(
        "configuration",
        match &context.loaded.file {
            Some(path) => path.display().to_string(),
            None => "no file; defaults and environment".to_owned(),
        },
    )];
    checks.push(connectors(context));
    let pending = match crate::app::pending_migrations(context.config()).await {
        Ok(pending) => pending,
        Err(error) => {
            checks.push(Check::fail(
                "database",
                error.to_string(),
                error.hint().unwrap_or_else(|| "start it, or correct database.url (DATABASE_URL)".to_owned()),
            ));
            return checks;
        }
    };
    if !pending.is_empty() {
        checks.push(Check::fail(
            "migrations",
            format!("{} pending: {}", pending.len(), pending.join(", ")),
            "run `automate migrate up`",
        ));
        return checks;
    }
    let parts = match context.open(Role::Tool).await {
        Ok(parts) => parts,
        Err(error) => {
            checks.push(Check::fail("set-up", error.to_string(), "correct the configuration"));
            return checks;
        }
    };
    match parts.store.health().await {
        Ok(health) => checks.extend(database(&health, &parts)),
        Err(error) => checks.push(Check::fail("database", error.to_string(), "look at the database's own log")),
    }
    checks.push(Check::ok("migrations", "all applied"));
    checks.extend(queue(parts.store.as_ref()).await);
    checks.extend(secrets(&parts).await);
    checks.push(webhooks(&parts).await);
    checks.extend(admin(&parts).await);
    parts.close().await;
    checks
}

fn connectors(context: &Context) -> Check {
    let report = context.app.load_report_with(context.config());
    let refused: Vec<String> = report
        .refused()
        .map(|e| format!("{} from {}: {}", e.key, e.origin, e.refused.as_deref().unwrap_or_default()))
        .collect();
    if refused.is_empty() {
        Check::ok("connectors", format!("{} loaded", report.entries.len()))
    } else {
        Check::fail("connectors", refused.join("; "), "see `automate connectors list`")
    }
}

fn database(health: &StoreHealth, parts: &Parts) -> Vec<Check> {
    let mut checks =
        vec![Check::ok("database", format!("{} {} at {}", health.backend, health.version, parts.database_shown))];
    let skew = health.clock_skew_seconds;
    checks.push(if skew.abs() < SKEW_SECONDS {
        Check::ok("clock", format!("{skew:+.2} s against the database"))
    } else {
        Check::warn(
            "clock",
            format!("{skew:+.1} s against the database"),
            "synchronise the clocks (NTP); nothing breaks, but signed timestamps may be refused",
        )
    });
    checks.push(match health.disk_free_bytes {
        None => Check::ok("disk", "the database's server looks after its own"),
        Some(free) if free < FREE_BYTES / 10 => {
            Check::fail("disk", format!("{} free", output::bytes(free)), "free space on the database's disk now")
        }
        Some(free) if free < FREE_BYTES => Check::warn(
            "disk",
            format!("{} free", output::bytes(free)),
            "free space, or keep less history (history.retention_days)",
        ),
        Some(free) => Check::ok("disk", format!("{} free", output::bytes(free))),
    });
    checks
}

/// What the admin would be told of when it starts.
async fn admin(parts: &Parts) -> Vec<Check> {
    if let Err(error) = parts.site.check() {
        return vec![Check::fail("admin", error.to_string(), "correct the declarations of its models")];
    }
    match parts.site.warnings(&parts.resources).await {
        Ok(found) if found.is_empty() => vec![Check::ok("admin", "its models fit their tables")],
        Ok(found) => {
            let told = |one: CheckError| {
                Check::warn("admin", format!("{} ({}): {}", one.code, one.admin, one.message), one.fix)
            };
            found.into_iter().map(told).collect()
        }
        Err(error) => vec![Check::fail("admin", error.to_string(), "look at the database's own log")],
    }
}

async fn queue(store: &dyn Store) -> Vec<Check> {
    let stats = match store.stats().await {
        Ok(stats) => stats,
        Err(error) => return vec![Check::fail("queue", error.to_string(), "look at the database's own log")],
    };
    let age = Duration::from_secs_f64(stats.oldest_ready_seconds.max(0.0));
    let mut checks = Vec::new();
    checks.push(if stats.ready > 0 && age > OLD {
        Check::fail(
            "queue",
            format!("{} items are ready, the oldest for {}", stats.ready, output::length(age)),
            "start a worker (`automate worker` or `automate serve`), or more of them",
        )
    } else {
        Check::ok("queue", format!("{} ready, {} scheduled, {} running", stats.ready, stats.scheduled, stats.running))
    });
    checks.push(if stats.stale > 0 {
        Check::warn(
            "leases",
            format!("{} leases have run out", stats.stale),
            "a running worker gives them back by itself; without one: `automate outbox reap`",
        )
    } else {
        Check::ok("leases", "none is stuck")
    });
    checks.push(if stats.failed > 0 {
        Check::warn(
            "dead letters",
            format!("{} items were given up", stats.failed),
            "look with `automate outbox list --status FAILED`, then `automate outbox requeue --failed` or `purge`",
        )
    } else {
        Check::ok("dead letters", "none")
    });
    checks
}

/// Whether every configured backend of secrets can be asked. Stored secrets are looked at even where
/// the chain does not name them: they are somebody's, and wait for their master key.
async fn secrets(parts: &Parts) -> Vec<Check> {
    const DATABASE: &str = "database";
    let mut all = parts.secret_chain.health().await;
    if all.iter().all(|(name, _)| name != DATABASE) {
        all.push((DATABASE.to_owned(), parts.stored_secrets.health().await));
    }
    all.into_iter()
        .map(|(name, health)| match health {
            BackendHealth::Ok(found) => Check::ok("secrets", format!("{name}: {found}")),
            BackendHealth::Warn(found, todo) => Check::warn("secrets", format!("{name}: {found}"), todo),
            BackendHealth::Fail(found, todo) => Check::fail("secrets", format!("{name}: {found}"), todo),
        })
        .collect()
}

/// Whether the secrets that live webhooks verify with can be had.
async fn webhooks(parts: &Parts) -> Check {
    let triggers = match parts.store.triggers().await {
        Ok(triggers) => triggers,
        Err(error) => return Check::fail("webhooks", error.to_string(), "look at the database's own log"),
    };
    let versions: BTreeSet<_> =
        triggers.iter().filter(|t| t.kind == "webhook").map(|t| (t.version_id, t.tenant_id)).collect();
    let (mut count, mut broken) = (0, Vec::new());
    for (version, tenant) in versions {
        let source = match parts.store.version(version).await {
            Ok(version) => version.source,
            Err(error) => {
                broken.push(error.to_string());
                continue;
            }
        };
        let Ok((document, _)) = parts.engine.validate(&source) else {
            broken.push(format!("version {version} does not pass the checks any more"));
            continue;
        };
        for trigger in &document.workflow.triggers {
            let Trigger::Webhook(hook) = trigger else { continue };
            count += 1;
            for key in &hook.verify.secrets {
                if let Err(error) = parts.engine.ports().secrets.resolve_for(tenant, key, &Purpose::Check).await {
                    broken.push(format!("/hooks/…/{} of {}: {error}", hook.path, document.workflow.slug));
                }
            }
        }
    }
    if broken.is_empty() {
        Check::ok("webhooks", format!("{count} live, all their secrets resolve"))
    } else {
        Check::fail("webhooks", broken.join("; "), "set the secrets with `automate secrets set KEY`")
    }
}
