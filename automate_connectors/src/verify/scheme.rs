//! One function per scheme, on shared ground: reading a header once, decoding to a fixed length,
//! comparing in constant time.

use std::borrow::Cow;
use std::time::Duration;

use automate_core::document::definition::VerifyScheme;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{MAX_HEADER_BYTES, MAX_ID_BYTES, MAX_SECRETS, MAX_SIGNATURES, Signed, Verified, VerifyError};

/// Bytes of an HMAC-SHA256.
const MAC_BYTES: usize = 32;

type MacBytes = [u8; MAC_BYTES];

pub(super) fn hmac(request: &Signed<'_>, secrets: &[&str], header: &str) -> Result<Verified, VerifyError> {
    let value = only(request.headers, header, VerifyScheme::Hmac)?;
    let given = hex_mac(value.strip_prefix("sha256=").unwrap_or(value));
    matches_any(VerifyScheme::Hmac, &[request.body], &raw_keys(secrets), given.as_slice())?;
    Ok(Verified::default())
}

pub(super) fn github(request: &Signed<'_>, secrets: &[&str]) -> Result<Verified, VerifyError> {
    const SIGNATURE: &str = "x-hub-signature-256";
    const DELIVERY: &str = "x-github-delivery";
    // The older `x-hub-signature` (SHA-1) is never looked at.
    let value = only(request.headers, SIGNATURE, VerifyScheme::Github)?;
    let hex = value.strip_prefix("sha256=").ok_or_else(|| malformed(SIGNATURE, VerifyScheme::Github))?;
    let given = hex_mac(hex);
    let delivery_id = match request.headers.contains_key(DELIVERY) {
        true => Some(id(request.headers, DELIVERY, VerifyScheme::Github)?),
        false => None,
    };
    matches_any(VerifyScheme::Github, &[request.body], &raw_keys(secrets), given.as_slice())?;
    Ok(Verified { delivery_id, timestamp: None })
}

pub(super) fn standard(
    request: &Signed<'_>,
    secrets: &[&str],
    tolerance: Duration,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    const SCHEME: VerifyScheme = VerifyScheme::Standard;
    let id = id(request.headers, "webhook-id", SCHEME)?;
    // A dot would let the border between id and timestamp move under the same signature.
    if id.contains('.') {
        return Err(VerifyError::InvalidId);
    }
    let seconds = only(request.headers, "webhook-timestamp", SCHEME)?;
    let timestamp = timestamp(seconds, tolerance, now)?;
    let signatures = only(request.headers, "webhook-signature", SCHEME)?;
    if signatures.split(' ').filter(|s| !s.is_empty()).count() > MAX_SIGNATURES {
        return Err(VerifyError::TooManySignatures);
    }
    let given: Vec<MacBytes> = signatures
        .split(' ')
        // `v1a` (ed25519) and anything else is another scheme and counts as absent.
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|text| STANDARD.decode(text).ok()?.try_into().ok())
        .collect();
    let keys: Vec<Cow<'_, [u8]>> = secrets.iter().filter_map(|secret| standard_key(secret)).collect();
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", seconds.as_bytes(), b".", request.body];
    matches_any(SCHEME, &parts, &keys, &given)?;
    Ok(Verified { delivery_id: Some(id), timestamp: Some(timestamp) })
}

pub(super) fn stripe(
    request: &Signed<'_>,
    secrets: &[&str],
    tolerance: Duration,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    const SCHEME: VerifyScheme = VerifyScheme::Stripe;
    const SIGNATURE: &str = "stripe-signature";
    let value = only(request.headers, SIGNATURE, SCHEME)?;
    let mut seconds = None;
    let mut signatures = Vec::new();
    for part in value.split(',') {
        let (key, text) = part.trim().split_once('=').ok_or_else(|| malformed(SIGNATURE, SCHEME))?;
        match key {
            "t" if seconds.replace(text).is_some() => return Err(malformed(SIGNATURE, SCHEME)),
            "v1" if signatures.len() == MAX_SIGNATURES => return Err(VerifyError::TooManySignatures),
            "v1" => signatures.push(text),
            // `v0` is Stripe's test scheme; accepting it would be a downgrade.
            _ => {}
        }
    }
    let seconds = seconds.ok_or_else(|| malformed(SIGNATURE, SCHEME))?;
    let timestamp = timestamp(seconds, tolerance, now)?;
    let given: Vec<MacBytes> = signatures.into_iter().filter_map(hex_mac).collect();
    matches_any(SCHEME, &[seconds.as_bytes(), b".", request.body], &raw_keys(secrets), &given)?;
    Ok(Verified { delivery_id: Some(digest_id(seconds, request.body)), timestamp: Some(timestamp) })
}

pub(super) fn slack(
    request: &Signed<'_>,
    secrets: &[&str],
    tolerance: Duration,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    const SCHEME: VerifyScheme = VerifyScheme::Slack;
    const SIGNATURE: &str = "x-slack-signature";
    let seconds = only(request.headers, "x-slack-request-timestamp", SCHEME)?;
    let timestamp = timestamp(seconds, tolerance, now)?;
    let value = only(request.headers, SIGNATURE, SCHEME)?;
    let given = hex_mac(value.strip_prefix("v0=").ok_or_else(|| malformed(SIGNATURE, SCHEME))?);
    let parts: [&[u8]; 4] = [b"v0:", seconds.as_bytes(), b":", request.body];
    matches_any(SCHEME, &parts, &raw_keys(secrets), given.as_slice())?;
    Ok(Verified { delivery_id: Some(digest_id(seconds, request.body)), timestamp: Some(timestamp) })
}

/// The key of a Standard Webhooks secret: base64 after `whsec_`, the bytes themselves otherwise.
/// Asymmetric keys (`whsk_`, `whpk_`) are none: a public key used as an HMAC key could be used by
/// everybody.
pub(super) fn standard_key(secret: &str) -> Option<Cow<'_, [u8]>> {
    if secret.is_empty() || secret.starts_with("whsk_") || secret.starts_with("whpk_") {
        return None;
    }
    match secret.strip_prefix("whsec_") {
        Some(text) => {
            let key = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
            (!key.is_empty()).then_some(Cow::Owned(key))
        }
        None => Some(Cow::Borrowed(secret.as_bytes())),
    }
}

/// The HMAC-SHA256 of the parts, one after the other.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> MacBytes {
    // The key is brought to the block's size here, as RFC 2104 says, because the constructor for
    // a whole block cannot fail and the one for slices can.
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..MAC_BYTES].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether any key made any of the given signatures. Computes one MAC per key and always compares
/// all pairs.
fn matches_any(
    scheme: VerifyScheme,
    parts: &[&[u8]],
    keys: &[Cow<'_, [u8]>],
    given: &[MacBytes],
) -> Result<(), VerifyError> {
    if keys.is_empty() {
        return Err(VerifyError::NoSecret { scheme: scheme.as_str() });
    }
    let mut found = Choice::from(0);
    for key in keys.iter().take(MAX_SECRETS) {
        let expected = mac(key, parts);
        for signature in given {
            found |= expected.ct_eq(signature);
        }
    }
    if bool::from(found) { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// Secrets that are used as they are. An empty one would let everybody sign.
fn raw_keys<'a>(secrets: &[&'a str]) -> Vec<Cow<'a, [u8]>> {
    secrets.iter().filter(|s| !s.is_empty()).map(|s| Cow::Borrowed(s.as_bytes())).collect()
}

/// A MAC from exactly 64 hexadecimal digits.
fn hex_mac(text: &str) -> Option<MacBytes> {
    let mut bytes = [0; MAC_BYTES];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn malformed(header: &str, scheme: VerifyScheme) -> VerifyError {
    VerifyError::MalformedHeader { header: header.to_owned(), scheme: scheme.as_str() }
}

/// The one value of a header, as text.
fn only<'a>(headers: &'a HeaderMap, name: &str, scheme: VerifyScheme) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| VerifyError::MissingHeader { header: name.to_owned() })?;
    if values.next().is_some() {
        return Err(VerifyError::DuplicateHeader { header: name.to_owned() });
    }
    match value.to_str() {
        Ok(text) if text.len() <= MAX_HEADER_BYTES => Ok(text),
        _ => Err(malformed(name, scheme)),
    }
}

/// A delivery's id: visible ASCII, not too long.
fn id(headers: &HeaderMap, name: &str, scheme: VerifyScheme) -> Result<String, VerifyError> {
    let text = only(headers, name, scheme).map_err(|error| match error {
        VerifyError::MalformedHeader { .. } => VerifyError::InvalidId,
        other => other,
    })?;
    if text.is_empty() || text.len() > MAX_ID_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(VerifyError::InvalidId);
    }
    Ok(text.to_owned())
}

/// A timestamp in whole seconds, near enough to now.
fn timestamp(text: &str, tolerance: Duration, now: DateTime<Utc>) -> Result<DateTime<Utc>, VerifyError> {
    // `parse` would take a sign; twelve digits reach the year 33658.
    if text.is_empty() || text.len() > 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VerifyError::InvalidTimestamp);
    }
    let seconds: i64 = text.parse().map_err(|_| VerifyError::InvalidTimestamp)?;
    let at = DateTime::from_timestamp(seconds, 0).ok_or(VerifyError::InvalidTimestamp)?;
    let off_by = now.timestamp() - seconds;
    if off_by.unsigned_abs() > tolerance.as_secs() {
        return Err(VerifyError::TimestampOutside { off_by, tolerance: tolerance.as_secs() });
    }
    Ok(at)
}

/// What tells deliveries apart where the sender names them only inside the body. It does not
/// depend on the secret, so that it stays the same over a rotation.
fn digest_id(seconds: &str, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(seconds);
    digest.update(b".");
    digest.update(body);
    format!("sha256:{}", hex::encode(digest.finalize()))
}
