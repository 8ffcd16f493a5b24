//! Who asks, how often, and whether they may.

use std::net::IpAddr;
use std::time::Duration;

use automate_core::access::{ActorKind, Principal};
use automate_core::audit::{AuditEntry, AuditOutcome};
use automate_core::ids::TenantId;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::Source;
use crate::Problem;
use crate::v1::auth::AuthError;
use crate::v1::base::{Decision, Limit, Operation, Throttle, ThrottleBy, no_tenant};
use crate::v1::idempotency::name_of;
use crate::v1::state::ApiV1;

/// Authenticates, throttles, permits, in this order.
pub(super) async fn admit(
    api: &ApiV1,
    operation: &Operation,
    headers: &HeaderMap,
    source: &Source,
    limits: &mut HeaderMap,
) -> Result<Principal, Problem> {
    let principal = if operation.access.public {
        Principal::anonymous()
    } else {
        authenticate(api, headers, source, !operation.is_safe()).await?
    };
    throttle(api, operation, &principal, source.address, limits).await?;
    if let Err(problem) = permit(operation, &principal) {
        record(api, operation, &principal, source, &problem).await;
        return Err(problem);
    }
    Ok(principal)
}

/// Who asks. Whoever fails too often from one address is not looked at any more for a while.
pub(crate) async fn authenticate(
    api: &ApiV1,
    headers: &HeaderMap,
    source: &Source,
    unsafe_method: bool,
) -> Result<Principal, Problem> {
    match api.authenticate(headers, source.address, unsafe_method).await {
        Ok(principal) if principal.is_authenticated() => Ok(principal),
        Ok(_) => Err(AuthError::Missing.into()),
        Err(error @ (AuthError::Missing | AuthError::Invalid)) => {
            let limit = api.settings().failures;
            let key = format!("failures:{}", place(source.address));
            let decision = api.limiter().take(&key, &limit).await;
            if decision.allowed { Err(error.into()) } else { Err(too_many(&decision)) }
        }
        Err(error) => Err(error.into()),
    }
}

fn permit(operation: &Operation, principal: &Principal) -> Result<(), Problem> {
    let access = &operation.access;
    if access.public {
        return Ok(());
    }
    let forbidden = |code, detail: String| Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
    if !access.is_declared() {
        return forbidden("FORBIDDEN", "nobody may do this".to_owned());
    }
    if let Some(scope) = access.scope.as_deref().filter(|scope| !principal.has_scope(scope)) {
        return forbidden("SCOPE_REQUIRED", format!("the token lacks the scope `{scope}`"));
    }
    if access.superuser && !principal.is_superuser {
        return forbidden("SUPERUSER_REQUIRED", "this is for superusers".to_owned());
    }
    if let Some(permission) = access.permission.as_deref().filter(|permission| !principal.can(permission)) {
        return forbidden("PERMISSION_REQUIRED", format!("you lack the permission `{permission}`"));
    }
    if operation.tenant_bound && principal.tenant.is_none() {
        return Err(no_tenant());
    }
    Ok(())
}

async fn throttle(
    api: &ApiV1,
    operation: &Operation,
    principal: &Principal,
    address: Option<IpAddr>,
    headers: &mut HeaderMap,
) -> Result<(), Problem> {
    let mut tightest: Option<(Decision, Limit)> = None;
    for throttle in api.settings().throttles.iter().chain(&operation.throttles) {
        let Some((key, limit)) = bucket(throttle, principal, address) else { continue };
        let decision = api.limiter().take(&key, &limit).await;
        if tightest.is_none_or(|(other, _)| decision.remaining < other.remaining || !decision.allowed) {
            tightest = Some((decision, limit));
        }
        if !decision.allowed {
            let limit = metrics::SharedString::from(throttle.name.to_string());
            metrics::counter!("automate_rate_limited_total", "limit" => limit, "by" => throttle.by.as_str())
                .increment(1);
            break;
        }
    }
    let Some((decision, limit)) = tightest else { return Ok(()) };
    for (name, value) in [
        ("ratelimit-limit", limit.burst.max(1)),
        ("ratelimit-remaining", decision.remaining),
        ("ratelimit-reset", whole_seconds(decision.reset)),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    if decision.allowed { Ok(()) } else { Err(too_many(&decision)) }
}

/// The bucket of a request; none where there is nobody to count it to.
fn bucket(throttle: &Throttle, principal: &Principal, address: Option<IpAddr>) -> Option<(String, Limit)> {
    let mut limit = throttle.limit;
    let whose = match throttle.by {
        ThrottleBy::Principal if principal.is_authenticated() => {
            // A token's own limit takes the place of the API's.
            if let (Some(rate), "api") = (principal.rate_per_minute, throttle.name.as_ref()) {
                limit = Limit::per_minute(rate);
            }
            name_of(principal)
        }
        ThrottleBy::Principal => return None,
        ThrottleBy::Tenant => principal.tenant?.to_string(),
        ThrottleBy::Address => place(address),
    };
    Some((format!("{}:{}:{whose}", throttle.name, throttle.by.as_str()), limit))
}

/// An address as buckets name it: whoever has an IPv6 network has more addresses than we have buckets.
fn place(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "unknown".to_owned(),
    }
}

fn too_many(decision: &Decision) -> Problem {
    let seconds = whole_seconds(decision.retry_after).max(1);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", format!("too many requests; try again in {seconds} s"))
        .with_retry_after(Duration::from_secs(seconds.into()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and cut at the type's end")]
fn whole_seconds(seconds: f64) -> u32 {
    seconds.ceil() as u32
}

/// Refusals on record in a minute, of one caller; the others are only counted.
const REFUSALS: Limit = Limit::per_minute(60);

/// Puts a refusal on record.
async fn record(api: &ApiV1, operation: &Operation, principal: &Principal, source: &Source, problem: &Problem) {
    metrics::counter!("automate_api_refusals_total", "code" => problem.code()).increment(1);
    if principal.actor.kind == ActorKind::Anonymous {
        return;
    }
    if !api.limiter().take(&format!("refusals:{}", name_of(principal)), &REFUSALS).await.allowed {
        return;
    }
    let tenant = principal.tenant.unwrap_or(TenantId::DEFAULT);
    let entry = AuditEntry::new(tenant, principal.actor.clone(), "api.refuse")
        .from(source.origin.clone())
        .about("operation", &operation.id)
        .outcome(AuditOutcome::Refused)
        .with(json!({ "code": problem.code(), "detail": problem.detail() }));
    if let Err(error) = api.audit().record(vec![entry]).await {
        tracing::error!(%error, "a refusal is not in the audit log");
    }
}
