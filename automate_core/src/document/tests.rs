//! Documents as people write them, with everything that can be wrong with one.

mod checked;
mod size;
mod ten_mistakes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::definition::{OnUnknown, Retry, StepKind, Trigger, VerifyScheme, Wait};
use super::*;
use crate::actions::ActionMeta;
use crate::expr::{Expressions, FilterRegistry};
use crate::limits;
use crate::status::Effect;

/// Three connectors, with the schemas that the typed layer derives for such inputs.
struct Installed;

impl Installed {
    fn schema(uses: &str) -> Option<Value> {
        Some(match uses {
            "http.request" => json!({
                "type": "object",
                "properties": {
                    "method": { "type": "string", "enum": ["GET", "POST"] },
                    "url": { "type": "string" },
                    "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                    "timeout_ms": { "type": ["integer", "null"], "minimum": 1 },
                    "auth": { "anyOf": [{ "$ref": "#/$defs/Auth" }, { "type": "null" }] }
                },
                "required": ["url"],
                "additionalProperties": false,
                "$defs": {
                    "Auth": {
                        "type": "object",
                        "properties": { "user": { "type": "string" }, "password": { "type": "string" } },
                        "required": ["user", "password"],
                        "additionalProperties": false
                    }
                }
            }),
            "slack.post_message" => json!({
                "type": "object",
                "properties": { "channel": { "type": "string" }, "text": { "type": "string" } },
                "required": ["channel", "text"],
                "additionalProperties": false
            }),
            "log.write" => json!({
                "type": "object",
                "properties": { "message": { "type": "string" } },
                "required": ["message"],
                "additionalProperties": false
            }),
            "data.transform" => json!({ "type": "object", "properties": { "value": {} }, "required": ["value"] }),
            _ => return None,
        })
    }
}

impl Catalog for Installed {
    fn action(&self, uses: &str) -> Option<Arc<ActionMeta>> {
        Some(Arc::new(ActionMeta {
            uses: uses.to_owned(),
            title: uses.to_owned(),
            input_schema: Self::schema(uses)?,
            output_schema: json!(true),
            effect: Effect::Idempotent,
            timeout: None,
            takes_connection: uses == "http.request",
        }))
    }

    fn connectors(&self) -> Vec<String> {
        ["data", "http", "log", "slack"].map(str::to_owned).to_vec()
    }

    fn actions(&self, connector: &str) -> Vec<String> {
        let action = match connector {
            "data" => "transform",
            "http" => "request",
            "log" => "write",
            "slack" => "post_message",
            _ => return Vec::new(),
        };
        vec![action.to_owned()]
    }
}

fn validated(source: &str) -> Validation {
    validate(source, &Installed, &Expressions::new(&FilterRegistry::builtin()))
}

/// Findings as `line code path`.
fn places(findings: &[Diagnostic]) -> Vec<String> {
    findings.iter().map(|f| format!("{} {} {}", f.line, f.code, f.path)).collect()
}

/// What parsing alone says against a source.
fn refused(source: &str) -> Vec<String> {
    places(&parse(source).map(|_| ()).unwrap_err())
}

fn with_steps(steps: &str) -> String {
    format!("workflow: x\nsteps:\n{steps}")
}

const EXAMPLES: [&str; 3] = [
    include_str!("../../../examples/workflows/fan-out.yaml"),
    include_str!("../../../examples/workflows/order-alert.yaml"),
    include_str!("../../../examples/workflows/three-steps.yaml"),
];

#[test]
fn the_examples_have_no_findings() {
    for source in EXAMPLES {
        let validation = validated(source);
        assert_eq!(validation.findings, [], "{source}");
        assert!(validation.document.is_some());
    }
}

#[test]
fn an_example_says_what_it_says() {
    let workflow = parse(EXAMPLES[1]).unwrap().workflow;
    assert_eq!((workflow.slug.as_str(), workflow.title.as_str()), ("order-alert", "Order alert"));
    assert_eq!(workflow.labels["team"], "sales");
    let [Trigger::Webhook(webhook), Trigger::Manual] = &workflow.triggers[..] else { panic!("{workflow:?}") };
    assert_eq!((webhook.path.as_str(), webhook.verify.scheme), ("orders", VerifyScheme::Stripe));
    assert_eq!(webhook.verify.secrets, ["STRIPE_SIGNING"]);
    assert_eq!(webhook.dedupe.as_deref(), Some("{{ event.payload.id }}"));
    let customer = &workflow.steps[1];
    assert_eq!((customer.id.as_str(), customer.pointer.as_str()), ("customer", "/steps/1"));
    assert_eq!(customer.timeout, Some(Duration::from_secs(5)));
    let retry = customer.retry.as_ref().unwrap();
    assert_eq!((retry.max_attempts, retry.initial, retry.max), (4, Duration::from_millis(100), Duration::from_secs(2)));
    assert!(matches!(&customer.kind, StepKind::Uses { action, .. } if action == "http.request"));
    assert_eq!(workflow.steps[2].condition.as_deref(), Some("steps.order.output.total >= 100"));
    assert_eq!(
        workflow.output,
        Some(json!({
            "order": "{{ steps.order.output }}", "announced": "{{ steps.announce.status == 'completed' }}"
        }))
    );
}

#[test]
fn every_part_of_the_language_of_this_version_is_read() {
    let source = "\
workflow: full
description: d
timeout: 1h
retry: { max_attempts: 7, on: [TRANSIENT, RATE_LIMITED] }
on:
  - webhook: a/b
    verify: { scheme: hmac, secrets: [ $secret:A, $secret:vault/B ], header: X-Sign }
  - { webhook: c, verify: { scheme: standard, secret: '{{ secrets.C }}', tolerance: 10m } }
  - { webhook: d, verify: none }
  - { event: 'order.*', filter: event.payload.x, dedupe: '{{ event.id }}' }
steps:
  - { id: a, uses: http.request, connection: crm, with: { url: u }, retry: { initial: 10m }, on_unknown: retry }
  - { id: b, if: true, set: { n: 1 }, needs: [] }
  - { id: c, needs: [a, b], wait: { for: 1h30m } }
  - { id: d, wait: { for: '{{ vars.n }}' } }
  - { id: e, wait: { until: '2026-12-31T18:00:00+01:00' } }
  - { id: f, wait: { until: '{{ vars.n }}' }, continue_on_error: true }
  - { id: g, fail: 'no {{ vars.n }}', on_error: [ { id: mend, set: { m: 2 } } ] }
on_failure:
  - { id: tell, uses: log.write, with: { message: '{{ error.message }}' } }
";
    let validation = validated(source);
    assert_eq!(validation.findings, []);
    let workflow = validation.document.unwrap().workflow;
    let Trigger::Webhook(hmac) = &workflow.triggers[0] else { panic!() };
    assert_eq!(hmac.verify.secrets, ["A", "vault/B"]);
    assert_eq!(hmac.verify.header.as_deref(), Some("x-sign"));
    let Trigger::Webhook(standard) = &workflow.triggers[1] else { panic!() };
    assert_eq!(standard.verify.tolerance, Some(Duration::from_secs(600)));
    let [a, b, c, d, e, f, g] = &workflow.steps[..] else { panic!() };
    // What a step's own policy leaves open is the workflow's; a long first delay stretches the longest.
    let expected = Retry {
        max_attempts: 7,
        initial: Duration::from_secs(600),
        max: Duration::from_secs(600),
        on: vec!["TRANSIENT".to_owned(), "RATE_LIMITED".to_owned()],
        ..Retry::default()
    };
    assert_eq!(a.retry, Some(expected));
    assert_eq!(a.on_unknown, OnUnknown::Retry);
    assert_eq!((b.condition.as_deref(), b.needs.as_deref()), (Some("true"), Some(&[][..])));
    assert_eq!(c.kind, StepKind::Wait(Wait::For(Duration::from_secs(5_400))));
    assert_eq!(d.kind, StepKind::Wait(Wait::ForTemplate("{{ vars.n }}".to_owned())));
    assert!(matches!(e.kind, StepKind::Wait(Wait::Until(at)) if at.to_rfc3339() == "2026-12-31T17:00:00+00:00"));
    assert!(matches!(f.kind, StepKind::Wait(Wait::UntilTemplate(_))) && f.continue_on_error);
    assert_eq!(g.on_error[0].pointer, "/steps/6/on_error/0");
    assert_eq!(workflow.on_failure[0].pointer, "/on_failure/0");
    assert_eq!(order::waits_for(&workflow.steps), [vec![], vec![], vec![0, 1], vec![2], vec![3], vec![4], vec![5]]);
}

#[test]
fn json_and_yaml_are_one_document() {
    let yaml = parse(EXAMPLES[1]).unwrap();
    let json = parse(&serde_json::to_string_pretty(&yaml.value).unwrap()).unwrap();
    assert_eq!(yaml.workflow, json.workflow);
    assert_eq!(canonical_json(&yaml), canonical_json(&json));
    assert_eq!(sha256(&canonical_json(&yaml)).len(), 64);
}

#[test]
fn what_is_not_even_a_mapping_is_refused() {
    assert_eq!(refused(""), ["1 EMPTY_DOCUMENT "]);
    assert_eq!(refused("[]"), ["1 WRONG_TYPE "]);
    assert_eq!(refused("hello"), ["1 WRONG_TYPE "]);
    assert_eq!(refused("{}"), ["1 MISSING_FIELD ", "1 MISSING_FIELD "]);
    assert_eq!(refused("a: [1"), ["2 SYNTAX "]);
}

#[test]
fn w11_a_webhook_says_how_it_is_verified_and_names_its_secret() {
    let on = |trigger: &str| format!("workflow: x\non:\n  - {trigger}\nsteps: [ {{ id: a, set: {{}} }} ]\n");
    assert_eq!(refused(&on("{ webhook: a }")), ["3 MISSING_FIELD /on/0"]);
    assert_eq!(refused(&on("{ webhook: a, verify: stripe }")), ["3 MISSING_FIELD /on/0/verify"]);
    assert_eq!(refused(&on("{ webhook: a, verify: { scheme: github } }")), ["3 MISSING_FIELD /on/0/verify"]);
    assert_eq!(refused(&on("{ webhook: a, verify: { secret: $secret:A } }")), ["3 MISSING_FIELD /on/0/verify"]);
    assert_eq!(
        refused(&on("{ webhook: a, verify: { scheme: md5, secret: $secret:A } }")),
        ["3 INVALID_VALUE /on/0/verify/scheme"]
    );
    assert_eq!(
        refused(&on("{ webhook: a, verify: { scheme: none, secret: $secret:A } }")),
        ["3 INVALID_VALUE /on/0/verify/secret"]
    );
    assert_eq!(
        refused(&on("{ webhook: a, verify: { scheme: slack, secrets: [] } }")),
        ["3 INVALID_VALUE /on/0/verify/secrets"]
    );
    assert_eq!(
        refused(&on("{ webhook: a, verify: { scheme: slack, secret: $secret:A, tolerance: 2h } }")),
        ["3 INVALID_VALUE /on/0/verify/tolerance"]
    );
    let findings = parse(&on("{ webhook: a, verify: { scheme: stripe, secret: whsec_canary } }")).unwrap_err();
    assert_eq!(places(&findings), ["3 SECRET_IN_DOCUMENT /on/0/verify/secret"]);
    assert!(!format!("{findings:?}").contains("canary"));
    let document =
        parse(&on("{ webhook: a, verify: { scheme: github, secret: $secret:A, tolerance: 1m, header: x } }"));
    assert_eq!(
        places(&document.unwrap().warnings),
        ["3 NO_EFFECT /on/0/verify/tolerance", "3 NO_EFFECT /on/0/verify/header"]
    );
}

#[test]
fn triggers_are_one_thing_each_and_all_different() {
    let source = "\
workflow: x
on:
  - { webhook: a, verify: none }
  - { webhook: a, verify: none }
  - { webhook: /b/, verify: none }
  - { event: 'a b' }
  - { manual: true, event: a }
  - { webhok: a }
  - { schedule: '* * * * *', timezone: UTC }
  - { manual: false }
steps: [ { id: a, set: {} } ]
";
    assert_eq!(
        refused(source),
        [
            "4 DUPLICATE_TRIGGER /on/1",
            "5 INVALID_VALUE /on/2/webhook",
            "6 INVALID_VALUE /on/3/event",
            "7 TRIGGER_KIND /on/4",
            "8 TRIGGER_KIND /on/5",
            "9 UNSUPPORTED_FEATURE /on/6/schedule",
            "10 INVALID_VALUE /on/7/manual",
        ]
    );
    let many =
        format!("workflow: x\non: [{}]\nsteps: [{{ id: a, set: {{}} }}]", vec!["{ manual: true }"; 101].join(","));
    assert_eq!(refused(&many), ["2 LIMIT_EXCEEDED /on"]);
}

#[test]
fn the_rest_of_the_language_is_recognised_and_said_not_to_be_in_this_version() {
    let source = "\
workflow: x
concurrency: { key: a }
steps:
  - { id: a, for_each: '{{ inputs }}', max_parallel: 8, steps: [] }
  - { id: b, parallel: [] }
  - { id: c, switch: [], else: [] }
  - { id: d, while: x, steps: [], max_iterations: 3 }
  - { id: e, workflow: other, with: {} }
  - { id: f, wait: { approval: {}, timeout: 1h } }
  - { id: g, wait: { approval: s } }
  - { id: h, uses: a.b, compensate: { uses: a.b } }
";
    let findings = parse(source).unwrap_err();
    assert!(findings.iter().all(|f| f.code == codes::UNSUPPORTED_FEATURE), "{findings:?}");
    let lines: BTreeSet<usize> = findings.iter().map(|f| f.line).collect();
    assert_eq!(lines, (2..=11).filter(|l| *l != 3).collect());
    assert!(findings[0].message.contains("is not in this version"));
}

#[test]
fn f1_cycles_are_spelled_out() {
    let message = |steps: &str| {
        let findings = parse(&with_steps(steps)).unwrap_err();
        assert_eq!(findings[0].code, codes::CYCLE, "{findings:?}");
        (findings[0].message.clone(), findings[0].line, findings[0].path.clone())
    };
    assert_eq!(
        message("  - { id: a, needs: [a], set: {} }\n"),
        ("these steps wait for each other: a -> a".to_owned(), 3, "/steps/0/needs".to_owned())
    );
    assert_eq!(
        message("  - { id: a, needs: [b], set: {} }\n  - { id: b, needs: [a], set: {} }\n").0,
        "these steps wait for each other: a -> b -> a"
    );
    assert_eq!(
        message("  - { id: z, set: {} }\n  - { id: a, needs: [c], set: {} }\n  - { id: b, set: {} }\n  - { id: c, set: {} }\n").0,
        "these steps wait for each other: a -> c -> b -> a; `c` has no `needs`, so it waits for the step before it"
    );
    let nested = "  - { id: o, set: {}, on_error: [ { id: a, needs: [b], set: {} }, { id: b, set: {} } ] }\n";
    assert_eq!(message(nested).2, "/steps/0/on_error/0/needs");
}

#[test]
fn f2_ids_are_there_different_and_usable() {
    let steps = "  - { set: {} }\n  - { id: a-b, set: {} }\n  - { id: c, set: {} }\n  - { id: C, set: {} }\n  - { id: c, set: {} }\n  - { id: d, set: {}, on_error: [ { id: c, set: {} } ] }\n  - 5\n  - { id: 5, set: {} }\n";
    let source = format!("{}on_failure: [ {{ id: d, set: {{}} }} ]\n", with_steps(steps));
    assert_eq!(
        refused(&source),
        [
            "3 MISSING_FIELD /steps/0",
            "4 INVALID_VALUE /steps/1/id",
            "6 DUPLICATE_ID /steps/3/id",
            "7 DUPLICATE_ID /steps/4/id",
            "8 DUPLICATE_ID /steps/5/on_error/0/id",
            "9 WRONG_TYPE /steps/6",
            "10 WRONG_TYPE /steps/7/id",
            "11 DUPLICATE_ID /on_failure/0/id",
        ]
    );
}

#[test]
fn f2_missing_needs_are_named_with_what_was_meant() {
    let findings = parse(&with_steps(
        "  - { id: enrich, set: {} }\n  - id: b\n    needs:\n      - enrich\n      - enrihc\n    set: {}\n",
    ))
    .unwrap_err();
    assert_eq!(places(&findings), ["7 UNKNOWN_STEP /steps/1/needs/1"]);
    assert_eq!(findings[0].suggestion.as_deref(), Some("did you mean `enrich`?"));
    let findings = parse(&with_steps("  - { id: a, needs: a, set: {} }\n")).unwrap_err();
    assert_eq!(findings[0].suggestion.as_deref(), Some("write `[a]`"));
}

#[test]
fn a_step_does_exactly_one_thing() {
    let steps = "  - { id: a }\n  - { id: b, set: {}, fail: x }\n  - { id: c, sett: {} }\n  - { id: d, set: {}, with: {}, connection: c, on_unknown: ask }\n  - { id: e, uses: nodot }\n  - { id: f, wait: {} }\n  - { id: g, wait: { for: 1s, until: x } }\n";
    assert_eq!(
        refused(&with_steps(steps)),
        [
            "3 STEP_KIND /steps/0",
            "4 STEP_KIND /steps/1",
            "5 STEP_KIND /steps/2",
            "5 UNKNOWN_FIELD /steps/2/sett",
            "6 STEP_KIND /steps/3/with",
            "6 STEP_KIND /steps/3/connection",
            "6 STEP_KIND /steps/3/on_unknown",
            "7 INVALID_VALUE /steps/4/uses",
            "8 MISSING_FIELD /steps/5/wait",
            "9 STEP_KIND /steps/6/wait/until",
        ]
    );
}

#[test]
fn f5_numbers_and_lengths_of_time_keep_their_bounds() {
    for (field, code) in [
        ("retry: { max_attempts: 2147483648 }", "INVALID_VALUE"),
        ("retry: { max_attempts: 0 }", "INVALID_VALUE"),
        ("retry: { max_attempts: -1 }", "INVALID_VALUE"),
        ("retry: { max_attempts: 1.5 }", "INVALID_VALUE"),
        ("retry: { max_attempts: '3' }", "WRONG_TYPE"),
        ("retry: { initial: -1s }", "INVALID_VALUE"),
        ("retry: { initial: -1 }", "WRONG_TYPE"),
        ("retry: { initial: 10s, max: 5s }", "INVALID_VALUE"),
        ("retry: { factor: 0.5 }", "INVALID_VALUE"),
        ("retry: { factor: 1e308 }", "INVALID_VALUE"),
        ("retry: { factor: .nan }", "NUMBER_NOT_EXACT"),
        ("retry: { factor: 1e400 }", "NUMBER_NOT_EXACT"),
        ("retry: { jitter: 0.5 }", "WRONG_TYPE"),
        ("retry: { jitter: yes }", "WRONG_TYPE"),
        ("retry: { on: [TRANSIENTT] }", "INVALID_VALUE"),
        ("retry: { on: TRANSIENT }", "WRONG_TYPE"),
        ("retry: 5", "WRONG_TYPE"),
        ("timeout: 0s", "INVALID_VALUE"),
        ("timeout: 3652500d", "INVALID_VALUE"),
        ("timeout: 30", "WRONG_TYPE"),
    ] {
        let found = parse(&with_steps(&format!("  - {{ id: a, uses: a.b, {field} }}\n"))).unwrap_err();
        assert_eq!(found[0].code, code, "{field}: {found:?}");
    }
    for wait in [
        "{ for: 3652500d }",
        "{ for: 5 }",
        "{ until: tomorrow }",
        "{ until: 5m }",
        "{ until: '12026-01-01T00:00:00Z' }",
    ] {
        assert!(parse(&with_steps(&format!("  - {{ id: a, wait: {wait} }}\n"))).is_err(), "{wait}");
    }
}
