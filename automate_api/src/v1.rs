//! The REST API: `/api/v1`.
//!
//! Everything below that address is an [`base::Operation`] of a view, and passes one pipeline:
//! authenticate, throttle, permit, check parameters, read the body, claim the idempotency key, do
//! it, answer. [`router`] mounts [`Views`]; [`document`] describes them as OpenAPI; nothing can be
//! mounted that is not among [`Views::operations`].

pub mod auth;
pub mod base;
mod buckets;
mod docs;
mod idempotency;
mod identity;
mod openapi;
mod pipeline;
mod refusal;
pub mod resources;
mod root;
mod route;
mod state;

pub use auth::{AuthError, Authenticator, NobodyKnown};
pub use base::Views;
pub use buckets::LocalBuckets;
pub use identity::{IdentityAuthenticator, KnownPermissions, SharedBuckets};
pub use openapi::document;
pub use resources::system_views;
pub use route::{RouteError, router};
pub use state::{ApiV1, ApiV1Builder, Services, V1Settings};

/// Where the API is.
pub const PREFIX: &str = "/api/v1";
