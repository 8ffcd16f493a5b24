//! `Idempotency-Key`: one key, one effect, one answer.

use automate_core::access::Principal;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::idempotency::{Claim, ClaimedKey, IdempotencyKeys, KeptAnswer, RequestKey};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::base::{Reply, ReplyBody};
use crate::Problem;

/// The header.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key that a request under way holds.
#[derive(Debug, Clone)]
pub(crate) struct HeldKey {
    keys: IdempotencyKeys,
    claimed: ClaimedKey,
}

/// What becomes of a request with a key.
pub(crate) enum Held {
    /// Do it.
    Ours(HeldKey),
    /// It was done; this was the answer.
    Answered(Reply),
}

/// The client's key, where it sent one.
///
/// # Errors
/// 400 where it is not 1 to 255 visible characters, or is there more than once.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(HEADER).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    match (key, all.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "INVALID_IDEMPOTENCY_KEY",
            format!("Idempotency-Key is 1 to {} visible characters, once", limits::IDEMPOTENCY_KEY_BYTES),
        )),
    }
}

/// What a request is, for telling it from another with the same key.
pub(crate) fn hash(method: &http::Method, target: &str, body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), target.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Claims a key.
///
/// # Errors
/// 422 where the key was used for another request, 409 where the request is under way or its answer
/// was not kept; those of the database.
pub(crate) async fn claim(
    keys: &IdempotencyKeys,
    principal: &Principal,
    key: String,
    hash: [u8; 32],
) -> Result<Held, Problem> {
    let key = RequestKey { tenant: principal.tenant, principal: name_of(principal), key };
    match keys.claim(key, hash).await? {
        Claim::Ours(claimed) => Ok(Held::Ours(HeldKey { keys: keys.clone(), claimed })),
        Claim::Answered(answer) => Ok(Held::Answered(replayed(answer)?)),
        Claim::UnderWay => Err(Problem::new(
            StatusCode::CONFLICT,
            "REQUEST_UNDER_WAY",
            "a request with this Idempotency-Key is under way; ask again for its answer",
        )
        .with_retry_after(std::time::Duration::from_secs(1))),
        Claim::OtherRequest => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_KEY_REUSED",
            "this Idempotency-Key was used for another request; use a new one",
        )),
    }
}

/// Who asks, as keys and buckets name them.
pub(crate) fn name_of(principal: &Principal) -> String {
    match (principal.token, principal.user) {
        (Some(token), _) => format!("token:{token}"),
        (None, Some(user)) => format!("user:{user}"),
        (None, None) => format!("{}:{}", principal.actor.kind.as_str(), principal.actor.id),
    }
}

impl HeldKey {
    /// What names the request for ever.
    pub(crate) fn dedupe_key(&self) -> String {
        let key = &self.claimed.key;
        let tenant = key.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [&tenant, &key.principal, &key.key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }

    /// Keeps the answer in the transaction of the effect.
    ///
    /// # Errors
    /// Those of the database, and `Conflict` where the key is not held any more.
    pub(crate) async fn complete_in(&self, txn: &DatabaseTransaction, answer: KeptAnswer) -> Result<(), StoreError> {
        self.keys.complete_in(txn, &self.claimed, answer).await
    }

    /// Keeps the answer, or gives the key up where there was none.
    pub(crate) async fn end(self, ended: Ended) {
        let done = match ended {
            Ended::Answered(answer) => self.keys.complete(self.claimed, answer).await,
            Ended::Undone => self.keys.release(self.claimed).await,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the answer to a request was not kept for its repetition");
        }
    }
}

/// How a request with a key ended.
pub(crate) enum Ended {
    /// With an answer that a repetition gets too.
    Answered(KeptAnswer),
    /// Nothing was done, as far as is known; it may be repeated.
    Undone,
}

impl Ended {
    /// Of a result.
    pub(crate) fn of(result: &Result<Reply, Problem>) -> Self {
        match result {
            Ok(reply) => Self::Answered(kept(reply)),
            Err(problem)
                if !problem.status().is_server_error() && problem.status() != StatusCode::TOO_MANY_REQUESTS =>
            {
                Self::Answered(kept_problem(problem))
            }
            Err(_) => Self::Undone,
        }
    }
}

/// An answer as it is kept.
pub(crate) fn kept(reply: &Reply) -> KeptAnswer {
    let body = match &reply.body {
        _ if reply.confidential => None,
        ReplyBody::Empty => Some(Vec::new()),
        ReplyBody::Json(bytes) | ReplyBody::Bytes(bytes) => Some(bytes.to_vec()),
        ReplyBody::Events(_) => None,
    };
    let mut headers = Map::new();
    if matches!(reply.body, ReplyBody::Json(_)) {
        headers.insert(header::CONTENT_TYPE.to_string(), "application/json".into());
    }
    for (name, value) in &reply.headers {
        if let Ok(value) = value.to_str() {
            headers.insert(name.to_string(), value.into());
        }
    }
    KeptAnswer {
        status: reply.status.as_u16(),
        headers: Value::Object(headers).to_string(),
        body: body.filter(|body| body.len() <= limits::IDEMPOTENT_ANSWER_BYTES),
    }
}

fn kept_problem(problem: &Problem) -> KeptAnswer {
    let headers = serde_json::json!({ "content-type": "application/problem+json" }).to_string();
    KeptAnswer { status: problem.status().as_u16(), headers, body: Some(problem.body(None)) }
}

fn replayed(answer: KeptAnswer) -> Result<Reply, Problem> {
    let Some(body) = answer.body else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "ANSWER_NOT_KEPT",
            "this request was done before; its answer is shown once only, or was too long to be kept",
        ));
    };
    let mut headers = HeaderMap::new();
    let stored: Map<String, Value> = serde_json::from_str(&answer.headers).unwrap_or_default();
    for (name, value) in &stored {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        if let (Some(name), Some(value)) = (name, value.as_str().and_then(|value| HeaderValue::from_str(value).ok())) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    let body = if body.is_empty() { ReplyBody::Empty } else { ReplyBody::Bytes(body.into()) };
    Ok(Reply { status, headers, body, confidential: false })
}
