//! Values of the configuration that are never shown.

use std::fmt;

use crate::secrets::SecretValue;

/// A credential; empty where there is none. Its `Debug` tells only whether there is one.
#[derive(Clone)]
pub struct Hidden(SecretValue);

impl Hidden {
    /// Takes ownership of a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(SecretValue::new(value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// The value, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<SecretValue> {
        (!self.is_empty()).then(|| self.0.clone())
    }
}

impl Default for Hidden {
    fn default() -> Self {
        Self::new(String::new())
    }
}

impl PartialEq for Hidden {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Hidden {}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { super::MASK })
    }
}
