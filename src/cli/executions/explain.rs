//! `automate executions explain`.

use automate_core::explain::{Explanation, Reason};
use automate_core::store::version_name;
use chrono::{DateTime, Utc};

use super::OneArgs;
use crate::app::Parts;
use crate::cli::{CliError, TENANT, output};

/// Says why an execution stands where it does.
pub(super) async fn run(parts: &Parts, args: &OneArgs) -> Result<(), CliError> {
    let explanation = parts.engine.explain(TENANT, args.id).await?;
    if args.json.json {
        return output::json(&explanation);
    }
    output::line(told(&explanation));
    Ok(())
}

fn told(explanation: &Explanation) -> String {
    let mut lines = vec![format!(
        "execution {} of {} {}: {}",
        explanation.execution_id,
        explanation.workflow,
        version_name(explanation.version),
        explanation.status
    )];
    for reason in &explanation.reasons {
        lines.push(format!("  {}: {}", reason.code, reason.summary));
        lines.extend(times(reason, explanation.at).map(|text| format!("    {text}")));
    }
    if let Some(holder) = &explanation.holder {
        let lease = holder.lease_until.map(|at| format!(", lease {}", until(at, explanation.at))).unwrap_or_default();
        lines.push(format!("  held by {} {}{lease}", holder.owner, since(holder.since, explanation.at)));
    }
    if let Some(at) = explanation.expected_at {
        lines.push(format!("  goes on by itself {}, at the latest", until(at, explanation.at)));
    }
    if !explanation.remedies.is_empty() {
        lines.push("what you can do:".to_owned());
        let width = explanation.remedies.iter().map(|remedy| remedy.does.chars().count()).max().unwrap_or(0);
        lines.extend(explanation.remedies.iter().map(|r| format!("  {:width$}  {}", r.does, r.command)));
    }
    lines.join("\n")
}

fn times(reason: &Reason, now: DateTime<Utc>) -> Option<String> {
    match (reason.since, reason.until) {
        (None, None) => None,
        (Some(from), None) => Some(since(from, now)),
        (None, Some(to)) => Some(until(to, now)),
        (Some(from), Some(to)) => Some(format!("{}, {}", since(from, now), until(to, now))),
    }
}

fn since(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("since {} UTC ({} ago)", output::time(at), output::length(output::between(at, now)))
}

fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now {
        return format!("until {} UTC (now)", output::time(at));
    }
    format!("until {} UTC (in {})", output::time(at), output::length(output::between(now, at)))
}
