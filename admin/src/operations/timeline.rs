//! When the steps of an execution ran, as bars: laid out without IO, then drawn.
//!
//! Repetitions of a step are one row ("×500: 3 failed"), rows beyond [`ROWS`] are put together, and
//! time in which nothing ran is folded, so that a wait of three days leaves room for what ran in
//! milliseconds.

mod draw;
mod fold;

use automate_core::status::StepStatus;
use automate_store::follow::FollowedStep;
use chrono::{DateTime, Utc};

use super::words;

pub(super) use draw::draw;
pub(super) use fold::Scale;

/// Bars at most.
pub(super) const ROWS: usize = 200;
/// Repetitions of a step that have a row each; with more they are one row.
const REPEATED: usize = 10;

/// One attempt, or a whole step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// When it began.
    pub(super) from: DateTime<Utc>,
    /// When it ended, or now.
    pub(super) to: DateTime<Utc>,
    /// Where it stands.
    pub(super) status: &'static str,
    /// An earlier attempt, that failed.
    pub(super) attempt: bool,
    /// What it is, for those who do not see it.
    pub(super) name: String,
}

/// A row: a step, or several that are alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// What stands before it.
    pub(super) label: String,
    /// What is chosen among the steps where it leads: a path, or a step's name for several.
    pub(super) step: String,
    /// Whether it is several steps.
    pub(super) folded: bool,
    /// Its bars, in time.
    pub(super) bars: Vec<Bar>,
}

/// Everything in its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timeline {
    /// The rows, in the order in which they began.
    pub(super) rows: Vec<Row>,
    /// Where times are.
    pub(super) scale: Scale,
    /// Rows that stand for several steps.
    pub(super) folded: bool,
}

/// Lays out the steps that have begun. `now` is the end of what has not ended.
pub(super) fn layout(steps: &[FollowedStep], began: DateTime<Utc>, now: DateTime<Utc>) -> Timeline {
    let shown: Vec<&FollowedStep> = steps.iter().filter(|step| step.started_at.is_some()).collect();
    let mut groups: Vec<(String, Vec<&FollowedStep>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for step in shown {
        let key = kind_of(&step.path);
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, members)) = groups.get_mut(place) {
            members.push(step);
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (kind, members) in groups {
        if members.len() > REPEATED {
            rows.push(together(&kind, &members, now));
        } else {
            rows.extend(members.into_iter().map(|step| alone(step, now)));
        }
    }
    rows.sort_by_key(|row| row.bars.first().map(|bar| bar.from));
    let bars: usize = rows.iter().map(|row| row.bars.len()).sum();
    if bars > ROWS {
        // The last bar of a row is the step; earlier attempts are told in its name.
        for row in &mut rows {
            let kept = row.bars.len().saturating_sub(1);
            row.bars.drain(..kept);
        }
    }
    if rows.len() > ROWS {
        let size = rows.len().div_ceil(ROWS);
        rows = rows.chunks(size).filter_map(joined).collect();
    }
    let busy: Vec<(DateTime<Utc>, DateTime<Utc>)> = rows
        .iter()
        .flat_map(|row| &row.bars)
        .filter(|bar| bar.status != StepStatus::Waiting.as_str() && bar.status != "wait")
        .map(|bar| (bar.from, bar.to))
        .collect();
    let end = rows.iter().flat_map(|row| &row.bars).map(|bar| bar.to).max().unwrap_or(now);
    let folded = rows.iter().any(|row| row.folded);
    Timeline { scale: Scale::of(began, end.max(began), busy), rows, folded }
}

/// The place in the document: repetitions differ by a number in their path only.
pub(super) fn kind_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| if part.parse::<u64>().is_ok() { "*" } else { part }).collect();
    parts.join("/")
}

fn alone(step: &FollowedStep, now: DateTime<Utc>) -> Row {
    let mut bars = Vec::new();
    let begun = step.started_at.unwrap_or(now);
    let current = u32::try_from(step.attempt).unwrap_or(0);
    let mut from = begun;
    for failed in step.attempts.iter().filter(|failed| failed.started_at >= begun && failed.attempt <= current) {
        let last = failed.attempt == current && step.status.is_finished();
        if last {
            from = failed.started_at;
            continue;
        }
        let took = words::duration(failed.finished_at - failed.started_at);
        bars.push(Bar {
            from: failed.started_at,
            to: failed.finished_at,
            status: "failed",
            attempt: true,
            name: format!("{}: attempt {} failed, {took}", step.path, failed.attempt),
        });
        from = failed.retry_at.unwrap_or(failed.finished_at).min(now);
    }
    let to = step.finished_at.unwrap_or(now).max(from);
    let tries = if step.attempt > 1 { format!(", attempt {}", step.attempt) } else { String::new() };
    let so_far = if step.finished_at.is_none() { " so far" } else { "" };
    bars.push(Bar {
        from,
        to,
        status: if step.uses == "wait" && step.status == StepStatus::Completed { "wait" } else { step.status.as_str() },
        attempt: false,
        name: format!(
            "{}: {}{tries}, {}{so_far}",
            step.path,
            crate::column::words(step.status.as_str()),
            words::duration(to - begun)
        ),
    });
    Row { label: step.path.clone(), step: step.path.clone(), folded: false, bars }
}

/// What stands for several: what needs somebody comes first.
fn worst<'a>(all: impl Iterator<Item = &'a str>) -> &'static str {
    const ORDER: [&str; 8] =
        ["outcome_unknown", "failed", "running", "waiting", "pending", "cancelled", "completed", "skipped"];
    let at = |status: &str| ORDER.iter().position(|word| *word == status).unwrap_or(ORDER.len() - 1);
    all.map(at).min().and_then(|at| ORDER.get(at).copied()).unwrap_or("completed")
}

fn said(count: usize, statuses: &[&str]) -> String {
    let mut parts = Vec::new();
    for word in ["failed", "outcome_unknown", "running", "waiting"] {
        let n = statuses.iter().filter(|status| **status == word).count();
        if n > 0 {
            parts.push(format!("{n} {}", crate::column::words(word)));
        }
    }
    if parts.is_empty() { format!("×{count}") } else { format!("×{count}: {}", parts.join(", ")) }
}

fn together(kind: &str, members: &[&FollowedStep], now: DateTime<Utc>) -> Row {
    let statuses: Vec<&str> = members.iter().map(|step| step.status.as_str()).collect();
    let from = members.iter().filter_map(|step| step.started_at).min().unwrap_or(now);
    let to = members.iter().map(|step| step.finished_at.unwrap_or(now)).max().unwrap_or(now).max(from);
    let label = format!("{kind} {}", said(members.len(), &statuses));
    let name = format!("{label}, {}", words::duration(to - from));
    let bar = Bar { from, to, status: worst(statuses.iter().copied()), attempt: false, name };
    Row { label, step: kind.to_owned(), folded: true, bars: vec![bar] }
}

fn joined(rows: &[Row]) -> Option<Row> {
    let (first, last) = (rows.first()?, rows.last()?);
    if rows.len() == 1 {
        return Some(first.clone());
    }
    let bars: Vec<&Bar> = rows.iter().flat_map(|row| &row.bars).collect();
    let statuses: Vec<&str> = bars.iter().map(|bar| bar.status).collect();
    let (from, to) = (bars.iter().map(|bar| bar.from).min()?, bars.iter().map(|bar| bar.to).max()?);
    let label = format!("{} … {} {}", first.label, last.label, said(rows.len(), &statuses));
    let name = format!("{label}, {}", words::duration(to - from));
    let bar = Bar { from, to, status: worst(statuses.iter().copied()), attempt: false, name };
    Some(Row { label, step: first.step.clone(), folded: true, bars: vec![bar] })
}

#[cfg(test)]
mod tests;
