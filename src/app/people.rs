//! People: their settings from the configuration, and their upkeep.

use std::time::Duration;

use automate_api::v1::base::Views;
use automate_core::config::Config;
use automate_core::ids::TenantId;
use automate_core::store::StoreError;
use automate_governance::identity::{Identity, IdentityError, IdentitySettings, KnownScopes};
use automate_governance::secrets::MasterKeys;
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use tokio_util::sync::CancellationToken;

/// How often what is over is deleted.
const UPKEEP: Duration = Duration::from_secs(3600);

/// People as the configuration wants it.
pub(super) fn identity(
    config: &Config,
    database: &Database,
    audit: &AuditLog,
    keys: &MasterKeys,
    views: &Views,
) -> Identity {
    // Who may read may be allowed to write, and the other way round, whichever the operations ask for.
    let asked = views.operations().into_iter().filter_map(|operation| operation.access.scope.as_deref());
    let resources: Vec<&str> = asked.filter_map(|scope| scope.split_once(':').map(|(resource, _)| resource)).collect();
    let own = resources.iter().flat_map(|resource| ["read", "write"].map(|verb| format!("{resource}:{verb}")));
    let settings = IdentitySettings {
        idle: Duration::from_secs(u64::from(config.sessions.idle_minutes) * 60),
        absolute: Duration::from_secs(u64::from(config.sessions.absolute_hours) * 3600),
        public_url: public_url(config),
        scopes: KnownScopes::default().with(own),
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
