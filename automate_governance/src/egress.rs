//! The egress guard: the only way out, and the only place that makes an HTTP client.
//!
//! A call passes three checks. `target` looks at the URL: scheme, user info, literal addresses in
//! all their forms. `lookup` resolves the name, checks **every** address and hands the connector
//! only what was checked, so that no second lookup can answer differently. After the connection the
//! peer's address is checked once more. Redirects are followed by the guard itself, each through
//! all three.

mod address;
mod body;
mod client;
mod lookup;
mod redirect;
mod target;

pub use address::{AddressPolicy, Denied, DeniedBy};
pub use client::{EgressSetupError, GuardedClient, install_crypto_provider};
pub use lookup::{NameLookup, SystemLookup};
pub use target::{Target, TargetError, parse_target, vet_target};

#[cfg(test)]
mod tests;
