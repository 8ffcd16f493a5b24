//! Documents held against connectors and the template language.

use super::*;

#[test]
fn unknown_connectors_and_actions_are_named_with_what_was_meant() {
    let steps = "  - { id: a, uses: htpp.request, with: { url: x } }\n  - { id: b, uses: http.reqest, with: { url: x } }\n  - { id: c, uses: sap.call }\n  - { id: d, uses: log.write, connection: x, with: { message: m } }\n";
    let findings = validated(&with_steps(steps)).findings;
    assert_eq!(
        places(&findings),
        [
            "3 UNKNOWN_CONNECTOR /steps/0/uses",
            "4 UNKNOWN_ACTION /steps/1/uses",
            "5 UNKNOWN_CONNECTOR /steps/2/uses",
            "6 UNKNOWN_FIELD /steps/3/connection",
        ]
    );
    let suggestions: Vec<_> = findings.iter().map(|f| f.suggestion.as_deref().unwrap()).collect();
    assert_eq!(
        suggestions,
        [
            "did you mean `http.request`?",
            "did you mean `request`?",
            "installed: data, http, log, slack",
            "leave it out"
        ]
    );
}

#[test]
fn an_input_is_held_against_its_schema_as_far_as_it_is_known() {
    let steps = "  - { id: ok, uses: http.request, with: { url: '{{ inputs.u }}', method: '{{ inputs.m }}', timeout_ms: '{{ inputs.t }}', auth: '{{ inputs.a }}' } }
  - { id: whole, uses: http.request, with: '{{ inputs }}' }
  - { id: secret, uses: http.request, with: { url: $env:URL, auth: { user: u, password: $secret:P } } }
  - id: bad
    uses: http.request
    with:
      urll: x
      method: PST
      headers: { a: 1 }
      timeout_ms: soon
      auth: { user: '{{ inputs.u }}', pasword: hunter2 }
  - { id: empty, uses: slack.post_message }
";
    let findings = validated(&with_steps(steps)).findings;
    assert_eq!(
        places(&findings),
        [
            "9 UNKNOWN_FIELD /steps/3/with/urll",
            "9 MISSING_FIELD /steps/3/with",
            "10 INVALID_VALUE /steps/3/with/method",
            "11 WRONG_TYPE /steps/3/with/headers/a",
            "12 WRONG_TYPE /steps/3/with/timeout_ms",
            "13 MISSING_FIELD /steps/3/with/auth",
            "13 UNKNOWN_FIELD /steps/3/with/auth/pasword",
            "14 MISSING_FIELD /steps/4/with",
            "14 MISSING_FIELD /steps/4/with",
        ]
    );
    assert!(!format!("{findings:?}").contains("hunter2"));
}

#[test]
fn templates_are_compiled_where_they_stand() {
    let steps = "  - id: a
    uses: log.write
    with:
      message: |
        one
        {{ inputs.x | nofilter( }}
  - { id: b, if: 'inputs.x ==', set: { list: [ ok, '{{ }' ] } }
  - { id: c, fail: '{% if %}' }
";
    let source = format!("{}output: {{ a: '{{{{ 1 + }}}}' }}\n", with_steps(steps));
    assert_eq!(
        places(&validated(&source).findings),
        [
            "8 TEMPLATE_SYNTAX /steps/0/with/message",
            "9 TEMPLATE_SYNTAX /steps/1/if",
            "9 TEMPLATE_SYNTAX /steps/1/set/list/1",
            "10 TEMPLATE_SYNTAX /steps/2/fail",
            "11 TEMPLATE_SYNTAX /output/a",
        ]
    );
}

#[test]
fn names_are_known_where_they_mean_something() {
    let source = "\
workflow: x
on:
  - { event: a, filter: steps.a, dedupe: '{{ evnt.id }}' }
steps:
  - { id: a, set: { n: '{{ error.message }}', m: '{{ item.x }}', o: '{{ evnt }}' }, on_error: [ { id: mend, set: { e: '{{ error.code ~ steps.a.error }}' } } ] }
  - { id: b, set: { n: '{{ vars.n }}', r: '{{ range(3) | list }}', x: '{{ vars.nn }}' } }
on_failure:
  - { id: c, set: { e: '{{ error.message ~ steps.b.status }}' } }
";
    let findings = validated(source).findings;
    assert_eq!(
        places(&findings),
        [
            "3 UNKNOWN_NAME /on/0/filter",
            "3 UNKNOWN_NAME /on/0/dedupe",
            "5 UNKNOWN_NAME /steps/0/set/n",
            "5 UNKNOWN_NAME /steps/0/set/m",
            "5 UNKNOWN_NAME /steps/0/set/o",
            "6 UNKNOWN_VARIABLE /steps/1/set/x",
        ]
    );
    assert_eq!(findings[4].suggestion.as_deref(), Some("did you mean `event`?"));
    assert_eq!(findings[5].severity, Severity::Warning);
}

#[test]
fn references_to_steps_are_followed() {
    let steps = "  - { id: a, set: { x: 1 } }
  - { id: b, needs: [a], set: { x: '{{ steps.a.output }}' } }
  - { id: c, needs: [a], set: { x: '{{ steps.b.output }}', y: '{{ steps.nope.output }}', z: '{{ steps.c.output }}' } }
  - { id: d, needs: [b, c], set: { x: '{{ steps.a.output ~ steps.b.output }}' }, on_error: [ { id: m, set: { x: '{{ steps.d.error ~ steps.a.output }}' } } ] }
  - { id: e, set: { x: '{{ steps.m.output }}' } }
";
    let source = format!("{}output: '{{{{ steps.a.output ~ steps.bb }}}}'\n", with_steps(steps));
    let findings = validated(&source).findings;
    let seen: Vec<_> = findings.iter().map(|f| (f.line, f.code.as_str(), f.path.as_str(), f.severity)).collect();
    assert_eq!(
        seen,
        [
            (5, codes::STEP_ORDER, "/steps/2/set/x", Severity::Warning),
            (5, codes::UNKNOWN_STEP, "/steps/2/set/y", Severity::Error),
            (5, codes::STEP_ORDER, "/steps/2/set/z", Severity::Warning),
            (7, codes::STEP_ORDER, "/steps/4/set/x", Severity::Warning),
            (8, codes::UNKNOWN_STEP, "/output", Severity::Error),
        ]
    );
    assert_eq!(findings[0].suggestion.as_deref(), Some("add `b` to `needs`"));
}

#[test]
fn inputs_must_be_a_schema_that_needs_nothing_from_elsewhere() {
    let inputs = |schema: &str| {
        places(&validated(&format!("workflow: x\ninputs: {schema}\nsteps: [ {{ id: a, set: {{}} }} ]\n")).findings)
    };
    assert_eq!(inputs("{ type: object, properties: { a: { type: string } } }"), Vec::<String>::new());
    assert_eq!(inputs("{ type: objekt }"), ["2 INVALID_SCHEMA /inputs/type"]);
    assert_eq!(inputs("{ properties: { a: { type: strin } } }"), ["2 INVALID_SCHEMA /inputs/properties/a/type"]);
    assert_eq!(inputs("{ $ref: 'https://example.com/schema.json' }").len(), 1);
    assert_eq!(inputs("{ $schema: 'https://example.com/meta.json' }").len(), 1);
    assert_eq!(inputs("{ pattern: '(' }").len(), 1);
    assert_eq!(inputs("5"), ["2 WRONG_TYPE /inputs"]);
}
