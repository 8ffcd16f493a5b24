//! Link-time registration, as that of connectors.

use std::sync::Arc;

use super::Provider;
use super::registry::ProviderRegistry;

/// What [`register_provider!`](crate::register_provider) submits.
pub struct ProviderRegistration {
    /// The crate that registers it.
    pub krate: &'static str,
    /// That crate's version.
    pub version: &'static str,
    /// The source file, which orders several of one crate.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
    /// Makes the provider.
    pub make: fn() -> Arc<dyn Provider>,
}

inventory::collect!(ProviderRegistration);

impl ProviderRegistry {
    /// Adds everything that was linked in, sorted by crate, version and place: the linker's order
    /// differs from build to build.
    pub fn add_linked(&mut self) -> &mut Self {
        let mut linked: Vec<&ProviderRegistration> = inventory::iter::<ProviderRegistration>.into_iter().collect();
        linked.sort_by_key(|r| (r.krate, r.version, r.file, r.line));
        for registration in linked {
            let origin = format!("{} {}", registration.krate, registration.version);
            match std::panic::catch_unwind(registration.make) {
                Ok(provider) => self.add_from(&origin, provider),
                Err(_) => self.refuse("(unknown)", &origin, "it panicked while it was made".to_owned()),
            };
        }
        self
    }
}

/// Registers a provider of language models at link time: whatever program links the crate has it,
/// under its key and as a `kind` of `[providers.NAME]`.
///
/// ```ignore
/// register_provider!(Acme);
/// ```
///
/// A crate that is only named in `Cargo.toml` is not linked; see
/// [`link_plugins!`](crate::link_plugins).
#[macro_export]
macro_rules! register_provider {
    ($provider:expr) => {
        $crate::__private::inventory::submit! {
            $crate::ProviderRegistration {
                krate: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                file: ::core::file!(),
                line: ::core::line!(),
                make: || ::std::sync::Arc::new($provider),
            }
        }
    };
}
