//! Lists the connectors of the program. Nothing here names ACME.

use std::process::ExitCode;

use automate_connectors::{Catalog, ConnectorRegistry};

automate_connectors::link_plugins!();

fn main() -> ExitCode {
    let registry = ConnectorRegistry::link_time_catalog();
    for entry in &registry.load_report().entries {
        let actions = registry.actions(&entry.key).join(", ");
        println!("{} ({}): {}", entry.key, entry.origin, entry.refused.as_deref().unwrap_or(&actions));
    }
    if registry.load_report().refused().next().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_all_it_takes() {
        let registry = ConnectorRegistry::link_time_catalog();
        let entries = &registry.load_report().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].key.as_str(), entries[0].origin.as_str()), ("acme", "connector-acme 0.3.0"));
        assert_eq!(entries[0].refused, None);
        assert_eq!(registry.actions("acme"), ["reserve", "stock"]);
    }
}
