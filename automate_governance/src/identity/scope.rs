//! Scopes of tokens: which exist.

use std::collections::BTreeSet;

use automate_core::access::SPECIAL_SCOPES;
use automate_core::limits;

use super::IdentityError;

/// The resources of the REST API, each with `…:read` and `…:write`.
pub const RESOURCES: &[&str] = &[
    "approvals",
    "audit",
    "bulk-operations",
    "connections",
    "connectors",
    "events",
    "executions",
    "extensions",
    "groups",
    "outbox",
    "policies",
    "providers",
    "schedules",
    "secrets",
    "stats",
    "tenants",
    "tokens",
    "tools",
    "triggers",
    "users",
    "webhooks",
    "workflows",
];

/// The scopes that a token may be given.
#[derive(Debug, Clone)]
pub struct KnownScopes {
    names: BTreeSet<String>,
}

impl Default for KnownScopes {
    fn default() -> Self {
        Self::of(RESOURCES)
    }
}

impl KnownScopes {
    /// Reading and writing of resources, and the scopes that are none of either.
    #[must_use]
    pub fn of(resources: &[&str]) -> Self {
        let of_resources = resources.iter().flat_map(|r| [format!("{r}:read"), format!("{r}:write")]);
        Self { names: of_resources.chain(SPECIAL_SCOPES.iter().map(|s| (*s).to_owned())).collect() }
    }

    /// The same, and the scopes that an application's own operations ask for.
    #[must_use]
    pub fn with(mut self, scopes: impl IntoIterator<Item = String>) -> Self {
        self.names.extend(scopes);
        self
    }

    /// The scopes by name; `ext:{id}:…` and `tools:call:{name}` are there besides.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Checks the scopes of a new token: each known, none twice, in order.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] on the field `scopes`, naming the nearest known one.
    pub fn check(&self, scopes: &[String]) -> Result<Vec<String>, IdentityError> {
        let wrong = |code, message: String| Err(IdentityError::field("scopes", code, message));
        if scopes.is_empty() {
            return wrong("REQUIRED", "a token needs one scope at least".to_owned());
        }
        if scopes.len() > limits::SCOPES_PER_TOKEN {
            return wrong("TOO_MANY", format!("a token has {} scopes at most", limits::SCOPES_PER_TOKEN));
        }
        for scope in scopes {
            if !self.names.contains(scope) && !is_patterned(scope) {
                let nearest =
                    self.names().min_by_key(|name| strsim::damerau_levenshtein(name, scope)).unwrap_or_default();
                let shown: String = scope.chars().take(60).flat_map(char::escape_debug).collect();
                return wrong("UNKNOWN_SCOPE", format!("there is no scope `{shown}`; did you mean `{nearest}`?"));
            }
        }
        Ok(scopes.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// `ext:{id}:{what}` and `tools:call:{name}`: names that others make.
fn is_patterned(scope: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    if scope.len() > limits::SCOPE_BYTES {
        return false;
    }
    if let Some(rest) = scope.strip_prefix("ext:") {
        return rest.split_once(':').is_some_and(|(id, what)| word(id) && word(what));
    }
    scope.strip_prefix("tools:call:").is_some_and(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scopes: &[&str]) -> Result<Vec<String>, String> {
        let scopes: Vec<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
        KnownScopes::default().check(&scopes).map_err(|e| e.to_string())
    }

    #[test]
    fn known_scopes_are_taken_in_order_and_once() {
        assert_eq!(check(&["workflows:write", "admin", "workflows:write"]).unwrap(), ["admin", "workflows:write"]);
        assert!(check(&["events:publish", "ext:acme:routes", "tools:call:crm.find-contact"]).is_ok());
    }

    #[test]
    fn r4_a_scope_is_compared_whole() {
        assert!(check(&["workflows:rea"]).unwrap_err().contains("did you mean `workflows:read`"));
        for bad in [
            "",
            "*",
            "workflows",
            "workflows:",
            "workflows:*",
            " workflows:read",
            "Workflows:read",
            "ext:",
            "ext:a",
            "ext:a:",
            "ext::b",
            "ext:a:b:c",
            "tools:call:",
            "tools:call:*",
            "tools:call:a b",
            "admin\n",
        ] {
            assert!(check(&[bad]).is_err(), "{bad:?}");
        }
        assert!(check(&[]).is_err());
    }
}
