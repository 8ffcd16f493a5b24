//! Where secrets come from: backends, asked in the configured order by a [`SecretChain`].
//!
//! Built in are [`EnvBackend`] and [`DatabaseBackend`]. A crate adds its own with
//! [`register_secrets_backend!`](crate::register_secrets_backend) at link time, or an application
//! gives it to [`BackendRegistry::add`].

mod chain;
mod database;
mod derive;
mod entity;
mod env;
mod envelope;
mod master_key;
mod registry;

pub use chain::{SecretChain, SecretChanges};
pub use database::{DatabaseBackend, KeyCheck, Rewrapped, SecretInfo, SecretStoreError};
pub use env::EnvBackend;
pub use master_key::{KeyOrigin, LoadedKeys, MasterKey, MasterKeyError, MasterKeys};
pub use registry::{BackendEntry, BackendRegistry, MakeBackend, UnknownBackend};
