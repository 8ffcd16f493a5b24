//! Where the API's ports meet people and policies: who asks, how often, and why not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use async_trait::async_trait;
use automate_core::access::{EVERYTHING, Principal, all_permissions};
use automate_core::ids::TenantId;
use automate_core::policy::Policies;
use automate_governance::connections::ChangeError;
use automate_governance::identity::{self, Client, Identity, IdentityError};
use automate_governance::policy::{Bucket, Governor, RateBuckets};
use automate_governance::secrets::SecretStoreError;
use automate_store::db::Database;
use automate_store::resource::ResourceError;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::auth::{AuthError, Authenticator};
use super::base::{Call, Decision, Limit, RateLimiter, Views};
use super::buckets::LocalBuckets;
use crate::Problem;

/// Finds out who asks by what [`Identity`] knows.
#[derive(Debug, Clone)]
pub struct IdentityAuthenticator(Identity);

impl IdentityAuthenticator {
    /// Over the people of an installation.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(identity)
    }
}

#[async_trait]
impl Authenticator for IdentityAuthenticator {
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        unsafe_method: bool,
    ) -> Result<Principal, AuthError> {
        let found = self.0.authenticate(headers, address.unwrap_or(NOWHERE), unsafe_method).await;
        match found {
            Ok(authenticated) => Ok(authenticated.principal),
            Err(identity::AuthError::Missing) => Err(AuthError::Missing),
            Err(identity::AuthError::Csrf(_)) => Err(AuthError::Csrf),
            Err(identity::AuthError::Throttled { retry_after }) => Err(AuthError::Throttled(retry_after)),
            Err(identity::AuthError::Store(error)) => Err(AuthError::Store(error)),
            Err(
                identity::AuthError::Invalid
                | identity::AuthError::Credentials
                | identity::AuthError::Busy
                | identity::AuthError::Expired
                | identity::AuthError::Provider { .. },
            ) => Err(AuthError::Invalid),
        }
    }
}

/// The address of a request that came from none, as in tests.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Who asks, as identity wants to know them.
pub(super) fn client_of(call: &Call) -> Client {
    let address = call.origin.address.parse().unwrap_or(NOWHERE);
    Client { address, origin: call.origin.clone() }
}

/// Token buckets that all processes share. Of a tenant's, the policy says the size where it names one.
pub struct SharedBuckets {
    buckets: RateBuckets,
    governor: Governor,
    /// For while the database does not answer.
    local: LocalBuckets,
}

/// What the keys of tenants' buckets begin with.
const OF_TENANT: &str = "api:tenant:";

impl SharedBuckets {
    /// Over a database and the policies of its tenants.
    #[must_use]
    pub fn new(db: Database, governor: Governor) -> Self {
        Self { buckets: RateBuckets::new(db), governor, local: LocalBuckets::default() }
    }

    async fn limit(&self, key: &str, limit: &Limit) -> Limit {
        let Some(tenant) = key.strip_prefix(OF_TENANT).and_then(|id| id.parse().ok()) else { return *limit };
        match self.governor.policy(TenantId(tenant)).await {
            Ok(policy) => match policy.requests_per_minute {
                Some(most) if most < limit.per_minute => Limit { per_minute: most, burst: most },
                Some(_) | None => *limit,
            },
            Err(error) => {
                tracing::warn!(%error, "a tenant's policy could not be read; the API's own limit counts");
                *limit
            }
        }
    }
}

#[async_trait]
impl RateLimiter for SharedBuckets {
    async fn take(&self, key: &str, limit: &Limit) -> Decision {
        let limit = self.limit(key, limit).await;
        let per_second = f64::from(limit.per_minute.max(1)) / 60.0;
        match self.buckets.take(key, Bucket { capacity: limit.burst.max(1), per_second }).await {
            Ok(taken) => Decision {
                allowed: taken.allowed,
                remaining: taken.remaining,
                reset: taken.reset.as_secs_f64(),
                retry_after: taken.retry_after.as_secs_f64(),
            },
            Err(error) => {
                tracing::warn!(%error, "a shared rate limit could not be asked; this process counts by itself");
                self.local.take(key, &limit).await
            }
        }
    }
}

/// The permissions that can be given: those that exist, and those that an application's own
/// operations ask for.
#[derive(Debug, Clone)]
pub struct KnownPermissions(BTreeSet<String>);

impl KnownPermissions {
    /// Those of the system and of views.
    #[must_use]
    pub fn of(views: &Views) -> Self {
        let own = views.operations().into_iter().filter_map(|operation| operation.access.permission.clone());
        Self(all_permissions().into_iter().chain(own).collect())
    }

    /// Whether there is such a permission.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        permission == EVERYTHING || self.0.contains(permission)
    }
}

impl From<IdentityError> for Problem {
    /// The one mapping from why nothing about people was changed to what the client is told.
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Forbidden(what) => Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", what),
            IdentityError::Auth(error) => error.into(),
            IdentityError::NotFound(noun) => ResourceError::NotFound(noun).into(),
            IdentityError::Invalid(problems) => ResourceError::Invalid(problems).into(),
            IdentityError::Conflict(what) => ResourceError::Conflict(what).into(),
            IdentityError::Changed { current } => ResourceError::Changed { current }.into(),
            IdentityError::Store(error) => error.into(),
        }
    }
}

impl From<identity::AuthError> for Problem {
    /// The one mapping from why somebody is not let in to what they are told.
    fn from(error: identity::AuthError) -> Self {
        let error = match error {
            identity::AuthError::Store(error) => return error.into(),
            other => other,
        };
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let mut problem = Self::new(status, error.code(), error.to_string());
        if let Some(challenge) = error.www_authenticate() {
            problem = problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        match error.retry_after() {
            Some(after) => problem.with_retry_after(after),
            None => problem,
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Secret(error) => error.into(),
            ChangeError::Resource(error) => error.into(),
        }
    }
}

impl From<SecretStoreError> for Problem {
    /// The one mapping from why a secret was not stored to what the client is told. Names only.
    fn from(error: SecretStoreError) -> Self {
        let code = error.code();
        let status = match &error {
            SecretStoreError::NotFound(_) => return ResourceError::NotFound("secret").into(),
            SecretStoreError::Key(_) | SecretStoreError::Empty(_) | SecretStoreError::TooLarge(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            SecretStoreError::Exists(_) | SecretStoreError::TooMany => StatusCode::CONFLICT,
            SecretStoreError::NoMasterKey
            | SecretStoreError::WrongMasterKey { .. }
            | SecretStoreError::Corrupt(_)
            | SecretStoreError::Database(_) => {
                tracing::error!(%error, code, "a secret could not be stored");
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    code,
                    "secrets cannot be stored now; the log says why",
                )
                .with_retry_after(std::time::Duration::from_secs(30));
            }
        };
        Self::new(status, code, error.to_string())
    }
}
