//! Forms that do something once, however often they are sent: each carries a token, and what was
//! answered to the first is answered to the second.

use std::future::Future;
use std::time::Duration;

use automate_core::ids::new_v7;
use automate_core::runtime::OperateError;
use automate_core::store::StoreError;
use automate_store::idempotency::{Claim, IdempotencyKeys, KeptAnswer, RequestKey};
use automate_store::resource::ResourceError;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::AdminError;
use crate::http::{Cx, Fields};

/// How long the second of two clicks waits for the first.
const WAITS: Duration = Duration::from_secs(10);

/// A token for a form.
pub(super) fn token() -> String {
    new_v7().to_string()
}

/// The key under which the engine does something once for this form.
pub(super) fn key_of(fields: &Fields) -> Option<String> {
    Some(format!("admin:{}", fields.text("token"))).filter(|key| key.len() > 6 && key.len() < 100)
}

/// Does a deed once for a form, and answers where to go then. The deed is not broken off where the
/// browser goes away.
pub(super) async fn once<F>(cx: &Cx, fields: &Fields, deed: F) -> Result<String, AdminError>
where
    F: Future<Output = Result<String, AdminError>> + Send + 'static,
{
    let Some(key) = key_of(fields) else {
        return Err(AdminError::Form("its token is missing; open the page again".to_owned()));
    };
    let actor = &cx.principal().actor;
    let key = RequestKey { tenant: cx.principal().tenant, principal: format!("user:{}", actor.id), key };
    let mut hash = Sha256::new();
    hash.update(cx.path());
    for (name, value) in fields.pairs() {
        hash.update(name);
        hash.update([0]);
        hash.update(value);
        hash.update([0]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let keys = IdempotencyKeys::new(cx.state().database().clone());
    let work = async move {
        let mut waited = Duration::ZERO;
        let claimed = loop {
            match keys.claim(key.clone(), hash).await? {
                Claim::Ours(claimed) => break claimed,
                Claim::Answered(answer) => return place(&answer),
                Claim::UnderWay if waited < WAITS => {
                    waited += Duration::from_millis(100);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Claim::UnderWay => return Err(AdminError::Busy(WAITS)),
                Claim::OtherRequest => {
                    return Err(AdminError::Form(
                        "it was sent before with something else in it; open it again".to_owned(),
                    ));
                }
            }
        };
        match deed.await {
            Ok(to) => {
                let headers = json!({ "location": to }).to_string();
                keys.complete(claimed, KeptAnswer { status: 303, headers, body: None }).await?;
                Ok(to)
            }
            Err(error) => {
                keys.release(claimed).await?;
                Err(error)
            }
        }
    };
    tokio::spawn(work).await.map_err(|error| AdminError::Internal(format!("a deed: {error}")))?
}

fn place(answer: &KeptAnswer) -> Result<String, AdminError> {
    let headers: Value = serde_json::from_str(&answer.headers).unwrap_or_default();
    let to = headers["location"].as_str().filter(|to| to.starts_with("/admin/"));
    to.map(str::to_owned).ok_or_else(|| AdminError::Internal("an answer that was kept".to_owned()))
}

/// Why an operation was not done, as a page.
pub(super) fn refused(error: OperateError) -> AdminError {
    if error.is_transient() {
        return AdminError::Busy(Duration::from_secs(5));
    }
    let text = error.to_string();
    match (error.code(), error) {
        ("NOT_FOUND", OperateError::Store(_)) => AdminError::NotFound,
        (_, OperateError::Store(StoreError::Conflict(text))) => AdminError::Conflict(text),
        (_, OperateError::Store(error)) => error.into(),
        (_, OperateError::NotEnded { .. } | OperateError::Ended { .. } | OperateError::SignalsFull(_)) => {
            AdminError::Conflict(text)
        }
        (
            _,
            OperateError::Step(_)
            | OperateError::InvalidSignal(_)
            | OperateError::InvalidBulk(_)
            | OperateError::Intake(_),
        ) => AdminError::Resource(ResourceError::Refused(text)),
    }
}
