//! One document with ten different mistakes, and what its author is told.

use super::*;

const SOURCE: &str = "\
workflow: Order Alert
titel: Orders
on:
  - webhook: orders
    verify: { scheme: stripe }
steps:
  - id: fetch
    uses: http.request
    with: { url: 'https://crm.example/{{ event.payload.id }', metod: GET }
    timeout: 30
  - id: big
    if: steps.fech.output.total >= 1000
    uses: slak.post_message
    with: { channel: sales, text: big }
  - { id: left, needs: [right], set: { x: 1 } }
  - { id: right, needs: [left], set: { x: 2 } }
  - { id: Fetch, needs: [big, nope], fail: no }
  - { id: each, for_each: '{{ event.payload.lines }}' }
";

#[test]
fn ten_mistakes_are_told_at_once_each_with_its_place() {
    let validation = validated(SOURCE);
    assert!(validation.document.is_none());
    let told: Vec<String> = validation.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told.join("\n"),
        "\
1:11 /workflow INVALID_VALUE: `Order Alert` cannot be the name of a workflow (write `order-alert`; small letters, digits and `-`, 63 characters at most, beginning with a letter or digit)
2:1 /titel UNKNOWN_FIELD: a workflow has no field `titel` (did you mean `title`?)
5:13 /on/0/verify MISSING_FIELD: scheme `stripe` needs `secret` (add `secret: $secret:NAME`)
9:18 /steps/0/with/url TEMPLATE_SYNTAX: unexpected `}`, expected end of variable block in `https://crm.example/{{ event.payload.id }`
9:63 /steps/0/with/metod UNKNOWN_FIELD: `http.request`: there is no field `metod` (did you mean `method`?)
10:14 /steps/0/timeout WRONG_TYPE: expected a length of time, found a number (add a unit: `30s`)
12:9 /steps/1/if UNKNOWN_STEP: there is no step `fech` (did you mean `fetch`?)
13:11 /steps/1/uses UNKNOWN_CONNECTOR: there is no connector `slak` (did you mean `slack.post_message`?)
15:24 /steps/2/needs CYCLE: these steps wait for each other: left -> right -> left (take one of them out of `needs`)
17:11 /steps/4/id DUPLICATE_ID: the id `Fetch` differs from `fetch` only in case (give each step an id of its own)
17:31 /steps/4/needs/1 UNKNOWN_STEP: `needs` names `nope`, which is no step of this block
18:17 /steps/5/for_each UNSUPPORTED_FEATURE: `for_each` is not in this version"
    );
}
