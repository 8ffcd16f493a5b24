//! What a tenant may do: allowed actions, reachable hosts, budgets, quotas, retention.
//!
//! [`TenantPolicy`] is the document and decides by itself; [`Policies`] is the port through which
//! the engine asks for one, and through which what was used is known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TenantId;
use crate::limits;
use crate::store::StoreError;

/// The policy of a tenant. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantPolicy {
    /// Actions that may be used: `slack.*`, `http.request`. Absent is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<String>>,
    /// Actions that may not be used, whatever is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied_actions: Vec<String>,
    /// Hosts that outgoing calls may name: `api.example.com`, `*.example.com`. Absent is all that
    /// the installation's own rules let through; nothing here can allow more than those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_hosts: Option<Vec<String>>,
    /// Hosts that outgoing calls may not name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied_hosts: Vec<String>,
    /// Executions started in a day of UTC. Known to a second, so that a burst may pass it by what
    /// one second accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions_per_day: Option<u64>,
    /// Tokens of language models in a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_tokens_per_day: Option<u64>,
    /// Cost of language models in a day of UTC, in millionths of the currency of the price list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_cost_micros_per_day: Option<u64>,
    /// Workflows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_workflows: Option<u64>,
    /// Executions that have not ended. Known to a second, as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued_executions: Option<u64>,
    /// Bytes of an event's payload or of an execution's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_bytes: Option<usize>,
    /// Requests to the API in a minute, of all tokens and sessions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Days that ended executions, events and received webhooks are kept, where that is fewer than
    /// the installation keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

/// What a policy said no to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRefusal {
    /// The field of the policy.
    pub rule: &'static str,
    /// What was asked for and what is allowed.
    pub message: String,
    /// When it may be tried again; absent where waiting does not help.
    pub retry_after: Option<Duration>,
}

impl PolicyRefusal {
    /// A refusal that waiting does not help.
    #[must_use]
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), retry_after: None }
    }

    /// The stable code: `QUOTA_EXCEEDED` where waiting helps, else `POLICY_DENIED`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.retry_after.is_some() { "QUOTA_EXCEEDED" } else { "POLICY_DENIED" }
    }

    /// The same, with when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl fmt::Display for PolicyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tenant's policy says no ({}): {}", self.rule, self.message)
    }
}

impl std::error::Error for PolicyRefusal {}

impl TenantPolicy {
    /// Whether an action (`connector.action`) may be used.
    ///
    /// # Errors
    /// The rule that says no.
    pub fn check_action(&self, uses: &str) -> Result<(), PolicyRefusal> {
        if self.denied_actions.iter().any(|pattern| action_matches(pattern, uses)) {
            return Err(PolicyRefusal::new("denied_actions", format!("`{uses}` may not be used")));
        }
        match &self.allowed_actions {
            Some(allowed) if !allowed.iter().any(|pattern| action_matches(pattern, uses)) => {
                Err(PolicyRefusal::new("allowed_actions", format!("`{uses}` is not among the allowed actions")))
            }
            _ => Ok(()),
        }
    }

    /// Whether an outgoing call may name a host.
    ///
    /// # Errors
    /// The rule that says no.
    pub fn check_host(&self, host: &str) -> Result<(), PolicyRefusal> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.denied_hosts.iter().any(|pattern| host_matches(pattern, &host)) {
            return Err(PolicyRefusal::new("denied_hosts", format!("calls to `{host}` are not allowed")));
        }
        match &self.allowed_hosts {
            Some(allowed) if !allowed.iter().any(|pattern| host_matches(pattern, &host)) => {
                Err(PolicyRefusal::new("allowed_hosts", format!("`{host}` is not among the allowed hosts")))
            }
            _ => Ok(()),
        }
    }

    /// Whether a payload is small enough.
    ///
    /// # Errors
    /// The rule that says no.
    pub fn check_payload(&self, bytes: usize) -> Result<(), PolicyRefusal> {
        match self.max_payload_bytes {
            Some(most) if bytes > most => Err(PolicyRefusal::new(
                "max_payload_bytes",
                format!("the payload has {bytes} bytes, at most {most} are allowed"),
            )),
            _ => Ok(()),
        }
    }

    /// What is wrong with the document itself, as `(field, message)`.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let lists = [
            ("allowed_actions", self.allowed_actions.as_deref().unwrap_or_default()),
            ("denied_actions", &self.denied_actions),
        ];
        for (field, patterns) in lists {
            for pattern in patterns.iter().filter(|pattern| !is_action_pattern(pattern)) {
                problems.push((field, format!("`{}` is neither `connector.action` nor `connector.*`", cut(pattern))));
            }
        }
        let lists = [
            ("allowed_hosts", self.allowed_hosts.as_deref().unwrap_or_default()),
            ("denied_hosts", &self.denied_hosts),
        ];
        for (field, patterns) in lists {
            for pattern in patterns.iter().filter(|pattern| !is_host_pattern(pattern)) {
                problems.push((field, format!("`{}` is neither a host nor `*.domain`", cut(pattern))));
            }
        }
        if self.retention_days.is_some_and(|days| days > limits::RETENTION_DAYS) {
            problems.push(("retention_days", format!("at most {} days", limits::RETENTION_DAYS)));
        }
        let rules = self.denied_actions.len()
            + self.denied_hosts.len()
            + self.allowed_actions.as_ref().map_or(0, Vec::len)
            + self.allowed_hosts.as_ref().map_or(0, Vec::len);
        if rules > limits::POLICY_RULES {
            problems.push(("allowed_hosts", format!("{rules} rules, more than {}", limits::POLICY_RULES)));
        }
        problems
    }
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn is_action_pattern(pattern: &str) -> bool {
    pattern.split_once('.').is_some_and(|(connector, action)| is_word(connector) && (action == "*" || is_word(action)))
}

fn action_matches(pattern: &str, uses: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(connector) => uses.split_once('.').is_some_and(|(own, _)| own == connector),
        None => pattern == uses,
    }
}

fn is_host_pattern(pattern: &str) -> bool {
    let host = pattern.strip_prefix("*.").unwrap_or(pattern);
    !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

/// `*.example.com` has every name below `example.com`, and not that one itself.
fn host_matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}

/// Policies and what was used under them. Asked for each acceptance and each attempt: answers come
/// from memory, at most a few seconds old.
#[async_trait]
pub trait Policies: Send + Sync + 'static {
    /// The policy of a tenant.
    async fn policy(&self, tenant: TenantId) -> Result<Arc<TenantPolicy>, StoreError>;
    /// Whether a tenant may accept a payload of so many bytes that starts so many executions now.
    async fn admit(&self, tenant: TenantId, starts: u64, bytes: usize) -> Result<(), AdmitError>;
    /// Whether a tenant that has so many workflows may have one more.
    async fn admit_workflow(&self, tenant: TenantId, existing: u64) -> Result<(), AdmitError>;
    /// Tenants whose history is kept for less time than the installation's.
    async fn retentions(&self) -> Result<Vec<(TenantId, Duration)>, StoreError>;
    /// Told of each refusal, for the audit log; must not block.
    fn refused(&self, tenant: TenantId, what: &str, refusal: &PolicyRefusal);
}

/// Why something was not admitted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdmitError {
    /// The policy.
    #[error(transparent)]
    Refused(#[from] PolicyRefusal),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// No limits, for engines without governance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unrestricted;

#[async_trait]
impl Policies for Unrestricted {
    async fn policy(&self, _: TenantId) -> Result<Arc<TenantPolicy>, StoreError> {
        Ok(Arc::default())
    }

    async fn admit(&self, _: TenantId, _: u64, _: usize) -> Result<(), AdmitError> {
        Ok(())
    }

    async fn admit_workflow(&self, _: TenantId, _: u64) -> Result<(), AdmitError> {
        Ok(())
    }

    async fn retentions(&self) -> Result<Vec<(TenantId, Duration)>, StoreError> {
        Ok(Vec::new())
    }

    fn refused(&self, _: TenantId, _: &str, _: &PolicyRefusal) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn actions_are_allowed_by_name_or_by_connector_and_denials_win() {
        let policy = TenantPolicy {
            allowed_actions: Some(list(&["slack.*", "http.request"])),
            denied_actions: list(&["slack.update"]),
            ..TenantPolicy::default()
        };
        for uses in ["slack.post_message", "http.request"] {
            assert_eq!(policy.check_action(uses), Ok(()), "{uses}");
        }
        assert_eq!(policy.check_action("slack.update").unwrap_err().rule, "denied_actions");
        for uses in ["http.request2", "slacker.post", "log.write"] {
            assert_eq!(policy.check_action(uses).unwrap_err().rule, "allowed_actions", "{uses}");
        }
        assert_eq!(TenantPolicy::default().check_action("any.thing"), Ok(()));
    }

    #[test]
    fn hosts_are_compared_whole_and_by_label() {
        let policy = TenantPolicy {
            allowed_hosts: Some(list(&["api.example.com", "*.example.org"])),
            denied_hosts: list(&["bad.example.org"]),
            ..TenantPolicy::default()
        };
        for host in ["api.example.com", "API.example.com.", "a.example.org", "a.b.example.org"] {
            assert_eq!(policy.check_host(host), Ok(()), "{host}");
        }
        for host in
            ["example.com", "xapi.example.com", "example.org", "evilexample.org", "bad.example.org", ".example.org"]
        {
            assert!(policy.check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_policy_says_what_is_wrong_with_itself() {
        let policy = TenantPolicy {
            allowed_actions: Some(list(&["slack", "slack.*", "*.x"])),
            denied_hosts: list(&["https://a", "ok.example", "*"]),
            ..TenantPolicy::default()
        };
        let fields: Vec<_> = policy.problems().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["allowed_actions", "allowed_actions", "denied_hosts", "denied_hosts"]);
    }
}
