//! Where secrets come from: backends, asked in the configured order by a [`SecretChain`].
//!
//! Built in are [`EnvBackend`], [`DatabaseBackend`], [`FileBackend`] and [`VaultBackend`]. A crate adds its own with
//! [`register_secrets_backend!`](crate::register_secrets_backend) at link time, or an application
//! gives it to [`BackendRegistry::add`].

mod audited;
mod chain;
mod database;
mod derive;
pub mod entity;
mod env;
mod envelope;
mod file;
mod master_key;
mod reads;
mod registry;
mod tenants;
mod vault;

pub use audited::AuditedReads;
pub use chain::{SecretChain, SecretChanges};
pub use database::{DatabaseBackend, KeyCheck, Rewrapped, SecretInfo, SecretStoreError, SecretVersion, SecretWrite};
pub use env::EnvBackend;
pub use file::FileBackend;
pub use master_key::{KeyOrigin, LoadedKeys, MasterKey, MasterKeyError, MasterKeys};
pub use reads::{LogReads, ReadOutcome, ReadQueue, ReadWorker, SecretRead, SecretReadSink, SecretReads};
pub use registry::{BackendEntry, BackendRegistry, MakeBackend, UnknownBackend};
pub use tenants::{DefaultTenantOnly, StoredTenants, TenantNames};
pub use vault::{Credential, VaultAuth, VaultBackend, VaultSettings, VaultSetupError};
