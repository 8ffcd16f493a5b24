//! Documents of every size.

use std::time::Instant;

use super::*;

/// Steps in a chain, each with a template that names the one before it.
fn chain(steps: usize) -> String {
    let mut source = String::from("workflow: long\nsteps:\n");
    for i in 0..steps {
        let value = if i == 0 { "1".to_owned() } else { format!("'{{{{ steps.s{}.output.value + 1 }}}}'", i - 1) };
        source.push_str(&format!("  - {{ id: s{i}, uses: data.transform, with: {{ value: {value} }} }}\n"));
    }
    source
}

#[test]
fn f2_five_thousand_steps_are_taken_and_one_more_is_not() {
    let validation = validated(&chain(limits::STEPS_PER_WORKFLOW));
    assert_eq!(validation.findings, []);
    assert_eq!(validation.document.unwrap().workflow.steps.len(), limits::STEPS_PER_WORKFLOW);
    let findings = parse(&chain(limits::STEPS_PER_WORKFLOW + 1)).unwrap_err();
    assert_eq!(places(&findings), ["5003 LIMIT_EXCEEDED /steps/5000"]);
    assert!(findings[0].message.contains("5001 steps"), "{}", findings[0].message);
}

#[test]
fn f2_thousands_of_mistakes_are_all_listed_in_time() {
    let mut source = String::from("workflow: long\nsteps:\n");
    for i in 0..limits::STEPS_PER_WORKFLOW {
        source.push_str(&format!("  - {{ id: s{i}, needs: [t{i}], sett: {{}}, set: {{}} }}\n"));
    }
    let findings = parse(&source).unwrap_err();
    assert_eq!(findings.len(), 2 * limits::STEPS_PER_WORKFLOW);
    // Ten thousand steps are refused, and everything else about them is said all the same.
    let twice = "  - { id: s, needs: [t], uses: a.b, with: { x: '{{ y }}' } }\n".repeat(2 * limits::STEPS_PER_WORKFLOW);
    let findings = validated(&with_steps(&twice)).findings;
    assert!(findings.iter().any(|f| f.code == codes::LIMIT_EXCEEDED) && findings.len() > limits::DOCUMENT_FINDINGS);
    let more = source.replace("sett: {}", "sett: {}, sset: {}");
    let findings = parse(&more).unwrap_err();
    assert_eq!(findings.len(), limits::DOCUMENT_FINDINGS + 1);
    assert_eq!(findings.last().unwrap().code, codes::TOO_MANY_FINDINGS);
}

/// How long a thing takes when nothing is in its way: the shortest of some tries.
fn shortest(mut thing: impl FnMut()) -> Duration {
    let took = |_| {
        let begun = Instant::now();
        thing();
        begun.elapsed()
    };
    (0..2).map(took).min().unwrap_or_default()
}

/// Ten times the document takes about ten times as long; work in the square would take a hundred
/// times. Compared instead of held against a clock, as the machine may be busy.
#[test]
fn f2_the_time_grows_with_the_document_and_not_with_its_square() {
    let mistaken = |steps: usize| {
        let step = |i| format!("  - {{ id: s{i}, needs: [t{i}], sett: {{}}, set: {{ x: '{{{{ steps.u{i} }}}}' }} }}\n");
        with_steps(&(0..steps).map(step).collect::<String>())
    };
    for (what, source) in [("right", &chain as &dyn Fn(usize) -> String), ("mistaken", &mistaken)] {
        let (short, long) = (source(limits::STEPS_PER_WORKFLOW / 10), source(limits::STEPS_PER_WORKFLOW));
        let few = shortest(|| drop(validated(&short)));
        let many = shortest(|| drop(validated(&long)));
        println!("{what}: {few:?} for a tenth, {many:?} for {} steps", limits::STEPS_PER_WORKFLOW);
        // Suggestions are made for the first mistakes only, which are all there are in the short one.
        assert!(many < 50 * few, "{what}: {few:?} for a tenth, {many:?} in full");
    }
}

#[test]
fn what_is_accepted_can_be_read_again_from_where_it_is_stored() {
    for source in EXAMPLES {
        let document = parse(source).unwrap();
        let again = parse(&canonical_json(&document)).unwrap();
        assert_eq!(again.workflow, document.workflow);
        assert_eq!(canonical_json(&again), canonical_json(&document));
    }
    // Aliases make the stored form longer than the source.
    let text = "x".repeat(limits::DOCUMENT_BYTES / 3);
    let steps = format!("  - {{ id: a, set: {{ a: &t {text}, b: *t }} }}\n");
    assert!(parse(&with_steps(&steps)).is_ok());
    let steps = steps.replace("b: *t", "b: *t, c: *t");
    assert_eq!(refused(&with_steps(&steps)), ["1 LIMIT_EXCEEDED "]);
}
