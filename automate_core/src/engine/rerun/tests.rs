use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::actions::{ActionMeta, Catalog};
use crate::engine::Plan;
use crate::expr::{Expressions, FilterRegistry};

/// `pure.x`, `idem.x` and `once.x`.
struct Effects;

impl Catalog for Effects {
    fn action(&self, uses: &str) -> Option<Arc<ActionMeta>> {
        let effect = match uses.split_once('.')?.0 {
            "pure" => Effect::Pure,
            "idem" => Effect::Idempotent,
            "once" => Effect::Once,
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
        Vec::new()
    }
    fn actions(&self, _connector: &str) -> Vec<String> {
        Vec::new()
    }
}

fn plan(steps: &str) -> Plan {
    let document = crate::document::parse(&format!("workflow: w\n{steps}")).expect("the document parses");
    Plan::compile(&document.workflow, &Expressions::new(&FilterRegistry::builtin()), &Effects).expect("it compiles")
}

fn recorded(plan: &Plan, ended: &[(&str, StepStatus)]) -> Vec<StepRecord> {
    ended
        .iter()
        .zip(0..)
        .map(|(&(path, status), seq)| {
            let node = &plan.nodes[plan.node(path).expect("a step of the plan")];
            StepRecord {
                path: path.to_owned(),
                step_id: node.id.clone(),
                seq,
                uses: node.uses.clone(),
                status,
                attempt: i32::from(node.uses.contains('.') && status != StepStatus::Skipped),
                rerun: 0,
                idempotency_key: format!("x:{path}:0"),
                input: None,
                output: None,
                error: None,
                attempts: Vec::new(),
                wake_at: None,
                started_at: None,
                finished_at: None,
            }
        })
        .collect()
}

fn kept(plan: &Plan, rerun: &Rerun) -> Vec<String> {
    rerun.keep.iter().map(|&ix| plan.nodes[ix].path.clone()).collect()
}

fn paths(rerun: &Rerun, will: Will) -> Vec<&str> {
    rerun.steps.iter().filter(|step| step.will == will).map(|step| step.path.as_str()).collect()
}

use StepStatus::{Cancelled, Completed, Failed, OutcomeUnknown, Skipped};

const FOUR: &str = "steps:\n  - {id: a, uses: idem.x}\n  - {id: b, uses: once.x}\n  - {id: c, uses: pure.x}\n  - {id: d, uses: idem.x}";

#[test]
fn from_the_middle_what_came_before_is_kept_and_the_rest_runs() {
    let plan = plan(FOUR);
    let records = recorded(&plan, &[("a", Completed), ("b", Completed), ("c", Completed), ("d", Failed)]);
    let rerun = rerun(&plan, &records, Some("b")).unwrap();
    assert_eq!(kept(&plan, &rerun), ["a"]);
    assert_eq!(paths(&rerun, Will::Run), ["b", "c", "d"]);
    let repeated: Vec<_> = rerun.repeated_effects.iter().map(|e| (e.path.as_str(), e.effect)).collect();
    assert_eq!(repeated, [("b", Effect::Once), ("d", Effect::Idempotent)]);
    assert!(rerun.warnings.is_empty());
}

#[test]
fn from_the_beginning_nothing_is_kept() {
    let plan = plan(FOUR);
    let records = recorded(&plan, &[("a", Completed), ("b", Completed)]);
    let rerun = rerun(&plan, &records, None).unwrap();
    assert!(rerun.keep.is_empty());
    assert_eq!(paths(&rerun, Will::Run), ["a", "b", "c", "d"]);
    assert_eq!(rerun.repeated_effects.len(), 2, "what had not begun is not repeated");
}

#[test]
fn a_branch_that_does_not_depend_on_the_chosen_step_keeps_its_results() {
    let plan = plan(
        "steps:\n  - {id: s, set: {n: 1}}\n  - {id: l, needs: [s], uses: idem.x}\n  - {id: r, needs: [s], uses: once.x}\n  - {id: j, needs: [l, r], uses: idem.x}",
    );
    let records = recorded(&plan, &[("s", Completed), ("l", Completed), ("r", Completed), ("j", Completed)]);
    let rerun = rerun(&plan, &records, Some("l")).unwrap();
    assert_eq!(kept(&plan, &rerun), ["s", "r"]);
    assert_eq!(paths(&rerun, Will::Run), ["l", "j"]);
}

#[test]
fn a_branch_that_failed_or_was_cut_off_runs_too() {
    let plan = plan(
        "steps:\n  - {id: l, needs: [], uses: idem.x}\n  - {id: r, needs: [], uses: once.x}\n  - {id: u, needs: [], uses: once.x}\n  - {id: j, needs: [l], uses: idem.x}",
    );
    let records = recorded(&plan, &[("l", Completed), ("r", Cancelled), ("u", OutcomeUnknown), ("j", Completed)]);
    let rerun = rerun(&plan, &records, Some("j")).unwrap();
    assert_eq!(kept(&plan, &rerun), ["l"]);
    assert_eq!(paths(&rerun, Will::Run), ["r", "u", "j"]);
    let warned: Vec<_> = rerun.warnings.iter().map(|w| (w.code, w.path.as_deref())).collect();
    assert_eq!(warned, [("OUTCOME_UNKNOWN", Some("u"))]);
}

#[test]
fn a_step_before_the_chosen_one_without_a_result_runs_and_is_named() {
    let plan = plan(FOUR);
    let records = recorded(&plan, &[("a", Completed), ("b", Failed)]);
    let rerun = rerun(&plan, &records, Some("c")).unwrap();
    assert_eq!(kept(&plan, &rerun), ["a"]);
    assert_eq!(rerun.warnings[0].code, "ALSO_RUNS");
    assert_eq!(rerun.warnings[0].path.as_deref(), Some("b"));
}

#[test]
fn a_skipped_step_and_one_that_failed_and_was_gone_past_are_kept() {
    let plan = plan(
        "steps:\n  - {id: a, if: 'false', uses: idem.x}\n  - {id: b, uses: idem.x, continue_on_error: true}\n  - {id: c, uses: idem.x}",
    );
    let records = recorded(&plan, &[("a", Skipped), ("b", Failed), ("c", Completed)]);
    assert_eq!(kept(&plan, &rerun(&plan, &records, Some("c")).unwrap()), ["a", "b"]);
}

const HANDLED: &str = "steps:\n  - id: a\n    uses: idem.x\n    on_error:\n      - {id: one, uses: idem.x}\n      - {id: two, uses: once.x}\n  - {id: b, uses: idem.x}\non_failure:\n  - {id: tell, uses: once.x}";

#[test]
fn a_handled_failure_is_kept_with_its_handlers_and_begins_anew_with_its_step() {
    let plan = plan(HANDLED);
    let records = recorded(
        &plan,
        &[("a", Failed), ("a/on_error/one", Completed), ("a/on_error/two", Completed), ("b", Completed)],
    );
    let from_b = rerun(&plan, &records, Some("b")).unwrap();
    assert_eq!(kept(&plan, &from_b), ["a", "a/on_error/one", "a/on_error/two"]);
    let from_a = rerun(&plan, &records, Some("a")).unwrap();
    assert!(from_a.keep.is_empty());
    assert_eq!(paths(&from_a, Will::Run), ["a", "b"]);
    assert_eq!(paths(&from_a, Will::RunIfFailed), ["a/on_error/one", "a/on_error/two", "on_failure/tell"]);
    let repeated: Vec<_> = from_a.repeated_effects.iter().map(|e| (e.path.as_str(), e.only_if_failed)).collect();
    assert_eq!(repeated, [("a", false), ("a/on_error/one", true), ("a/on_error/two", true), ("b", false)]);
}

#[test]
fn from_inside_a_handler_its_step_stays_failed_and_what_comes_after_it_runs() {
    let plan = plan(HANDLED);
    let records = recorded(&plan, &[("a", Failed), ("a/on_error/one", Completed), ("a/on_error/two", Failed)]);
    let rerun = rerun(&plan, &records, Some("a/on_error/two")).unwrap();
    assert_eq!(kept(&plan, &rerun), ["a", "a/on_error/one"]);
    assert_eq!(paths(&rerun, Will::Run), ["a/on_error/two", "b"]);
}

#[test]
fn nothing_can_begin_where_nothing_is_or_only_a_failure_leads() {
    let plan = plan(HANDLED);
    let records = recorded(&plan, &[("a", Completed), ("b", Completed)]);
    let unknown = rerun(&plan, &records, Some("c")).unwrap_err();
    assert!(matches!(&unknown, RerunError::UnknownStep { known, .. } if known.contains(&"a".to_owned())), "{unknown}");
    for path in ["a/on_error/one", "on_failure/tell"] {
        assert!(matches!(rerun(&plan, &records, Some(path)), Err(RerunError::NotThere { .. })), "{path}");
    }
}

#[test]
fn in_another_version_a_step_is_kept_only_where_path_and_action_are_the_same() {
    let old = plan(FOUR);
    let records = recorded(&old, &[("a", Completed), ("b", Completed), ("c", Completed), ("d", Failed)]);
    let new = plan(
        "steps:\n  - {id: a, uses: idem.x}\n  - {id: b, uses: pure.x}\n  - {id: c, uses: pure.x}\n  - {id: d, uses: idem.x}",
    );
    let rerun = rerun(&new, &records, Some("d")).unwrap();
    assert_eq!(kept(&new, &rerun), ["a"], "b does something else now, and c comes after it");
    let warned: Vec<_> = rerun.warnings.iter().filter_map(|w| w.path.as_deref()).collect();
    assert_eq!(warned, ["b", "c"]);
    assert!(rerun.repeated_effects.iter().all(|effect| effect.path != "b"));
}

#[test]
fn five_thousand_steps_take_no_quadratic_time() {
    let mut steps = String::from("steps:\n");
    for n in 0..5_000 {
        steps.push_str(&format!("  - {{id: s{n}, set: {{v: {n}}}}}\n"));
    }
    let plan = plan(&steps);
    let begun = std::time::Instant::now();
    let rerun = rerun(&plan, &[], Some("s0")).unwrap();
    assert_eq!(rerun.steps.len(), 5_000);
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
}
