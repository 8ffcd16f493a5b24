//! What registries have in common: the report of what was loaded, from where, and what was refused.

use serde::Serialize;

/// One entry of a load report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// What kind of thing: `connector`, `filter`, `provider`, `receiver`, `secrets backend`.
    pub kind: &'static str,
    /// Its key.
    pub key: String,
    /// Where it came from: the crate and version for link-time entries, `app` for explicit ones.
    pub origin: String,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
}

/// What a registry loaded and refused, sorted by kind and key.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// All entries.
    pub entries: Vec<Loaded>,
}

impl LoadReport {
    /// The refused ones.
    pub fn refused(&self) -> impl Iterator<Item = &Loaded> {
        self.entries.iter().filter(|e| e.refused.is_some())
    }
}
