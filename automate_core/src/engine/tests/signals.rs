//! Waits for signals.

use super::*;
use crate::ids::SignalId;

fn sent(n: u128, name: &str) -> Signal {
    Signal { id: SignalId(uuid::Uuid::from_u128(n)), name: name.to_owned(), payload: json!({ "n": n as u64 }) }
}

const ONE: &str = "steps:\n  - {id: w, wait: {signal: go, timeout: 1h}}\n  - {id: a, uses: idem.x, with: {n: '{{ steps.w.output.n }}'}}";

impl Bench {
    fn output(&self, path: &str) -> Option<Value> {
        self.state().steps[self.plan.node(path).expect("a step")].output.clone()
    }
}

#[test]
fn a_step_waits_for_its_signal_and_takes_its_payload_as_output() {
    let mut b = Bench::new(ONE);
    assert!(b.begun(Happening::Begin).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Waiting);
    assert!(b.begun(Happening::Signals(vec![sent(1, "other")])).is_empty());
    assert_eq!(b.begun(Happening::Signals(vec![sent(2, "go")])), ["a"]);
    assert_eq!(b.output("w"), Some(json!({"n": 2})));
}

#[test]
fn a_signal_that_comes_before_its_wait_is_kept_for_it() {
    let mut b =
        Bench::new("steps:\n  - {id: a, uses: idem.x}\n  - {id: w, wait: {signal: go}}\n  - {id: c, uses: idem.x}");
    b.begun(Happening::Begin);
    b.begun(Happening::Signals(vec![sent(1, "go")]));
    assert_eq!(b.ok("a", json!(null)), ["c"]);
}

#[test]
fn signals_of_one_name_are_taken_in_their_order_and_each_once() {
    let mut b = Bench::new(
        "steps:\n  - {id: one, wait: {signal: go}}\n  - {id: two, wait: {signal: go}}\n  - {id: three, wait: {signal: go}}",
    );
    b.begun(Happening::Begin);
    b.begun(Happening::Signals(vec![sent(1, "go"), sent(1, "go"), sent(2, "go")]));
    b.begun(Happening::Signals(vec![sent(2, "go"), sent(1, "go")]));
    assert_eq!((b.output("one"), b.output("two")), (Some(json!({"n": 1})), Some(json!({"n": 2}))));
    assert_eq!(b.status("three"), StepStatus::Waiting);
}

#[test]
fn of_two_steps_that_wait_at_once_the_first_takes_the_first() {
    let mut b = Bench::new(
        "steps:\n  - {id: l, needs: [], wait: {signal: go, timeout: 2h}}\n  - {id: r, needs: [], wait: {signal: go, timeout: 1h}}",
    );
    b.begun(Happening::Begin);
    b.begun(Happening::Signals(vec![sent(1, "go")]));
    assert_eq!((b.status("l"), b.status("r")), (StepStatus::Completed, StepStatus::Waiting));
}

#[test]
fn a_signal_that_never_comes_fails_the_step_with_time_out() {
    let mut b = Bench::new(ONE);
    b.begun(Happening::Begin);
    assert_eq!(b.state().next_wake(&b.plan), Some(b.now + TimeDelta::hours(1)));
    assert!(b.tick(3600).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Failed);
    let error = b.state().error.clone().expect("an error");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("TIMEOUT", "no signal `go` came within 1h"));
}

#[test]
fn on_error_handles_a_signal_that_never_came() {
    let mut b = Bench::new(
        "steps:\n  - id: w\n    wait: {signal: go, timeout: 1m}\n    on_error: [{id: tell, uses: idem.x}]\n  - {id: a, uses: idem.x}",
    );
    b.begun(Happening::Begin);
    assert_eq!(b.tick(60), ["w/on_error/tell"]);
    assert_eq!(b.ok("w/on_error/tell", json!(null)), ["a"]);
}

#[test]
fn what_came_while_nobody_looked_counts_before_the_time_that_passed() {
    let mut b = Bench::new(ONE);
    b.begun(Happening::Begin);
    b.record(false);
    b.now += TimeDelta::hours(2);
    let mut state = Bench::fresh(&b.plan);
    state.started_at = b.state().started_at;
    for record in b.records.values() {
        assert!(state.restore(&b.plan, record));
    }
    state.receive(sent(1, "go"));
    b.state = Some(state);
    assert_eq!(b.begun(Happening::Resume), ["a"]);
}

#[test]
fn a_taken_signal_is_not_taken_again_after_a_crash() {
    let mut b = Bench::new(
        "steps:\n  - {id: one, wait: {signal: go}}\n  - {id: a, uses: idem.x}\n  - {id: two, wait: {signal: go}}",
    );
    b.begun(Happening::Begin);
    assert_eq!(b.begun(Happening::Signals(vec![sent(1, "go")])), ["a"]);
    assert!(b.state().unrecorded_effect, "which step took it is on record before the next effect");
    assert_eq!(b.crash(false), ["a"]);
    b.begun(Happening::Signals(vec![sent(1, "go")]));
    b.ok("a", json!(null));
    assert_eq!(b.status("two"), StepStatus::Waiting);
}

#[test]
fn a_cancel_ends_a_wait_for_a_signal_and_later_ones_change_nothing() {
    let mut b = Bench::new(ONE);
    b.begun(Happening::Begin);
    b.take(Happening::Cancel);
    assert_eq!(b.state().status, ExecutionStatus::Cancelled);
    assert!(b.begun(Happening::Signals(vec![sent(1, "go")])).is_empty());
    assert_eq!(b.status("w"), StepStatus::Cancelled);
}
