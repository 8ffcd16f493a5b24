//! Name lookups, checked before anything connects.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use automate_core::limits;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{AddressPolicy, Denied};

/// Finds the addresses of a name.
#[async_trait]
pub trait NameLookup: Send + Sync + 'static {
    /// All addresses of a name.
    ///
    /// # Errors
    /// Where the name does not exist or no server answers.
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl NameLookup for SystemLookup {
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Why a lookup gave nothing to connect to.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("`{0}` has no address")]
    Empty(String),
    #[error("`{0}` has more than {limit} addresses", limit = limits::EGRESS_ADDRESSES)]
    TooMany(String),
    #[error("`{name}` could not be looked up: {source}")]
    Failed { name: String, source: std::io::Error },
}

/// The resolver of the HTTP client for one port. The client connects to nothing but what this
/// returns, so what was checked is what is called (O6).
#[derive(Clone)]
pub(super) struct GuardedResolver {
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) lookup: Arc<dyn NameLookup>,
    pub(super) port: u16,
}

impl GuardedResolver {
    async fn vetted(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found =
            self.lookup.lookup(name).await.map_err(|source| LookupError::Failed { name: name.to_owned(), source })?;
        if found.is_empty() {
            return Err(LookupError::Empty(name.to_owned()));
        }
        if found.len() > limits::EGRESS_ADDRESSES {
            return Err(LookupError::TooMany(name.to_owned()));
        }
        self.policy.check_all(&found, self.port)?;
        Ok(found)
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let port = guard.port;
            let vetted = guard.vetted(name.as_str()).await?;
            let addresses: Addrs = Box::new(vetted.into_iter().map(move |ip| SocketAddr::new(ip, port)));
            Ok(addresses)
        })
    }
}
