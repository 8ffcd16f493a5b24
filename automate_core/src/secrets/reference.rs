//! What follows `$secret:`.

use std::fmt;

use super::{SecretError, is_valid_key};

/// Digits of a version, at most.
const VERSION_DIGITS: usize = 9;
/// What stands before a version.
const VERSION: &str = "?version=";

/// A reference to a secret, as it follows `$secret:`: `KEY`, `backend/KEY`, and either with
/// `?version=N` where one version is meant. Its `Display` reads back as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretRef<'a> {
    /// The one backend to ask; all of the chain, in order, where absent.
    pub backend: Option<&'a str>,
    /// The key.
    pub key: &'a str,
    /// The version, from 1; the newest where absent.
    pub version: Option<u32>,
}

impl<'a> SecretRef<'a> {
    /// Reads a reference.
    ///
    /// # Errors
    /// [`SecretError::InvalidKey`] with at most 128 characters of the text.
    pub fn parse(text: &'a str) -> Result<Self, SecretError> {
        Self::read(text).ok_or_else(|| SecretError::InvalidKey { key: text.chars().take(128).collect() })
    }

    /// Reads a reference; `None` where it is none.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (name, version) = match text.split_once(VERSION) {
            Some((name, digits)) => (name, Some(version(digits)?)),
            None => (text, None),
        };
        let (backend, key) = match name.split_once('/') {
            Some((backend, key)) => (Some(backend), key),
            None => (None, name),
        };
        (is_valid_key(key) && backend.is_none_or(is_valid_key)).then_some(Self { backend, key, version })
    }

    /// The bytes of `text` that are a version (`?version=3`), where it begins with one.
    pub(crate) fn version_length(text: &str) -> usize {
        let Some(rest) = text.strip_prefix(VERSION) else { return 0 };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if version(&rest[..digits]).is_some() { VERSION.len() + digits } else { 0 }
    }
}

fn version(digits: &str) -> Option<u32> {
    let fits = !digits.is_empty() && digits.len() <= VERSION_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|number| fits && *number > 0)
}

impl fmt::Display for SecretRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(backend) = self.backend {
            write!(f, "{backend}/")?;
        }
        f.write_str(self.key)?;
        match self.version {
            Some(version) => write!(f, "{VERSION}{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_as_itself() {
        for text in ["KEY", "vault/KEY", "KEY?version=3", "database/crm.token?version=999999999"] {
            assert_eq!(SecretRef::parse(text).unwrap().to_string(), text);
        }
        let full = SecretRef { backend: Some("vault"), key: "K", version: Some(7) };
        assert_eq!(SecretRef::read("vault/K?version=7"), Some(full));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "a b",
            "a/b/c",
            "/A",
            "A/",
            "../A",
            "A?version=",
            "A?version=0",
            "A?version=-1",
            "A?version=x",
            "A?version=1x",
            "A?version=1?version=2",
            "A?version=1234567890",
            "A?other=1",
            "A?",
        ] {
            assert_eq!(SecretRef::parse(text), Err(SecretError::InvalidKey { key: text.to_owned() }), "{text}");
        }
    }
}
