//! The ID token: whose it is, and that it is for us, for this log-in, now (OpenID Connect Core 1.0,
//! section 3.1.3.7).

use automate_core::limits;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

/// Bytes of a token.
const TOKEN_BYTES: usize = 64 * 1024;
/// Keys of a provider that are looked at.
const KEYS: usize = 100;
/// Bytes of a subject (OpenID Connect Core 1.0, section 2).
const SUBJECT_BYTES: usize = 255;

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdTokenError {
    /// Not a token, or its claims are not those of an ID token.
    #[error("the ID token cannot be read")]
    Malformed,
    /// Signed in a way that we do not take: not at all, or with a shared secret.
    #[error("the ID token's algorithm is not one of RS256, ES256 and EdDSA")]
    Algorithm,
    /// Its key is not among the provider's.
    #[error("the ID token is signed with a key that the provider does not have")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// A claim is not what it must be.
    #[error("the ID token's `{0}` is wrong")]
    Claim(&'static str),
    /// It is over.
    #[error("the ID token is expired, or from the future")]
    Time,
}

/// What a token must say.
#[derive(Debug)]
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e str,
    pub(super) client_id: &'e str,
    pub(super) nonce: &'e str,
    pub(super) now: DateTime<Utc>,
}

/// What an ID token says, by the types that it must have.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    azp: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Who the provider says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) id: String,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    pub(super) name: Option<String>,
}

impl Subject {
    pub(super) fn from_claims(claims: Claims) -> Self {
        Self {
            id: claims.sub,
            email: claims.email,
            email_verified: is_true(claims.email_verified.as_ref()),
            name: claims.name,
        }
    }
}

/// `true`, or the text `true` that some providers write.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

/// The keys of a provider that we can use; one that we cannot read does not spoil the others.
pub(super) fn keys_of(document: &Value) -> Vec<Jwk> {
    let keys = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    keys.iter().take(KEYS).filter_map(|key| serde_json::from_value(key.clone()).ok()).collect()
}

/// Checks a token and answers with what it says.
pub(super) fn verify(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    if token.len() > TOKEN_BYTES || token.split('.').count() != 3 {
        return Err(IdTokenError::Malformed);
    }
    check_header(token)?;
    let header = jsonwebtoken::decode_header(token).map_err(|_| IdTokenError::Algorithm)?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
        return Err(IdTokenError::Algorithm);
    }
    let mut fitting = keys.iter().filter(|key| fits(key, header.alg)).filter(|key| match &header.kid {
        Some(kid) => key.common.key_id.as_ref() == Some(kid),
        None => true,
    });
    let key = fitting.next().ok_or(IdTokenError::UnknownKey)?;
    // Without a name the key must be the only one.
    if header.kid.is_none() && fitting.next().is_some() {
        return Err(IdTokenError::UnknownKey);
    }
    let key = DecodingKey::from_jwk(key).map_err(|_| IdTokenError::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    // The signature here; the claims below, by their types and under our clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let data = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => IdTokenError::Signature,
        jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => IdTokenError::Algorithm,
        _ => IdTokenError::Malformed,
    })?;
    check(&data.claims, expected)?;
    Ok(data.claims)
}

/// Refuses a header that demands what we do not know (RFC 7515, section 4.1.11).
fn check_header(token: &str) -> Result<(), IdTokenError> {
    let head = token.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(head).map_err(|_| IdTokenError::Malformed)?;
    let header: Value = serde_json::from_slice(&bytes).map_err(|_| IdTokenError::Malformed)?;
    if header.get("crit").is_some() { Err(IdTokenError::Malformed) } else { Ok(()) }
}

/// Whether a key may have signed with an algorithm. What the token says about itself does not choose
/// the kind of key: a public key is never a shared secret.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => Some(KeyAlgorithm::RS256),
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            (curve.curve == jsonwebtoken::jwk::EllipticCurve::P256).then_some(KeyAlgorithm::ES256)
        }
        (AlgorithmParameters::OctetKeyPair(curve), Algorithm::EdDSA) => {
            (curve.curve == jsonwebtoken::jwk::EllipticCurve::Ed25519).then_some(KeyAlgorithm::EdDSA)
        }
        _ => None,
    };
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    signs && kind.is_some_and(|kind| key.common.key_algorithm.is_none_or(|own| own == kind))
}

fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    if claims.iss != expected.issuer {
        return Err(IdTokenError::Claim("iss"));
    }
    let audience: &[String] = match &claims.aud {
        Audience::One(one) => std::slice::from_ref(one),
        Audience::Many(many) => many,
    };
    if !audience.iter().any(|one| one == expected.client_id) {
        return Err(IdTokenError::Claim("aud"));
    }
    let party = claims.azp.as_deref();
    if party.is_some_and(|party| party != expected.client_id) || (audience.len() > 1 && party.is_none()) {
        return Err(IdTokenError::Claim("azp"));
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(IdTokenError::Claim("nonce"));
    }
    if claims.sub.is_empty() || claims.sub.len() > SUBJECT_BYTES || claims.sub.contains('\0') {
        return Err(IdTokenError::Claim("sub"));
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double")]
    let now = expected.now.timestamp() as f64;
    let leeway = limits::PROVIDER_CLOCK.as_secs_f64();
    // Written so that a value that is no number is refused.
    let in_time = claims.exp > now - leeway
        && claims.iat < now + leeway
        && claims.iat > now - limits::LOGIN_FLOW.as_secs_f64() - leeway
        && claims.nbf.is_none_or(|nbf| nbf < now + leeway);
    if in_time { Ok(()) } else { Err(IdTokenError::Time) }
}
