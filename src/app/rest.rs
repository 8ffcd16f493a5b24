//! The REST API over an app.

use std::sync::Arc;

use automate_api::v1::base::RateLimiter;
use automate_api::v1::{
    ApiV1, IdentityAuthenticator, KnownPermissions, SharedBuckets, V1Settings, Views, system_views,
};
use automate_core::config::Config;
use tokio_util::sync::CancellationToken;

use super::Parts;

impl Parts {
    /// The buckets of rate limits that all processes share.
    #[must_use]
    pub fn buckets(&self) -> Arc<dyn RateLimiter> {
        Arc::new(SharedBuckets::new(self.database.clone(), self.governor.clone()))
    }

    /// The REST API over the app, with the system's own views, to be mounted with
    /// [`automate_api::v1::router`].
    #[must_use]
    pub fn api_v1(
        &self,
        config: &Config,
        limiter: Arc<dyn RateLimiter>,
        shutdown: CancellationToken,
    ) -> (ApiV1, Views) {
        let views = system_views();
        let settings = V1Settings { body_limit: config.server.body_limit_bytes, ..V1Settings::default() };
        let api = ApiV1::builder(self.engine.clone(), self.resources.clone(), self.connectors.clone())
            .authenticator(Arc::new(IdentityAuthenticator::new(self.identity.clone())))
            .limiter(limiter)
            .service(Arc::new(self.identity.clone()))
            .service(Arc::new(self.governor.clone()))
            .service(Arc::new(self.stored_secrets.clone()))
            .service(Arc::new(self.stored_connections.clone()))
            .service(Arc::new(KnownPermissions::of(&views)))
            .settings(settings)
            .shutdown(shutdown)
            .build();
        (api, views)
    }
}
