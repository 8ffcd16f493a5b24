//! The machine, driven by hand: documents in, commands and states out.

mod signals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use crate::actions::{ActionMeta, Catalog};
use crate::error::{ErrorCode, StepError};
use crate::expr::{Context, Expressions, FilterRegistry};
use crate::status::{Effect, ExecutionStatus, StepStatus};
use crate::store::StepRecord;

/// `pure.x`, `idem.x` and `once.x`.
struct Effects;

impl Catalog for Effects {
    fn action(&self, uses: &str) -> Option<Arc<ActionMeta>> {
        let effect = match uses.split_once('.')? {
            ("pure", _) => Effect::Pure,
            ("idem", _) => Effect::Idempotent,
            ("once", _) => Effect::Once,
            _ => return None,
        };
        Some(Arc::new(ActionMeta {
            uses: uses.to_owned(),
            title: uses.to_owned(),
            input_schema: json!({}),
            output_schema: json!({}),
            effect,
            timeout: None,
            takes_connection: false,
        }))
    }
    fn connectors(&self) -> Vec<String> {
        vec!["idem".into(), "once".into(), "pure".into()]
    }
    fn actions(&self, _connector: &str) -> Vec<String> {
        vec!["x".into()]
    }
}

struct Bench {
    plan: Plan,
    state: Option<State>,
    now: DateTime<Utc>,
    records: BTreeMap<String, StepRecord>,
}

impl Bench {
    fn new(steps: &str) -> Self {
        let source = format!("workflow: w\non: [{{manual: true}}]\n{steps}");
        let document = crate::document::parse(&source).expect("the document parses");
        let expressions = Expressions::new(&FilterRegistry::builtin());
        let plan = Plan::compile(&document.workflow, &expressions, &Effects).expect("the plan compiles");
        let state = Self::fresh(&plan);
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").expect("a date").with_timezone(&Utc);
        Self { plan, state: Some(state), now, records: BTreeMap::new() }
    }

    fn fresh(plan: &Plan) -> State {
        let mut context = Context::new(Arc::new(BTreeMap::new()));
        context.set_event(&json!({"n": 1}), "manual", "test", "e", "2026-01-01T00:00:00Z", &json!({}));
        context.set_inputs(&json!({}));
        State::new(plan, "x1".into(), context)
    }

    fn take(&mut self, happening: Happening) -> Vec<Command> {
        let (state, commands) = step(&self.plan, self.state.take().expect("state"), happening, self.now);
        self.state = Some(state);
        commands
    }

    /// The paths of the actions that begin.
    fn begun(&mut self, happening: Happening) -> Vec<String> {
        let commands = self.take(happening);
        commands
            .iter()
            .filter_map(|command| match command {
                Command::Perform(perform) => Some(self.plan.nodes[perform.node].path.clone()),
                Command::StopActions => None,
            })
            .collect()
    }

    fn ok(&mut self, path: &str, output: Value) -> Vec<String> {
        let node = self.plan.node(path).expect("a step");
        self.begun(Happening::ActionSucceeded { node, output })
    }

    fn err(&mut self, path: &str, code: ErrorCode) -> Vec<String> {
        let node = self.plan.node(path).expect("a step");
        self.begun(Happening::ActionFailed { node, error: StepError::new(code, "no"), draw: 0.0 })
    }

    fn tick(&mut self, seconds: i64) -> Vec<String> {
        self.now += TimeDelta::seconds(seconds);
        self.begun(Happening::Tick)
    }

    fn state(&self) -> &State {
        self.state.as_ref().expect("state")
    }

    fn status(&self, path: &str) -> StepStatus {
        self.state().steps[self.plan.node(path).expect("a step")].status
    }

    /// Records as a driver would, then forgets everything and goes on from the record.
    fn crash(&mut self, show_running: bool) -> Vec<String> {
        self.record(show_running);
        let old = self.state.take().expect("state");
        let mut state = Self::fresh(&self.plan);
        state.status = old.status;
        state.started_at = old.started_at;
        state.error = old.error;
        let mut records: Vec<_> = self.records.values().collect();
        records.sort_by_key(|r| r.seq);
        for record in records {
            assert!(state.restore(&self.plan, record));
        }
        self.state = Some(state);
        self.begun(Happening::Resume)
    }

    fn record(&mut self, show_running: bool) {
        let progress = self.state.as_mut().expect("state").take_progress(&self.plan, show_running);
        for record in progress.steps {
            self.records.insert(record.path.clone(), record);
        }
    }
}

#[test]
fn steps_of_a_block_run_one_after_another_and_see_each_other() {
    let mut b = Bench::new(
        "steps:\n  - {id: a, uses: idem.x, with: {n: '{{ event.payload.n }}'}}\n  - {id: b, uses: idem.x, with: {n: '{{ steps.a.output.n + 1 }}'}}\noutput: {n: '{{ steps.b.output }}'}",
    );
    assert_eq!(b.begun(Happening::Begin), ["a"]);
    let commands = {
        let node = b.plan.node("a").expect("a");
        b.take(Happening::ActionSucceeded { node, output: json!({"n": 41}) })
    };
    let Command::Perform(perform) = &commands[0] else { panic!("b begins") };
    assert_eq!(perform.input, json!({"n": 42}));
    assert_eq!(perform.idempotency_key, "x1:b:0");
    assert!(b.ok("b", json!("done")).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Completed);
    assert_eq!(b.state().output, Some(json!({"n": "done"})));
}

#[test]
fn independent_steps_run_at_once_and_a_join_waits_for_both() {
    let mut b = Bench::new(
        "steps:\n  - {id: s, set: {n: 2}}\n  - {id: l, needs: [s], uses: idem.x}\n  - {id: r, needs: [s], uses: idem.x}\n  - {id: j, needs: [l, r], set: {sum: '{{ steps.l.output + steps.r.output }}'}}",
    );
    assert_eq!(b.begun(Happening::Begin), ["l", "r"]);
    assert!(b.ok("r", json!(3)).is_empty());
    assert_eq!(b.status("j"), StepStatus::Pending);
    assert!(b.ok("l", json!(4)).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Completed);
}

#[test]
fn a_false_condition_skips_and_successors_see_it() {
    let mut b = Bench::new(
        "steps:\n  - {id: a, if: 'event.payload.n > 5', uses: idem.x}\n  - {id: b, set: {was: '{{ steps.a.status }}', out: '{{ steps.a.output }}'}}",
    );
    assert!(b.begun(Happening::Begin).is_empty());
    assert_eq!(b.status("a"), StepStatus::Skipped);
    let out = b.state().steps[b.plan.node("b").expect("b")].output.clone();
    assert_eq!(out, Some(json!({"was": "skipped", "out": null})));
    assert_eq!(b.state().status, ExecutionStatus::Completed);
}

#[test]
fn a_failed_attempt_is_repeated_after_its_delay_and_keeps_its_key() {
    let mut b = Bench::new(
        "steps:\n  - {id: a, uses: idem.x, retry: {max_attempts: 3, initial: 10s, factor: 2, jitter: false}}",
    );
    b.begun(Happening::Begin);
    assert!(b.err("a", ErrorCode::Upstream5xx).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Waiting);
    assert!(b.tick(9).is_empty());
    assert_eq!(b.tick(1), ["a"]);
    b.err("a", ErrorCode::Upstream5xx);
    assert!(b.tick(19).is_empty());
    assert_eq!(b.tick(1), ["a"]);
    b.err("a", ErrorCode::Upstream5xx);
    assert_eq!(b.state().status, ExecutionStatus::Failed);
    let error = b.state().error.clone().expect("an error");
    assert_eq!((error.code.as_str(), error.step.as_deref()), ("UPSTREAM_5XX", Some("a")));
    assert_eq!(b.state().steps[0].attempts.len(), 2);
}

#[test]
fn an_error_that_cannot_pass_is_not_repeated() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: idem.x}");
    b.begun(Happening::Begin);
    b.err("a", ErrorCode::AuthFailed);
    assert_eq!(b.state().status, ExecutionStatus::Failed);
}

#[test]
fn continue_on_error_goes_on_with_the_error_in_sight() {
    let mut b = Bench::new(
        "steps:\n  - {id: a, uses: idem.x, continue_on_error: true}\n  - {id: b, set: {code: '{{ steps.a.error.code }}', status: '{{ steps.a.status }}'}}",
    );
    b.begun(Happening::Begin);
    b.err("a", ErrorCode::NotFound);
    assert_eq!(b.state().status, ExecutionStatus::Completed);
    let out = b.state().steps[1].output.clone();
    assert_eq!(out, Some(json!({"code": "NOT_FOUND", "status": "failed"})));
}

#[test]
fn on_error_runs_its_block_and_the_execution_goes_on_after_it() {
    let mut b = Bench::new(
        "steps:\n  - id: a\n    uses: idem.x\n    on_error:\n      - {id: tell, uses: idem.x, with: {m: '{{ error.code }}'}}\n  - {id: b, uses: idem.x}",
    );
    b.begun(Happening::Begin);
    assert_eq!(b.err("a", ErrorCode::NotFound), ["a/on_error/tell"]);
    assert_eq!(b.ok("a/on_error/tell", json!(null)), ["b"]);
    b.ok("b", json!(null));
    assert_eq!(b.state().status, ExecutionStatus::Completed);
}

#[test]
fn on_failure_runs_when_the_execution_has_failed_and_it_stays_failed() {
    let mut b = Bench::new(
        "steps:\n  - {id: a, fail: 'no {{ event.payload.n }}'}\non_failure:\n  - {id: tell, uses: idem.x, with: {m: '{{ error.message }}'}}",
    );
    assert_eq!(b.begun(Happening::Begin), ["on_failure/tell"]);
    assert_eq!(b.state().steps[b.plan.node("on_failure/tell").expect("tell")].input, Some(json!({"m": "no 1"})));
    b.ok("on_failure/tell", json!(null));
    assert_eq!(b.state().status, ExecutionStatus::Failed);
    assert_eq!(b.state().error.as_ref().map(|e| e.message.as_str()), Some("no 1"));
}

#[test]
fn a_failure_waits_for_running_branches_and_starts_nothing_new() {
    let mut b = Bench::new(
        "steps:\n  - {id: l, needs: [], uses: idem.x}\n  - {id: r, needs: [], uses: idem.x}\n  - {id: after, needs: [r], uses: idem.x}",
    );
    assert_eq!(b.begun(Happening::Begin), ["l", "r"]);
    b.err("l", ErrorCode::AuthFailed);
    assert_eq!(b.state().status, ExecutionStatus::Running);
    assert!(b.ok("r", json!(1)).is_empty());
    assert_eq!(b.status("r"), StepStatus::Completed);
    assert_eq!(b.status("after"), StepStatus::Pending);
    assert_eq!(b.state().status, ExecutionStatus::Failed);
}

#[test]
fn a_wait_goes_on_when_its_time_has_come() {
    let mut b = Bench::new("steps:\n  - {id: w, wait: {for: 1h}}\n  - {id: a, uses: idem.x}");
    assert!(b.begun(Happening::Begin).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Waiting);
    assert_eq!(b.state().next_wake(&b.plan), Some(b.now + TimeDelta::hours(1)));
    assert!(b.tick(3599).is_empty());
    assert_eq!(b.tick(1), ["a"]);
}

#[test]
fn the_executions_timeout_stops_what_runs_and_fails_it() {
    let mut b = Bench::new("timeout: 10s\nsteps:\n  - {id: a, uses: idem.x}");
    b.begun(Happening::Begin);
    b.now += TimeDelta::seconds(10);
    assert_eq!(b.take(Happening::Tick), [Command::StopActions]);
    b.err("a", ErrorCode::Cancelled);
    assert_eq!(b.status("a"), StepStatus::Cancelled);
    assert_eq!(b.state().error.as_ref().map(|e| e.code.as_str()), Some("EXECUTION_TIMEOUT"));
    assert_eq!(b.state().status, ExecutionStatus::Failed);
}

#[test]
fn a_cancel_stops_what_runs_and_starts_nothing() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: idem.x}\n  - {id: b, uses: idem.x}");
    b.begun(Happening::Begin);
    assert_eq!(b.take(Happening::Cancel), [Command::StopActions]);
    assert!(b.ok("a", json!(1)).is_empty());
    assert_eq!(b.status("a"), StepStatus::Completed);
    assert_eq!(b.status("b"), StepStatus::Pending);
    assert_eq!(b.state().status, ExecutionStatus::Cancelled);
}

#[test]
fn a_cancel_ends_a_wait_at_once() {
    let mut b = Bench::new("steps:\n  - {id: w, wait: {for: 1h}}");
    b.begun(Happening::Begin);
    assert!(b.take(Happening::Cancel).is_empty());
    assert_eq!(b.state().status, ExecutionStatus::Cancelled);
    assert_eq!(b.status("w"), StepStatus::Cancelled);
}

#[test]
fn g7_a_once_action_that_a_crash_cut_short_is_outcome_unknown_and_waits_for_a_person() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: once.x}\n  - {id: b, uses: idem.x}");
    assert_eq!(b.begun(Happening::Begin), ["a"]);
    assert!(b.crash(false).is_empty(), "the intent was recorded, so it is not repeated");
    assert_eq!(b.status("a"), StepStatus::OutcomeUnknown);
    assert_eq!(b.state().status, ExecutionStatus::Waiting);
    assert_eq!(b.state().next_wake(&b.plan), None);
}

#[test]
fn g7_the_policy_decides_about_an_unknown_outcome() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: once.x, on_unknown: fail}");
    b.begun(Happening::Begin);
    b.crash(false);
    assert_eq!(b.state().error.as_ref().map(|e| e.code.as_str()), Some("OUTCOME_UNKNOWN"));
    let mut b = Bench::new("steps:\n  - {id: a, uses: once.x, on_unknown: retry, retry: {initial: 1s, jitter: false}}");
    b.begun(Happening::Begin);
    b.crash(false);
    assert_eq!(b.tick(1), ["a"]);
    assert_eq!(b.state().steps[0].attempt, 2);
}

#[test]
fn g7_a_time_out_of_a_once_action_is_an_unknown_outcome_but_a_refused_connection_is_not() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: once.x}");
    b.begun(Happening::Begin);
    b.err("a", ErrorCode::Timeout);
    assert_eq!(b.status("a"), StepStatus::OutcomeUnknown);
    let mut b = Bench::new("steps:\n  - {id: a, uses: once.x}");
    b.begun(Happening::Begin);
    let error = StepError::new(ErrorCode::TransientNetwork, "refused").with_details(json!({"sent": false}));
    b.begun(Happening::ActionFailed { node: 0, error, draw: 0.0 });
    assert_eq!(b.status("a"), StepStatus::Waiting);
}

#[test]
fn g7_a_gateway_without_an_answer_leaves_a_once_action_open_and_another_5xx_does_not() {
    for (status, expected) in [
        (502, StepStatus::OutcomeUnknown),
        (504, StepStatus::OutcomeUnknown),
        (500, StepStatus::Waiting),
        (503, StepStatus::Waiting),
    ] {
        let mut b = Bench::new("steps:\n  - {id: a, uses: once.x}\n  - {id: b, needs: [], uses: idem.x}");
        b.begun(Happening::Begin);
        let error = StepError::new(ErrorCode::Upstream5xx, "no").with_details(json!({ "status": status }));
        for node in 0..2 {
            b.begun(Happening::ActionFailed { node, error: error.clone(), draw: 0.0 });
        }
        assert_eq!((b.status("a"), b.status("b")), (expected, StepStatus::Waiting), "{status}");
    }
}

#[test]
fn g5_an_idempotent_action_is_repeated_after_a_crash_with_the_same_key_and_attempt() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: idem.x}");
    b.begun(Happening::Begin);
    assert_eq!(b.crash(true), ["a"]);
    assert_eq!(b.state().steps[0].attempt, 1, "a crash charges no attempt");
    assert_eq!(b.state().idempotency_key(&b.plan.nodes[0], 0), "x1:a:0");
}

#[test]
fn g6_a_crash_at_every_point_ends_where_the_run_without_it_ends() {
    let document = "steps:\n  - {id: s, set: {n: 2}}\n  - {id: l, needs: [s], uses: idem.x}\n  - {id: r, needs: [s], uses: idem.x, continue_on_error: true}\n  - {id: w, needs: [l], wait: {for: 5s}}\n  - {id: j, needs: [w, r], uses: idem.x, with: {sum: '{{ vars.n + steps.l.output }}'}}\noutput: {sum: '{{ steps.j.output }}'}";
    for crash_at in 0..8 {
        let mut b = Bench::new(document);
        let mut point = 0;
        let mut running: Vec<String> = b.begun(Happening::Begin);
        while b.state().phase != Phase::Ended {
            if point == crash_at {
                running = b.crash(point % 2 == 0);
                point += 1;
                continue;
            }
            point += 1;
            let next = running.pop();
            running.extend(match next {
                None => b.tick(5),
                Some(path) if path == "r" => b.err("r", ErrorCode::NotFound),
                Some(path) if path == "l" => b.ok("l", json!(40)),
                Some(path) => b.ok(&path, json!(42)),
            });
            assert!(point < 100, "it comes to an end (crash at {crash_at})");
        }
        assert_eq!(b.state().status, ExecutionStatus::Completed, "crash at {crash_at}");
        assert_eq!(b.state().output, Some(json!({"sum": 42})), "crash at {crash_at}");
        assert_eq!(b.status("r"), StepStatus::Failed);
        let input = b.state().steps[b.plan.node("j").expect("j")].input.clone();
        assert_eq!(input, Some(json!({"sum": 42})), "crash at {crash_at}");
    }
}

#[test]
fn a_crash_inside_an_error_handler_goes_on_there() {
    let mut b = Bench::new(
        "steps:\n  - id: a\n    uses: idem.x\n    on_error:\n      - {id: one, uses: idem.x}\n      - {id: two, uses: idem.x}\n  - {id: b, uses: idem.x}",
    );
    b.begun(Happening::Begin);
    b.err("a", ErrorCode::NotFound);
    b.ok("a/on_error/one", json!(1));
    assert_eq!(b.crash(false), ["a/on_error/two"]);
    assert_eq!(b.ok("a/on_error/two", json!(1)), ["b"]);
}

#[test]
fn a_crash_inside_on_failure_goes_on_there() {
    let mut b = Bench::new(
        "steps:\n  - {id: a, fail: 'no'}\non_failure:\n  - {id: one, uses: idem.x}\n  - {id: two, uses: idem.x}",
    );
    assert_eq!(b.begun(Happening::Begin), ["on_failure/one"]);
    b.ok("on_failure/one", json!(1));
    assert_eq!(b.crash(false), ["on_failure/two"]);
    b.ok("on_failure/two", json!(1));
    assert_eq!(b.state().status, ExecutionStatus::Failed);
}

#[test]
fn a_template_that_fails_fails_its_step_and_says_where() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: idem.x, with: {u: '{{ steps.nope.output }}'}}");
    b.begun(Happening::Begin);
    let error = b.state().error.clone().expect("an error");
    assert_eq!(error.code, "TEMPLATE_ERROR");
    assert!(error.message.contains("steps.nope"), "{}", error.message);
    assert_eq!(error.step.as_deref(), Some("a"));
}

#[test]
fn t9_a_secret_in_a_variable_or_the_output_is_refused_and_in_an_input_is_redacted() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: idem.x, with: {h: 'Bearer {{ secrets.TOKEN }}'}}");
    b.begun(Happening::Begin);
    assert_eq!(b.state().steps[0].input, Some(json!({"h": "Bearer $secret:TOKEN"})));
    let mut b = Bench::new("steps:\n  - {id: a, set: {h: '{{ secrets.TOKEN }}'}}");
    b.begun(Happening::Begin);
    assert_eq!(b.state().status, ExecutionStatus::Failed);
}

#[test]
fn pure_steps_need_no_record_of_their_own_and_running_ones_are_left_for_later() {
    let mut b = Bench::new("steps:\n  - {id: a, uses: pure.x}\n  - {id: b, uses: idem.x}");
    b.begun(Happening::Begin);
    b.ok("a", json!(1));
    assert!(!b.state().unrecorded_effect);
    b.record(false);
    assert!(b.records.contains_key("a") && !b.records.contains_key("b"));
    b.ok("b", json!(1));
    assert!(b.state().unrecorded_effect);
}

#[test]
fn the_machine_is_deterministic() {
    let run = || {
        let mut b = Bench::new(
            "steps:\n  - {id: a, uses: idem.x}\n  - {id: b, uses: pure.x, with: {v: '{{ steps.a.output }}'}}",
        );
        let mut all = vec![format!("{:?}", b.take(Happening::Begin))];
        all.push(format!("{:?}", b.ok("a", json!({"z": 1, "a": [1, 2]}))));
        b.ok("b", json!(2));
        b.record(false);
        all.push(format!("{:?}", b.records));
        all
    };
    assert_eq!(run(), run());
}

#[test]
fn five_thousand_steps_in_a_row_take_no_quadratic_time() {
    let mut steps = String::from("steps:\n");
    for n in 0..5_000 {
        steps.push_str(&format!("  - {{id: s{n}, set: {{v: {n}}}}}\n"));
    }
    let mut b = Bench::new(&steps);
    let begun = std::time::Instant::now();
    b.begun(Happening::Begin);
    assert_eq!(b.state().status, ExecutionStatus::Completed);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
