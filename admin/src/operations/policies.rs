//! What tenants may do: all policies side by side. Superusers see those of all tenants and change them on
//! the tenants' pages; everybody else sees their own tenant's.

use askama::Template;
use automate_core::limits;
use automate_core::policy::TenantPolicy;
use automate_governance::policy::{self, TenantWithPolicy};
use axum::Router;
use axum::routing::get;

use super::confirm::takes_only;
use super::words::grouped;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::state::AdminState;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/policies/", get(list))
}

struct Row {
    slug: String,
    name: String,
    suspended: bool,
    readable: bool,
    actions: Vec<String>,
    hosts: Vec<String>,
    budgets: Vec<String>,
    quotas: Vec<String>,
    kept: String,
    /// Where it is changed; empty for whoever may not.
    url: String,
}

#[derive(Template)]
#[template(path = "admin/policies/list.html")]
struct PoliciesPage {
    shell: Shell,
    rows: Vec<Row>,
    /// The page behind this one.
    next: String,
}

fn rules(only: Option<&[String]>, denied: &[String]) -> Vec<String> {
    let only = only.map(|only| match only.join(", ") {
        none if none.is_empty() => "none".to_owned(),
        some => format!("only {some}"),
    });
    let denied = (!denied.is_empty()).then(|| format!("not {}", denied.join(", ")));
    only.into_iter().chain(denied).collect()
}

fn most<const N: usize>(all: [(Option<u64>, &str); N]) -> Vec<String> {
    all.into_iter().filter_map(|(most, what)| Some(format!("{} {what}", grouped(most?)))).collect()
}

/// An amount in millionths, as people write it: `12.50`.
fn amount(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let digits = format!("{rest:06}");
    let shown = digits.trim_end_matches('0');
    format!("{}.{shown:0<2}", grouped(whole))
}

fn row(tenant: TenantWithPolicy, changes: bool) -> Row {
    let readable = tenant.policy.is_some();
    let TenantPolicy {
        allowed_actions,
        denied_actions,
        allowed_hosts,
        denied_hosts,
        executions_per_day,
        llm_tokens_per_day,
        llm_cost_micros_per_day,
        max_workflows,
        max_queued_executions,
        max_payload_bytes,
        requests_per_minute,
        retention_days,
    } = tenant.policy.unwrap_or_default();
    let mut budgets = most([(executions_per_day, "executions a day"), (llm_tokens_per_day, "tokens of models a day")]);
    budgets.extend(llm_cost_micros_per_day.map(|micros| format!("{} for models a day", amount(micros))));
    Row {
        url: if changes { format!("/admin/tenants/tenant/{}/policy/", tenant.id) } else { String::new() },
        slug: tenant.slug,
        name: tenant.name,
        suspended: tenant.suspended,
        readable,
        actions: rules(allowed_actions.as_deref(), &denied_actions),
        hosts: rules(allowed_hosts.as_deref(), &denied_hosts),
        budgets,
        quotas: most([
            (max_workflows, "workflows"),
            (max_queued_executions, "executions that have not ended"),
            (max_payload_bytes.map(|bytes| bytes as u64), "bytes of a payload"),
            (requests_per_minute.map(u64::from), "requests a minute"),
        ]),
        kept: retention_days.map(|days| super::words::many(days, "day")).unwrap_or_default(),
    }
}

async fn list(cx: Cx) -> Reply {
    cx.require("tenants.view_policy")?;
    takes_only(&cx, &["after"])?;
    let all = cx.principal().is_superuser;
    let only = if all { None } else { Some(cx.tenant()?) };
    let limit = limits::LIST_LIMIT;
    let mut found = policy::list(cx.state().database(), only, cx.query().text("after"), limit + 1).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| more).map(|last| {
        let after = Fields::of(vec![("after".to_owned(), last.slug.clone())]);
        format!("/admin/policies/{}", after.to_query())
    });
    cx.page(&PoliciesPage {
        shell: cx.shell("Policies"),
        rows: found.into_iter().map(|tenant| row(tenant, all)).collect(),
        next: next.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_said_in_words() {
        let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(rules(None, &[]), Vec::<String>::new());
        assert_eq!(rules(Some(&[]), &[]), ["none"]);
        assert_eq!(
            rules(Some(&words(&["slack.*", "http.request"])), &words(&["http.request"])),
            ["only slack.*, http.request", "not http.request"]
        );
        assert_eq!(most([(Some(1_000), "workflows"), (None, "x")]), ["1\u{202f}000 workflows"]);
        assert_eq!([amount(12_500_000), amount(1), amount(3_000_000)], ["12.50", "0.000001", "3.00"]);
    }
}
