use automate_core::error::{ErrorCode, StepError};
use automate_core::store::FailedAttempt;
use chrono::TimeDelta;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn execution(status: ExecutionStatus) -> Followed {
    Followed {
        status,
        attempt: 1,
        created_at: at(0),
        started_at: (status != ExecutionStatus::Pending).then(|| at(1)),
        finished_at: status.is_terminal().then(|| at(100)),
        error: None,
        steps: Vec::new(),
    }
}

fn step(seq: i32, path: &str, status: StepStatus, from: i64, to: Option<i64>) -> FollowedStep {
    FollowedStep {
        path: path.to_owned(),
        step_id: path.to_owned(),
        seq,
        uses: "http.request".to_owned(),
        status,
        attempt: 1,
        rerun: 0,
        error: None,
        attempts: Vec::new(),
        wake_at: None,
        started_at: Some(at(from)),
        finished_at: to.map(at),
    }
}

fn failed(attempt: u32, from: i64, to: i64, retry: Option<i64>) -> FailedAttempt {
    FailedAttempt {
        attempt,
        started_at: at(from),
        finished_at: at(to),
        error: StepError::new(ErrorCode::Timeout, "slow"),
        retry_at: retry.map(at),
    }
}

fn lines(happened: &[Happened]) -> Vec<String> {
    let line = |happened: &Happened| {
        let event = &happened.event;
        match &event.path {
            Some(path) => format!("{} {path} {}", event.kind, event.attempt),
            None => format!("{} {}", event.kind, event.attempt),
        }
    };
    happened.iter().map(line).collect()
}

fn advance(place: &mut Place, now: &Followed) -> Vec<String> {
    lines(&place.advance(ExecutionId(Uuid::nil()), now))
}

#[test]
fn a_whole_execution_is_told_in_the_order_of_time() {
    let mut now = execution(ExecutionStatus::Completed);
    now.steps = vec![
        step(0, "a", StepStatus::Completed, 1, Some(4)),
        step(1, "b", StepStatus::Completed, 2, Some(3)),
        FollowedStep { attempt: 0, ..step(2, "c", StepStatus::Skipped, 5, Some(5)) },
    ];
    let mut place = Place::default();
    assert_eq!(
        advance(&mut place, &now),
        [
            "execution.pending 1",
            "execution.running 1",
            "step.started a 1",
            "step.started b 1",
            "step.completed b 1",
            "step.completed a 1",
            "step.skipped c 0",
            "execution.completed 1",
        ]
    );
    assert!(place.is_end());
    assert!(advance(&mut place, &now).is_empty());
}

#[test]
fn from_every_place_the_rest_is_told_and_nothing_twice() {
    let mut now = execution(ExecutionStatus::Failed);
    now.steps = vec![
        step(0, "a", StepStatus::Completed, 1, Some(4)),
        FollowedStep {
            attempt: 3,
            attempts: vec![failed(1, 2, 3, Some(5)), failed(2, 5, 6, Some(8))],
            ..step(1, "b", StepStatus::Failed, 2, Some(9))
        },
        step(2, "on_failure/tell", StepStatus::Completed, 10, Some(11)),
    ];
    let all = Place::default().advance(ExecutionId(Uuid::nil()), &now);
    assert_eq!(
        lines(&all)[2..10],
        [
            "step.started a 1",
            "step.started b 1",
            "step.retrying b 1",
            "step.completed a 1",
            "step.started b 2",
            "step.retrying b 2",
            "step.started b 3",
            "step.failed b 3",
        ]
    );
    for (n, happened) in all.iter().enumerate() {
        let mut place = Place::read(&happened.place).unwrap();
        assert_eq!(place.written(), happened.place);
        assert_eq!(place.advance(ExecutionId(Uuid::nil()), &now), all[n + 1..], "after {happened:?}");
    }
}

#[test]
fn a_step_that_is_recorded_late_is_told_though_later_ones_were() {
    let mut now = execution(ExecutionStatus::Running);
    now.steps = vec![step(1, "quick", StepStatus::Completed, 2, Some(3))];
    let mut place = Place::default();
    advance(&mut place, &now);
    let mut place = Place::read(&place.written()).unwrap();
    now.steps.insert(0, step(0, "slow", StepStatus::Running, 1, None));
    assert_eq!(advance(&mut place, &now), ["step.started slow 1"]);
    now.steps[0] = step(0, "slow", StepStatus::Completed, 1, Some(9));
    assert_eq!(advance(&mut place, &now), ["step.completed slow 1"]);
}

#[test]
fn a_retry_in_place_tells_what_runs_again_and_not_what_stayed() {
    let mut now = execution(ExecutionStatus::Failed);
    now.steps = vec![
        step(0, "a", StepStatus::Completed, 1, Some(2)),
        step(1, "b", StepStatus::Failed, 2, Some(3)),
        step(2, "on_failure/tell", StepStatus::Completed, 3, Some(4)),
        step(3, "on_failure/mail", StepStatus::Completed, 4, Some(5)),
    ];
    let mut place = Place::default();
    advance(&mut place, &now);
    let mut now = Followed { attempt: 2, started_at: None, ..execution(ExecutionStatus::Running) };
    let pending = FollowedStep { attempt: 0, rerun: 1, started_at: None, ..step(1, "b", StepStatus::Pending, 0, None) };
    now.steps = vec![step(0, "a", StepStatus::Completed, 1, Some(2)), pending];
    assert_eq!(advance(&mut place, &now), ["execution.running 2"]);
    now.started_at = Some(at(50));
    now.status = ExecutionStatus::Completed;
    now.steps[1] = FollowedStep { rerun: 1, ..step(2, "b", StepStatus::Completed, 50, Some(51)) };
    now.steps.push(step(3, "c", StepStatus::Completed, 51, Some(52)));
    let rest =
        ["step.started b 1", "step.completed b 1", "step.started c 1", "step.completed c 1", "execution.completed 2"];
    assert_eq!(advance(&mut place.clone(), &now), rest, "whoever saw the retry begin");
    let mut early = Place::default();
    let mut failed = execution(ExecutionStatus::Failed);
    failed.steps = vec![step(0, "a", StepStatus::Completed, 1, Some(2)), step(3, "x", StepStatus::Failed, 3, Some(4))];
    advance(&mut early, &failed);
    let all = advance(&mut early, &now);
    assert_eq!(all[0], "execution.running 2");
    assert_eq!(all[1..], rest, "whoever did not");
}

#[test]
fn waits_and_unknown_outcomes_are_told() {
    let mut now = execution(ExecutionStatus::Waiting);
    now.steps = vec![
        FollowedStep { attempt: 0, wake_at: Some(at(500)), ..step(0, "nap", StepStatus::Waiting, 1, None) },
        step(1, "pay", StepStatus::OutcomeUnknown, 2, None),
    ];
    let mut place = Place::default();
    assert_eq!(
        advance(&mut place, &now)[2..],
        [
            "step.started nap 0",
            "step.waiting nap 0",
            "step.started pay 1",
            "step.outcome_unknown pay 1",
            "execution.waiting 1"
        ]
    );
}

#[test]
fn a_wait_that_is_over_is_told_as_one_that_goes_on() {
    let wait = |status, to| FollowedStep { attempt: 0, uses: "wait".to_owned(), ..step(0, "nap", status, 1, to) };
    let mut now = execution(ExecutionStatus::Running);
    now.steps = vec![wait(StepStatus::Waiting, None)];
    let mut live = Place::default();
    assert_eq!(advance(&mut live, &now)[2..], ["step.started nap 0", "step.waiting nap 0"]);
    now.steps = vec![wait(StepStatus::Completed, Some(9))];
    assert_eq!(advance(&mut live, &now), ["step.completed nap 0"]);
    let late = advance(&mut Place::default(), &now);
    assert_eq!(late[2..], ["step.started nap 0", "step.waiting nap 0", "step.completed nap 0"]);
    now.steps = vec![wait(StepStatus::Completed, Some(1))];
    assert_eq!(advance(&mut Place::default(), &now)[2..], ["step.started nap 0", "step.completed nap 0"], "of no time");
}

#[test]
fn the_place_of_many_steps_is_short() {
    let mut now = execution(ExecutionStatus::Running);
    now.steps = (0..5_000).map(|n| step(n, &format!("s{n}"), StepStatus::Completed, 2, Some(3))).collect();
    let mut place = Place::default();
    place.advance(ExecutionId(Uuid::nil()), &now);
    assert_eq!(place.written(), "1.r.5000x7");
}

#[test]
fn what_is_no_place_is_none() {
    for text in [
        "",
        "1",
        "1.c",
        "x.c.",
        "1.q.",
        "1.c.3",
        "1.c.0x1",
        "1.c.-1x1",
        "1.c.1x-1",
        "1.c.9999999999x1",
        "1.c.99999999x1",
    ] {
        assert_eq!(Place::read(text), None, "{text}");
    }
    assert!(Place::read(&format!("1.c.{}", "1x1_".repeat(10_000))).is_none());
    assert_eq!(Place::read("1.c.").unwrap().written(), "1.c.");
}
