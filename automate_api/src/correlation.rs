//! The id that ties a request to its event, executions, outbound calls and log lines.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, in and out.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// An id of the form `^[A-Za-z0-9._-]{1,128}$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// The caller's id where it is well formed and comes once, a fresh one otherwise.
    #[must_use]
    pub fn taken_or_made(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(HEADER).iter();
        match (given.next(), given.next()) {
            (Some(value), None) if is_well_formed(value.as_bytes()) => match value.to_str() {
                Ok(text) => Self(Arc::from(text)),
                Err(_) => Self::made(),
            },
            _ => Self::made(),
        }
    }

    fn made() -> Self {
        Self(automate_core::ids::new_v7().to_string().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&'static str]) -> CorrelationId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        CorrelationId::taken_or_made(&headers)
    }

    #[test]
    fn a_well_formed_id_is_taken() {
        assert_eq!(taken(&["order-1.a_B"]).as_str(), "order-1.a_B");
    }

    #[test]
    fn anything_else_is_replaced_by_a_fresh_id() {
        let long: &'static str = Box::leak("x".repeat(129).into_boxed_str());
        for values in [&[][..], &[""], &["a b"], &["a\tb"], &["<script>"], &[long], &["a", "b"]] {
            let id = taken(values);
            assert_eq!(id.as_str().len(), 36, "{values:?}");
        }
        assert_ne!(taken(&[]), taken(&[]));
    }
}
