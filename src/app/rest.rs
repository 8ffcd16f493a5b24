//! The REST API and the admin over an app.

use std::sync::Arc;

use automate_admin::{AdminParts, AdminSettings};
use automate_api::v1::base::{Limit, RateLimiter, Throttle, ThrottleBy};
use automate_api::v1::{ApiV1, Authenticator, IdentityAuthenticator, KnownPermissions, SharedBuckets, V1Settings};
use automate_core::config::Config;
use tokio_util::sync::CancellationToken;

use super::Parts;

impl Parts {
    /// The buckets of rate limits that all processes share.
    #[must_use]
    pub fn buckets(&self) -> Arc<dyn RateLimiter> {
        Arc::new(SharedBuckets::new(self.database.clone(), self.governor.clone()))
    }

    /// What the operations of the REST API stand over, to be mounted with
    /// [`automate_api::v1::router`]. Its streams end when `shutdown` fires.
    #[must_use]
    pub fn api(&self, config: &Config, limiter: Arc<dyn RateLimiter>, shutdown: CancellationToken) -> ApiV1 {
        let authenticator: Arc<dyn Authenticator> = match &self.authenticator {
            Some(own) => own.clone(),
            None => Arc::new(IdentityAuthenticator::new(self.identity.clone())),
        };
        ApiV1::builder(self.engine.clone(), self.resources.clone(), self.connectors.clone())
            .services(self.services.clone())
            .service(Arc::new(self.identity.clone()))
            .service(Arc::new(self.governor.clone()))
            .service(Arc::new(self.stored_secrets.clone()))
            .service(Arc::new(self.stored_connections.clone()))
            .service(self.providers.clone())
            .service(Arc::new(KnownPermissions::of(&self.views)))
            .authenticator(authenticator)
            .limiter(limiter)
            .settings(settings(config))
            .shutdown(shutdown)
            .build()
    }

    /// What the pages of the admin stand over, to be given to
    /// [`AdminSite::router`](automate_admin::AdminSite::router).
    #[must_use]
    pub fn admin(&self, config: &Config, shutdown: CancellationToken) -> AdminParts {
        AdminParts {
            engine: self.engine.clone(),
            resources: self.resources.clone(),
            identity: self.identity.clone(),
            oidc: self.oidc.clone(),
            connectors: self.connectors.clone(),
            providers: self.providers.clone(),
            secrets: self.stored_secrets.clone(),
            secret_chain: self.secret_chain.clone(),
            connections: self.stored_connections.clone(),
            governor: self.governor.clone(),
            settings: AdminSettings {
                body_limit: config.server.body_limit_bytes,
                public_url: config.server.public_url.clone(),
                bind: config.server.bind.clone(),
            },
            shutdown,
        }
    }
}

fn settings(config: &Config) -> V1Settings {
    let limit = |most: u32| Limit::per_minute(most).burst((most / 3).max(1));
    let most = &config.api;
    V1Settings {
        body_limit: config.server.body_limit_bytes,
        throttles: vec![
            Throttle::new("api", ThrottleBy::Principal, limit(most.requests_per_minute)),
            Throttle::new("api", ThrottleBy::Address, limit(most.address_requests_per_minute)),
            // The tenant's policy says less where it is to be less.
            Throttle::new("api", ThrottleBy::Tenant, limit(most.requests_per_minute.saturating_mul(5))),
        ],
        failures: Limit::per_minute(most.failures_per_minute).burst(most.failures_per_minute),
        ..V1Settings::default()
    }
}
