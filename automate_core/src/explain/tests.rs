//! One row per reason.

use chrono::TimeDelta;

use super::*;
use crate::error::{ErrorCode, StepError};
use crate::ids::{TenantId, VersionId, WorkflowId};
use crate::status::{OutboxStatus, StepStatus};
use crate::store::{ExecutionError, ExecutionFacts, ExecutionRecord, FailedAttempt, QueueFacts, StepRecord};

const SET: Circumstances = Circumstances { max_depth: 100, reap_interval: Duration::from_secs(10) };

fn now() -> DateTime<Utc> {
    "2026-05-01T12:00:00Z".parse().expect("a time")
}

fn at(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

fn facts(status: ExecutionStatus) -> ExecutionFacts {
    ExecutionFacts {
        now: now(),
        execution: ExecutionRecord {
            id: ExecutionId(uuid::Uuid::from_u128(1)),
            tenant_id: TenantId::DEFAULT,
            workflow_id: WorkflowId(uuid::Uuid::from_u128(2)),
            workflow: "orders".to_owned(),
            version_id: VersionId(uuid::Uuid::from_u128(3)),
            version: 1,
            status,
            trigger: r#"{"kind":"manual"}"#.into(),
            event_id: None,
            input: None,
            output: None,
            error: None,
            attempt: 1,
            created_at: at(-100),
            started_at: Some(at(-90)),
            finished_at: status.is_terminal().then(|| at(-5)),
            parent_id: None,
            replay_of: None,
            correlation_id: "c".to_owned(),
            cancel_requested_at: None,
        },
        steps: Vec::new(),
        item: None,
        ahead: 0,
        ready: 0,
        busy_workers: 1,
    }
}

fn with_item(status: ExecutionStatus, item: OutboxStatus, next: i64) -> ExecutionFacts {
    let item = QueueFacts {
        id: crate::ids::OutboxId(uuid::Uuid::from_u128(9)),
        status: item,
        priority: 100,
        changed_at: at(-20),
        next_attempt_at: at(next),
        lease_owner: (item == OutboxStatus::Running).then(|| "host-7-abc".to_owned()),
        lease_expires_at: (item == OutboxStatus::Running).then(|| at(25)),
        lost_leases: 0,
        attempt_count: 0,
        max_attempts: 10,
        last_error_code: None,
        last_error: None,
    };
    ExecutionFacts { item: Some(item), ..facts(status) }
}

fn step(path: &str, uses: &str, status: StepStatus) -> StepRecord {
    StepRecord {
        path: path.to_owned(),
        step_id: path.to_owned(),
        seq: 0,
        uses: uses.to_owned(),
        status,
        attempt: 1,
        rerun: 0,
        idempotency_key: "1:pay:0".to_owned(),
        input: None,
        output: None,
        error: None,
        attempts: Vec::new(),
        wake_at: None,
        started_at: Some(at(-80)),
        finished_at: None,
    }
}

fn item(facts: &mut ExecutionFacts) -> &mut QueueFacts {
    facts.item.as_mut().expect("an item")
}

fn commands(explanation: &Explanation) -> Vec<&str> {
    explanation.remedies.iter().map(|remedy| remedy.command.as_str()).collect()
}

/// Explains, and holds what every explanation must have against it.
fn explained(facts: &ExecutionFacts, code: Hold) -> Explanation {
    let explanation = explain(facts, SET);
    assert_eq!(explanation.code, code, "{explanation:#?}");
    assert_eq!(explanation.code, explanation.reasons[0].code);
    assert_eq!(explanation.summary, explanation.reasons[0].summary);
    assert!(!explanation.summary.is_empty());
    assert!(explanation.remedies.iter().all(|remedy| remedy.command.starts_with("automate ")));
    assert!(!explanation.remedies.is_empty() || code == Hold::Cancelling, "one can always do something");
    let json = serde_json::to_value(&explanation).expect("it serialises");
    assert_eq!(json["code"], code.as_str());
    explanation
}

#[test]
fn what_a_worker_holds_names_the_worker_its_step_and_its_lease() {
    let mut facts = with_item(ExecutionStatus::Running, OutboxStatus::Running, -30);
    facts.steps = vec![StepRecord { attempt: 2, ..step("pay", "http.request", StepStatus::Running) }];
    let told = explained(&facts, Hold::Held);
    let holder = told.holder.clone().expect("a holder");
    assert_eq!((holder.owner.as_str(), holder.since, holder.lease_until), ("host-7-abc", at(-20), Some(at(25))));
    assert!(told.moving && told.summary.contains("attempt 2 of step `pay`"), "{}", told.summary);
}

#[test]
fn what_is_being_cancelled_says_since_when() {
    let mut facts = with_item(ExecutionStatus::Running, OutboxStatus::Running, -30);
    facts.execution.cancel_requested_at = Some(at(-3));
    let told = explained(&facts, Hold::Cancelling);
    assert_eq!((told.reasons[0].since, told.cancel_requested_at), (Some(at(-3)), Some(at(-3))));
    assert!(commands(&told).iter().all(|command| !command.contains("cancel")), "it was asked already");
}

#[test]
fn a_lease_that_ran_out_is_taken_back_within_the_reapers_interval() {
    let mut facts = with_item(ExecutionStatus::Running, OutboxStatus::Running, -30);
    item(&mut facts).lease_expires_at = Some(at(-1));
    let told = explained(&facts, Hold::LeaseExpired);
    assert_eq!(told.expected_at, Some(now() + TimeDelta::milliseconds(11_500)));
    assert!(!told.moving && commands(&told).contains(&"automate outbox reap"));
}

#[test]
fn what_is_ready_waits_behind_what_is_before_it() {
    let mut facts = with_item(ExecutionStatus::Pending, OutboxStatus::Pending, -4);
    facts.ahead = 17;
    let told = explained(&facts, Hold::Queued);
    assert_eq!((told.reasons[0].ahead, told.reasons[0].since), (Some(17), Some(at(-4))));
    assert!(told.moving && told.summary.contains("17 items go before it"), "{}", told.summary);
    facts.busy_workers = 0;
    assert!(explain(&facts, SET).summary.contains("look whether one runs"));
}

#[test]
fn what_waits_in_a_full_queue_says_that_it_is_full() {
    let mut facts = with_item(ExecutionStatus::Pending, OutboxStatus::Pending, -4);
    (facts.ahead, facts.ready) = (80, 100);
    assert!(explained(&facts, Hold::Overloaded).summary.contains("new work is refused"));
    assert_eq!(explain(&facts, Circumstances { max_depth: 0, ..SET }).code, Hold::Queued);
}

#[test]
fn what_was_given_back_after_a_death_goes_on_at_its_time() {
    let mut facts = with_item(ExecutionStatus::Running, OutboxStatus::Retry, 3);
    *item(&mut facts) = QueueFacts {
        last_error_code: Some("LEASE_EXPIRED".to_owned()),
        last_error: Some("the lease ran out".to_owned()),
        lost_leases: 2,
        ..item(&mut facts).clone()
    };
    let told = explained(&facts, Hold::GivenBack);
    assert_eq!(told.expected_at, Some(at(3)));
    assert!(told.summary.contains("2 times in a row"), "{}", told.summary);
}

#[test]
fn what_this_program_cannot_run_says_what_it_lacks() {
    let mut facts = with_item(ExecutionStatus::Running, OutboxStatus::Retry, 3);
    *item(&mut facts) = QueueFacts {
        last_error_code: Some("CONFIG_INVALID".to_owned()),
        last_error: Some("there is no action `acme.do`".to_owned()),
        attempt_count: 4,
        ..item(&mut facts).clone()
    };
    let told = explained(&facts, Hold::NotRunnable);
    assert!(told.reasons[0].error.as_ref().is_some_and(|e| e.message.contains("acme.do")));
    assert!(told.summary.contains("6 more times"), "{}", told.summary);
}

#[test]
fn a_timer_says_until_when() {
    let mut facts = with_item(ExecutionStatus::Waiting, OutboxStatus::Pending, 3600);
    facts.steps = vec![StepRecord { wake_at: Some(at(3600)), ..step("pause", "wait", StepStatus::Waiting) }];
    let told = explained(&facts, Hold::Timer);
    assert_eq!((told.expected_at, told.reasons[0].step.as_deref()), (Some(at(3600)), Some("pause")));
    assert_eq!(commands(&told), ["automate executions cancel 00000000-0000-0000-0000-000000000001"]);
}

#[test]
fn a_signal_says_its_name_and_until_when() {
    let mut facts = with_item(ExecutionStatus::Waiting, OutboxStatus::Pending, 60);
    let waiting = step("ok", "wait", StepStatus::Waiting);
    facts.steps = vec![StepRecord { wake_at: Some(at(60)), input: Some(r#"{"signal":"approved"}"#.into()), ..waiting }];
    let told = explained(&facts, Hold::Signal);
    assert_eq!((told.reasons[0].signal.as_deref(), told.reasons[0].until), (Some("approved"), Some(at(60))));
    assert!(commands(&told)[0].contains("executions signal") && commands(&told)[0].contains(" approved "));
}

#[test]
fn a_retry_says_when_and_after_which_error() {
    let mut facts = with_item(ExecutionStatus::Waiting, OutboxStatus::Pending, 8);
    let error = StepError::new(ErrorCode::Upstream5xx, "answered 503");
    let attempt = FailedAttempt {
        attempt: 1,
        started_at: at(-4),
        finished_at: at(-2),
        error: error.clone(),
        retry_at: Some(at(8)),
    };
    let waiting = step("call", "http.request", StepStatus::Waiting);
    facts.steps = vec![StepRecord { wake_at: Some(at(8)), error: Some(error), attempts: vec![attempt], ..waiting }];
    let told = explained(&facts, Hold::Retry);
    assert_eq!((told.expected_at, told.reasons[0].since), (Some(at(8)), Some(at(-2))));
    assert_eq!(told.reasons[0].error.as_ref().map(|e| e.code.as_str()), Some("UPSTREAM_5XX"));
    assert!(told.summary.contains("attempt 2"), "{}", told.summary);
}

#[test]
fn an_unknown_outcome_waits_for_a_person_and_says_how_to_decide() {
    let mut facts = facts(ExecutionStatus::Waiting);
    facts.steps = vec![step("pay", "bank.pay", StepStatus::OutcomeUnknown)];
    let told = explained(&facts, Hold::OutcomeUnknown);
    assert!(told.summary.contains("1:pay:0"), "{}", told.summary);
    assert_eq!(told.expected_at, None);
    assert_eq!(commands(&told).iter().filter(|command| command.contains(" pay --")).count(), 3);
}

#[test]
fn a_dead_letter_says_its_error_and_how_to_requeue_it() {
    let mut facts = with_item(ExecutionStatus::Running, OutboxStatus::Failed, -30);
    item(&mut facts).last_error_code = Some("INTERNAL".to_owned());
    item(&mut facts).last_error = Some("the store refused it".to_owned());
    let told = explained(&facts, Hold::DeadLetter);
    assert!(told.summary.contains("INTERNAL the store refused it"), "{}", told.summary);
    assert_eq!(commands(&told)[0], "automate outbox requeue 00000000-0000-0000-0000-000000000009");
}

#[test]
fn what_was_quarantined_can_be_requeued() {
    let mut facts = with_item(ExecutionStatus::Failed, OutboxStatus::Failed, -30);
    facts.execution.error =
        Some(ExecutionError { code: "QUARANTINED".to_owned(), message: "it kills workers".to_owned(), step: None });
    let told = explained(&facts, Hold::Quarantined);
    assert!(commands(&told)[0].contains("outbox requeue"));
    assert_eq!(told.expected_at, None);
}

#[test]
fn what_nothing_holds_is_called_a_fault() {
    assert!(explained(&facts(ExecutionStatus::Running), Hold::Orphaned).summary.contains("fault"));
}

#[test]
fn what_has_ended_says_how() {
    assert!(commands(&explained(&facts(ExecutionStatus::Completed), Hold::Completed))[0].contains("replay"));
    explained(&facts(ExecutionStatus::Cancelled), Hold::Cancelled);
    let mut facts = facts(ExecutionStatus::Failed);
    facts.execution.error = Some(ExecutionError {
        code: "NOT_FOUND".to_owned(),
        message: "no such order".to_owned(),
        step: Some("call".to_owned()),
    });
    let told = explained(&facts, Hold::Failed);
    assert!(told.summary.contains("at step `call`: NOT_FOUND no such order"), "{}", told.summary);
    let commands = commands(&told);
    assert!(commands[0].contains("retry") && commands[1].ends_with("--from call"), "{commands:?}");
}

#[test]
fn what_waits_for_several_things_names_all_and_the_first_to_end_first() {
    let mut facts = with_item(ExecutionStatus::Waiting, OutboxStatus::Pending, 5);
    let signal = step("ok", "wait", StepStatus::Waiting);
    facts.steps = vec![
        step("pay", "bank.pay", StepStatus::OutcomeUnknown),
        StepRecord { wake_at: Some(at(60)), input: Some(r#"{"signal":"go"}"#.into()), ..signal },
        StepRecord { wake_at: Some(at(5)), ..step("pause", "wait", StepStatus::Waiting) },
    ];
    let told = explained(&facts, Hold::Timer);
    let codes: Vec<Hold> = told.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [Hold::Timer, Hold::Signal, Hold::OutcomeUnknown]);
    assert_eq!(told.expected_at, Some(at(5)));
}

#[test]
fn what_is_not_due_for_no_step_says_so() {
    let told = explained(&with_item(ExecutionStatus::Pending, OutboxStatus::Pending, 5), Hold::Timer);
    assert_eq!(told.expected_at, Some(at(5)));
}

#[test]
fn every_reason_has_a_row_here() {
    let tests = include_str!("tests.rs");
    for hold in Hold::ALL {
        let name = format!("Hold::{hold:?})");
        assert!(tests.contains(&name), "{name}");
    }
}
