//! People: their settings from the configuration, and their upkeep.

use std::time::Duration;

use automate_core::config::Config;
use automate_core::ids::TenantId;
use automate_core::store::StoreError;
use automate_governance::identity::{Identity, IdentityError, IdentitySettings};
use automate_governance::secrets::MasterKeys;
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use tokio_util::sync::CancellationToken;

/// How often what is over is deleted.
const UPKEEP: Duration = Duration::from_secs(3600);

/// People as the configuration wants it.
pub(super) fn identity(config: &Config, database: &Database, audit: &AuditLog, keys: &MasterKeys) -> Identity {
    let settings = IdentitySettings {
        idle: Duration::from_secs(u64::from(config.sessions.idle_minutes) * 60),
        absolute: Duration::from_secs(u64::from(config.sessions.absolute_hours) * 3600),
        public_url: public_url(config),
        ..IdentitySettings::default()
    };
    Identity::new(database.clone(), audit.clone(), keys, settings)
}

/// Where browsers find us: as configured. Otherwise nobody knows, least of all where the port is a
/// free one: what browsers send is compared with the host that they asked then.
fn public_url(config: &Config) -> Option<url::Url> {
    let configured = &config.server.public_url;
    if configured.is_empty() { None } else { url::Url::parse(configured).ok() }
}

/// What must be there before anybody comes.
pub(super) async fn prepare(identity: &Identity) -> Result<(), StoreError> {
    match identity.ensure_default_groups(TenantId::DEFAULT).await {
        Ok(()) => Ok(()),
        Err(IdentityError::Store(error)) => Err(error),
        Err(other) => Err(StoreError::Internal(other.to_string())),
    }
}

/// Deletes what is over, now and once an hour.
pub(super) async fn upkeep(identity: Identity, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        if let Err(error) = identity.tidy().await {
            tracing::warn!(%error, "sessions that are over were not deleted");
        }
    }
}
