//! Dead letters by what failed.

use std::collections::{BTreeMap, HashMap};

use automate_core::fingerprint::Fingerprint;
use automate_core::ids::OutboxId;
use automate_store::outbox::shown::DeadLetter;
use chrono::{DateTime, Utc};

/// Workflows that a group names.
const WORKFLOWS: usize = 5;

/// Dead letters that failed the same way.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) fingerprint: Fingerprint,
    /// When the first and the last of them became dead letters.
    pub(super) first: DateTime<Utc>,
    pub(super) last: DateTime<Utc>,
    /// What the newest of them said.
    pub(super) sample: String,
    /// The workflows whose executions they are, the most affected first, with how many.
    pub(super) workflows: Vec<(String, usize)>,
    /// Workflows besides those.
    pub(super) more_workflows: usize,
    /// The newest first.
    pub(super) letters: Vec<DeadLetter>,
}

impl Group {
    pub(super) fn ids(&self) -> Vec<OutboxId> {
        self.letters.iter().map(|letter| letter.id).collect()
    }
}

/// Groups dead letters, which come newest first: the largest group first, of equal ones the newest.
pub(super) fn grouped(letters: Vec<DeadLetter>) -> Vec<Group> {
    let mut by_print: HashMap<String, (Fingerprint, Vec<DeadLetter>)> = HashMap::new();
    for letter in letters {
        let print = Fingerprint::of(&letter.code, &letter.error);
        by_print.entry(print.id.clone()).or_insert_with(|| (print, Vec::new())).1.push(letter);
    }
    let mut groups: Vec<Group> = by_print.into_values().filter_map(|(print, letters)| group(print, letters)).collect();
    groups.sort_by(|a, b| {
        let newest = || b.last.cmp(&a.last).then_with(|| a.fingerprint.id.cmp(&b.fingerprint.id));
        b.letters.len().cmp(&a.letters.len()).then_with(newest)
    });
    groups
}

fn group(fingerprint: Fingerprint, letters: Vec<DeadLetter>) -> Option<Group> {
    let sample = letters.first()?.error.clone();
    let first = letters.iter().map(|letter| letter.updated_at).min()?;
    let last = letters.iter().map(|letter| letter.updated_at).max()?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for workflow in letters.iter().filter_map(|letter| letter.workflow.as_deref()) {
        *counts.entry(workflow).or_default() += 1;
    }
    let mut workflows: Vec<(String, usize)> = counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    workflows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more_workflows = workflows.len().saturating_sub(WORKFLOWS);
    workflows.truncate(WORKFLOWS);
    Some(Group { fingerprint, first, last, sample, workflows, more_workflows, letters })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(seconds: i64, error: &str, workflow: Option<&str>) -> DeadLetter {
        let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        DeadLetter {
            id: OutboxId::new(),
            kind: "execution".to_owned(),
            key: "k".to_owned(),
            code: "QUARANTINED".to_owned(),
            error: error.to_owned(),
            workflow: workflow.map(str::to_owned),
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn letters_that_failed_alike_are_one_group() {
        let letters = vec![
            letter(5, "order 5 is gone", Some("orders")),
            letter(4, "no route", None),
            letter(3, "order 3 is gone", Some("orders")),
            letter(2, "order 2 is gone", Some("refunds")),
        ];
        let groups = grouped(letters);
        assert_eq!(groups.len(), 2);
        let largest = &groups[0];
        assert_eq!((largest.letters.len(), largest.sample.as_str()), (3, "order 5 is gone"));
        assert_eq!((largest.first.timestamp(), largest.last.timestamp()), (2, 5));
        assert_eq!(largest.workflows, [("orders".to_owned(), 2), ("refunds".to_owned(), 1)]);
        assert_eq!(groups[1].workflows, []);
    }

    #[test]
    fn a_group_names_a_few_workflows_and_counts_the_others() {
        let letters = (0..8).map(|n| letter(n, "same", Some(&format!("w{n}")))).collect();
        let groups = grouped(letters);
        assert_eq!((groups[0].workflows.len(), groups[0].more_workflows), (5, 3));
        assert!(grouped(Vec::new()).is_empty());
    }
}
