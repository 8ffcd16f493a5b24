//! Link-time registration: a crate that is linked into the program is in the registry.

use std::sync::Arc;

use super::ConnectorRegistry;
use crate::base::Connector;

/// What [`register_connector!`](crate::register_connector) submits.
pub struct Registration {
    /// The crate that registers it.
    pub krate: &'static str,
    /// That crate's version.
    pub version: &'static str,
    /// The source file, which orders several of one crate.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
    /// Makes the connector.
    pub make: fn() -> Arc<dyn Connector>,
}

inventory::collect!(Registration);

impl ConnectorRegistry {
    /// Adds everything that was linked in. The linker's order differs from build to build, so the
    /// entries are sorted by crate, version and place first.
    pub fn add_linked(&mut self) -> &mut Self {
        let mut linked: Vec<&Registration> = inventory::iter::<Registration>.into_iter().collect();
        linked.sort_by_key(|r| (r.krate, r.version, r.file, r.line));
        for registration in linked {
            let origin = format!("{} {}", registration.krate, registration.version);
            match std::panic::catch_unwind(registration.make) {
                Ok(connector) => self.add_from(&origin, connector),
                Err(_) => self.refuse("(unknown)", &origin, "it panicked while it was made"),
            };
        }
        self
    }

    fn refuse(&mut self, key: &str, origin: &str, reason: &str) -> &mut Self {
        self.report.entries.push(automate_core::registry::Loaded {
            kind: super::KIND,
            key: key.to_owned(),
            origin: origin.to_owned(),
            refused: Some(reason.to_owned()),
        });
        self
    }
}

/// Registers a connector at link time: whatever program links the crate has the connector, with
/// the crate's name and version in the load report.
///
/// ```ignore
/// register_connector!(Slack);
/// ```
///
/// A crate that is only named in `Cargo.toml` is not linked; see
/// [`link_plugins!`](crate::link_plugins).
#[macro_export]
macro_rules! register_connector {
    ($connector:expr) => {
        $crate::__private::inventory::submit! {
            $crate::Registration {
                krate: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                file: ::core::file!(),
                line: ::core::line!(),
                make: || ::std::sync::Arc::new($connector),
            }
        }
    };
}
