//! Telling text that is rendered from text that is itself, and reading references to secrets.

use crate::secrets::SecretRef;

/// Whether rendering may change a text: it holds a template, a reference to a secret or one to the
/// environment.
#[must_use]
pub fn is_templated(text: &str) -> bool {
    text.contains("{{")
        || text.contains("{%")
        || text.contains("{#")
        || text.contains("$secret:")
        || text.contains("$env:")
}

/// What follows `$secret:` in a text that is one whole reference (`$secret:KEY`,
/// `$secret:backend/KEY`, with `?version=3` at the end where a version is meant), also where it is
/// written as `{{ secrets.KEY }}`. `None` where the text is anything else.
#[must_use]
pub fn secret_reference(text: &str) -> Option<&str> {
    let text = text.trim();
    let key = match text.strip_prefix("$secret:") {
        Some(key) => key,
        None => text.strip_prefix("{{")?.strip_suffix("}}")?.trim().strip_prefix("secrets.")?,
    };
    is_secret_reference(key).then_some(key)
}

/// Whether a text may follow `$secret:`.
#[must_use]
pub fn is_secret_reference(text: &str) -> bool {
    SecretRef::read(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_secrets_are_told_from_values() {
        assert_eq!(secret_reference("$secret:KEY"), Some("KEY"));
        assert_eq!(secret_reference("$secret:vault/KEY?version=3"), Some("vault/KEY?version=3"));
        assert_eq!(secret_reference("{{ secrets.KEY }}"), Some("KEY"));
        for other in
            ["whsec_abc", "$secret:", "$secret:a/b/c", "$secret:KEY?version=x", "x$secret:KEY", "{{ env.KEY }}"]
        {
            assert_eq!(secret_reference(other), None, "{other}");
        }
    }
}
