//! Verification of signed webhook deliveries, as pure functions over the raw body.
//!
//! | scheme     | headers                                                        | signed content     |
//! |------------|----------------------------------------------------------------|--------------------|
//! | `hmac`     | one header (`x-signature`), hex, optionally after `sha256=`     | `body`             |
//! | `standard` | `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`    | `id.timestamp.body`|
//! | `github`   | `x-hub-signature-256: sha256=…`, `x-github-delivery`            | `body`             |
//! | `stripe`   | `stripe-signature: t=…,v1=…`                                    | `t.body`           |
//! | `slack`    | `x-slack-request-timestamp`, `x-slack-signature: v0=…`          | `v0:timestamp:body`|
//!
//! Every scheme is HMAC-SHA256 (RFC 2104). The scheme is the endpoint's, never the request's: a
//! weaker signature beside or instead of the expected one is ignored. Signatures are decoded to 32
//! bytes first and compared in constant time then, so that neither length nor content of a wrong
//! one shows in the time taken.

mod scheme;
mod sign;
#[cfg(test)]
mod tests;

use std::time::Duration;

use automate_core::document::definition::VerifyScheme;
use chrono::{DateTime, Utc};
use http::HeaderMap;

pub use sign::{sign, sign_github, sign_hmac, sign_slack, sign_standard, sign_stripe};

/// How far a timestamp may be from now, where nothing else is configured.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);
/// Signatures in one request; with more, the request is refused before any is computed.
pub const MAX_SIGNATURES: usize = 8;
/// Secrets that are tried; rotation needs two.
pub const MAX_SECRETS: usize = 8;
/// Bytes of a delivery's id.
pub const MAX_ID_BYTES: usize = 256;
/// Bytes of a signature header.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;
/// The header of the plain `hmac` scheme, where nothing else is configured.
pub const DEFAULT_HMAC_HEADER: &str = "x-signature";

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The raw body, before anything parsed it.
    pub body: &'a [u8],
}

/// What a verified delivery says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// What tells this delivery from others; a second one with the same id is a replay.
    ///
    /// `webhook-id` for `standard` and `x-github-delivery` for `github`. `stripe` and `slack` send
    /// none in their headers, so it is a digest of timestamp and body there, which finds exact
    /// replays. `hmac` has none.
    pub delivery_id: Option<String>,
    /// When it was signed, for the schemes that sign a time.
    pub timestamp: Option<DateTime<Utc>>,
}

/// Why a delivery was refused. The texts are for operators; the sender is told nothing but 401
/// (or 400 for [`VerifyError::InvalidId`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header that the scheme needs is not there.
    #[error("the header `{header}` is missing")]
    MissingHeader {
        /// Its name.
        header: String,
    },
    /// A header that must come once came more often.
    #[error("the header `{header}` came more than once")]
    DuplicateHeader {
        /// Its name.
        header: String,
    },
    /// A header cannot be read: not text, too long, not the scheme's form.
    #[error("the header `{header}` is not of the form that the scheme `{scheme}` uses")]
    MalformedHeader {
        /// Its name.
        header: String,
        /// The scheme of the endpoint.
        scheme: &'static str,
    },
    /// More signatures than [`MAX_SIGNATURES`].
    #[error("the request has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// The timestamp is not a number of seconds.
    #[error("the timestamp is not a number of seconds since 1970")]
    InvalidTimestamp,
    /// The timestamp is too old or too new.
    #[error("the timestamp is {off_by} s away from now, more than {tolerance} s")]
    TimestampOutside {
        /// How far, in seconds; positive for the past.
        off_by: i64,
        /// What is tolerated, in seconds.
        tolerance: u64,
    },
    /// The delivery's id has characters or a length that no sender uses.
    #[error("the delivery id is empty, longer than {MAX_ID_BYTES} bytes or has characters outside the allowed ones")]
    InvalidId,
    /// No signature matches any secret.
    #[error("no signature matches")]
    Mismatch,
    /// The endpoint has no secret that the scheme can use.
    #[error("the endpoint has no usable secret for the scheme `{scheme}`")]
    NoSecret {
        /// The scheme of the endpoint.
        scheme: &'static str,
    },
    /// The connector does not receive webhooks.
    #[error("the connector does not verify webhooks")]
    Unsupported,
}

impl VerifyError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingHeader { .. } => "missing_header",
            Self::DuplicateHeader { .. } => "duplicate_header",
            Self::MalformedHeader { .. } => "malformed_header",
            Self::TooManySignatures => "too_many_signatures",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::TimestampOutside { .. } => "timestamp_outside",
            Self::InvalidId => "invalid_id",
            Self::Mismatch => "mismatch",
            Self::NoSecret { .. } => "no_secret",
            Self::Unsupported => "unsupported",
        }
    }

    /// The HTTP status of the answer: 400 for an id that nobody sends in good faith, 401 for
    /// everything else, so that the cause does not show.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::InvalidId => 400,
            _ => 401,
        }
    }
}

/// Verifies a delivery by the scheme of its endpoint. Any of `secrets` may have signed it, so that
/// secrets can be rotated; empty ones and those that the scheme cannot use are passed over.
///
/// `header` names the header of the `hmac` scheme. With [`VerifyScheme::None`] everything passes.
///
/// # Errors
/// [`VerifyError`] saying what does not hold.
pub fn verify(
    scheme: VerifyScheme,
    request: &Signed<'_>,
    secrets: &[&str],
    header: Option<&str>,
    tolerance: Duration,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    match scheme {
        VerifyScheme::None => Ok(Verified::default()),
        VerifyScheme::Hmac => scheme::hmac(request, secrets, header.unwrap_or(DEFAULT_HMAC_HEADER)),
        VerifyScheme::Standard => scheme::standard(request, secrets, tolerance, now),
        VerifyScheme::Stripe => scheme::stripe(request, secrets, tolerance, now),
        VerifyScheme::Github => scheme::github(request, secrets),
        VerifyScheme::Slack => scheme::slack(request, secrets, tolerance, now),
    }
}
