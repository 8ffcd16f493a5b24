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
    let begun = Instant::now();
    let validation = validated(&chain(limits::STEPS_PER_WORKFLOW));
    let took = begun.elapsed();
    assert_eq!(validation.findings, []);
    assert_eq!(validation.document.unwrap().workflow.steps.len(), limits::STEPS_PER_WORKFLOW);
    println!("{} steps: {took:?}", limits::STEPS_PER_WORKFLOW);
    assert!(took < Duration::from_secs(4), "{took:?}");
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
    let begun = Instant::now();
    let findings = parse(&source).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(findings.len(), 2 * limits::STEPS_PER_WORKFLOW);
    println!("{} findings: {took:?}", findings.len());
    assert!(took < Duration::from_secs(4), "{took:?}");
    // Ten thousand steps are refused, and everything else about them is said all the same.
    let begun = Instant::now();
    let twice = "  - { id: s, needs: [t], uses: a.b, with: { x: '{{ y }}' } }\n".repeat(2 * limits::STEPS_PER_WORKFLOW);
    let findings = validated(&with_steps(&twice)).findings;
    assert!(findings.iter().any(|f| f.code == codes::LIMIT_EXCEEDED) && findings.len() > limits::DOCUMENT_FINDINGS);
    println!("{} steps: {:?}", 2 * limits::STEPS_PER_WORKFLOW, begun.elapsed());
    let more = source.replace("sett: {}", "sett: {}, sset: {}");
    let findings = parse(&more).unwrap_err();
    assert_eq!(findings.len(), limits::DOCUMENT_FINDINGS + 1);
    assert_eq!(findings.last().unwrap().code, codes::TOO_MANY_FINDINGS);
}
