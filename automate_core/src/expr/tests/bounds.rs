use std::time::{Duration, Instant};

use super::*;

/// Renders and fails where it takes longer than a killed template may.
#[track_caller]
fn stopped(source: &str, code: &str) {
    let began = Instant::now();
    fails_with(source, code);
    assert!(began.elapsed() < Duration::from_secs(2), "{}: {:?}", error::cut(source, 80), began.elapsed());
}

#[test]
fn t1_data_that_looks_like_a_template_is_printed() {
    assert_eq!(ok("{{ event.payload.text }}"), json!("{{ 7*7 }} $secret:KEY"));
    assert_eq!(ok("x {{ event.payload.text }}"), json!("x {{ 7*7 }} $secret:KEY"));
    assert_eq!(ok("{% if true %}{{ event.payload.text }}{% endif %}"), json!("{{ 7*7 }} $secret:KEY"));
    let rendered = ok("{{ event.payload.text }}");
    assert!(engine().binder().keys(&rendered).is_empty());
}

#[test]
fn t2_nothing_reaches_beyond_the_context() {
    for source in [
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% macro m() %}{% endmacro %}",
        "{% call x() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}y{% endset %}",
        "{% autoescape true %}x{% endautoescape %}",
        "{% do range(1) %}",
        "{{ self.x() }}",
        "{{ super() }}",
        "{{ caller() }}",
        "{{ __cat('a', 'b') }}",
        "{{ __made }}",
        "{% set __cat = 1 %}",
        "{% set event.x = 1 %}",
        "{{ range(*[1]) }}",
        "{{ namespace(x=1) }}",
        "{{ 'a'.upper() }}",
        "{{ event.payload.items() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ] {
        fails_with(source, TEMPLATE_SYNTAX);
    }
    fails_with("{{ ''.__class__ }}", TEMPLATE_UNDEFINED);
    fails_with("{{ event.__class__.__mro__ }}", TEMPLATE_UNDEFINED);
    fails_with("{{ self }}", TEMPLATE_SYNTAX);
}

#[test]
fn t3_nested_loops_run_out_of_fuel() {
    stopped("{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}", TEMPLATE_LIMIT);
    stopped("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", TEMPLATE_LIMIT);
    stopped("{{ range(1000000) | length }}", TEMPLATE_LIMIT);
    stopped("{{ range(9223372036854775807) }}", TEMPLATE_LIMIT);
    stopped("{{ range(-9223372036854775807, 9223372036854775807, 3) }}", TEMPLATE_LIMIT);
}

#[test]
fn t4_doubling_is_refused_without_memory() {
    let doubling = format!("{{% set x = 'aaaaaaaa' %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(40));
    stopped(&doubling, TEMPLATE_LIMIT);
    stopped(&doubling.replace("x ~ x", "x + x"), TEMPLATE_LIMIT);
    stopped(&doubling.replace("x ~ x", "x * 2"), TEMPLATE_LIMIT);
    let lists = doubling.replace("'aaaaaaaa'", "[1]");
    stopped(&lists.replace("x ~ x", "x + x"), TEMPLATE_LIMIT);
    stopped(&lists.replace("x ~ x", "[x, x]"), TEMPLATE_LIMIT);
    stopped(&lists.replace("x ~ x", "{'a': x, 'b': x}"), TEMPLATE_LIMIT);
    stopped(&lists.replace("x ~ x", "[x, x]").replace("{{ x }}", "{{ x == [x, x] }}"), TEMPLATE_LIMIT);
    stopped(&lists.replace("x ~ x", "[x, x]").replace("{{ x }}", "{{ [x] | unique }}"), TEMPLATE_LIMIT);
    stopped(&lists.replace("x ~ x", "[x, x]").replace("{{ x }}", "{{ x in [x] }}"), TEMPLATE_LIMIT);
    stopped(&lists.replace("x ~ x", "[x, x]").replace("{{ x }}", "{{ x is eq([x, x]) }}"), TEMPLATE_LIMIT);
}

#[test]
fn t4_repeats_are_refused_without_memory() {
    for source in [
        "{{ 'a' * 100000000 }}",
        "{{ 100000000 * 'a' }}",
        "{{ ['a' * 1000000] * 100000000 }}",
        "{{ ['a' * 100000] * 100000 }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ 2 ** 10 ** 10 }}",
        "{{ [0] * 100000 | length * 100000 }}",
    ] {
        let error = fails(source);
        assert!(matches!(error.code, TEMPLATE_LIMIT | TEMPLATE_TYPE), "{source}: {error}");
    }
    let many = format!("{{{{ [{}] | length }}}}", "'a' * 1000000, ".repeat(900));
    stopped(&many, TEMPLATE_LIMIT);
    let slices = format!("{{% set s = 'a' * 1000000 %}}{{{{ [{}] | length }}}}", "s[1:], ".repeat(900));
    stopped(&slices, TEMPLATE_LIMIT);
}

#[test]
fn t4_filters_that_multiply_are_refused_without_memory() {
    for source in [
        "{{ range(100000) | join('a' * 1000000) }}",
        "{{ range(1000) | map('replace', '', 'a' * 1000000) | list }}",
        "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
        "{{ ('a' * 1000) | replace('', 'b' * 1000000) }}",
        "{{ ('\\n' * 100000) | indent(1000000, true, true) }}",
        "{{ ('\\n' * 100000) | indent(width=1000000, blank=true) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '%.1000000000f' | format(1.5) }}",
        "{{ '%*d' | format(1000000000, 1) }}",
        "{{ [1] | batch(1000000000, 'x') | list }}",
        "{{ [1] | slice(1000000000) | list }}",
        "{{ ('a' * 1000000) | list | length }}",
        "{{ ('a,' * 500000) | split(',') | length }}",
        "{{ range(100) | map('string') | map('replace', '', 'b' * 500000) | join }}",
        "{% for i in range(1000) %}{{ 'a' * 10000 }}{% endfor %}",
        "{% for i in range(100) %}{% set x = 'a' * 1000000 %}{% endfor %}",
    ] {
        stopped(source, TEMPLATE_LIMIT);
    }
    let raw = format!("{{% for i in range(20000) %}}{}{{% endfor %}}", "a".repeat(10_000));
    stopped(&raw, TEMPLATE_LIMIT);
    stopped("{{ ['a'] | sum(start='a' * 100000) }}", TEMPLATE_TYPE);
    assert_eq!(ok("{{ '%05d|%s|%.2f' | format(42, 'x', 1.5) }}"), json!("00042|x|1.50"));
    assert_eq!(ok("{{ 'a\nb' | indent(2) }}"), json!("a\n  b"));
    assert_eq!(ok("{{ [1,2,3] | batch(2, 0) }}"), json!([[1, 2], [3, 0]]));
}

#[test]
fn t5_large_lists_are_not_sorted() {
    let mut context = context();
    let list: Vec<i64> = (0..200_000).map(|i| (i * 7_919) % 200_003).collect();
    context.set_inputs(
        &json!({"list": list, "items": list.iter().take(60_000).map(|i| json!({"k": i})).collect::<Vec<_>>()}),
    );
    for (source, refused) in [
        ("{{ inputs.list | sort | first }}", true),
        ("{{ inputs.list | unique | length }}", true),
        ("{{ inputs.list | groupby('x') | length }}", true),
        ("{{ inputs.list | map('string') | list | length }}", true),
        ("{{ inputs.list | length }}", false),
        ("{{ inputs.list[199999] }}", false),
        ("{{ inputs.items | sort(attribute='k') | first }}", false),
        ("{{ inputs.items | groupby('k') | length }}", false),
    ] {
        let began = Instant::now();
        let result = engine().template(source).unwrap().render(&context);
        // Without optimisation, and on a machine that does other things.
        assert!(began.elapsed() < Duration::from_secs(5), "{source}: {:?}", began.elapsed());
        if refused {
            assert_eq!(result.unwrap_err().code, TEMPLATE_LIMIT, "{source}");
        } else if let Err(error) = result {
            assert!(error.message.contains("too long"), "{source}: {error}");
        }
    }
}

#[test]
fn t6_deep_sources_are_refused_without_overflowing_the_stack() {
    let n = 5_000;
    for source in [
        format!("{{{{ {}1{} }}}}", "[".repeat(n), "]".repeat(n)),
        format!("{{{{ {}1{} }}}}", "(".repeat(n), ")".repeat(n)),
        format!("{{{{ {} }}}}", "[".repeat(n)),
        format!("{{{{ {}1 }}}}", "not ".repeat(4_000)),
        format!("{{{{ {}1 }}}}", "- ".repeat(n)),
        format!("{{{{ x{} }}}}", ".a".repeat(n)),
        format!("{{{{ x{} }}}}", "[0]".repeat(n)),
        format!("{{{{ x{} }}}}", "|d".repeat(n)),
        format!("{{{{ 1{} }}}}", "+1".repeat(n)),
        format!("{{{{ 1{} }}}}", "**1".repeat(n)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(1_200)),
        format!("{{{{ 1{} }}}}", " is odd".repeat(2_000)),
        format!("{{{{ {}1{} }}}}", "{'a':".repeat(2_500), "}".repeat(2_500)),
        format!("{}{}", "{% if 1 %}".repeat(800), "{% endif %}".repeat(700)),
        format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(1_200)),
        "{% for x in y %}".repeat(1_000),
        "a{{ 1 }}".repeat(3_000),
    ] {
        let error = fails(&source);
        assert!(matches!(error.code, TEMPLATE_LIMIT | TEMPLATE_SYNTAX), "{error}");
        assert!(error.expression.len() <= 200);
    }
    assert_eq!(engine().condition(&"[".repeat(n)).unwrap_err().code, TEMPLATE_LIMIT);
}

#[test]
fn t6_what_is_just_within_the_bounds_works() {
    // On the stack of a worker thread, without optimisation.
    assert_eq!(ok(&format!("{{{{ 1{} }}}}", "+1".repeat(190))), json!(191));
    assert_eq!(ok(&format!("{{{{ {}1 }}}}", "not ".repeat(60))), json!(true));
    assert_eq!(ok(&format!("{{{{ 200{} }}}}", " - 1".repeat(190))), json!(10));
    assert_eq!(ok(&format!("{{{{ 1{} }}}}", " and 1".repeat(190))), json!(1));
    assert_eq!(ok(&format!("{{{{ 1{} }}}}", " ~ 1".repeat(190))), json!("1".repeat(191)));
    assert_eq!(ok(&format!("{{{{ {}1{} }}}}", "(".repeat(60), ")".repeat(60))), json!(1));
    assert_eq!(ok(&format!("{{{{ 'a'{} }}}}", "|upper".repeat(190))), json!("A"));
    assert_eq!(ok(&format!("{}x{}", "{% if 1 %}".repeat(60), "{% endif %}".repeat(60))), json!("x"));
    assert_eq!(ok(&format!("{{% if 0 %}}{}{{% else %}}x{{% endif %}}", "{% elif 0 %}".repeat(120))), json!("x"));
    assert_eq!(ok(&format!("{{{{ [{}] | sum }}}}", "event.payload.n, ".repeat(500))), json!(20_500));
}

#[test]
fn t7_the_context_cannot_be_dumped() {
    for source in
        ["{{ debug() }}", "{{ debug }}", "{{ event | pprint }}", "{{ now() }}", "{{ lipsum() }}", "{{ context() }}"]
    {
        let error = fails(source);
        assert!(matches!(error.code, TEMPLATE_SYNTAX | TEMPLATE_UNDEFINED), "{error}");
    }
    assert!(fails("{{ 'x' | uper }}").message.contains("did you mean `upper`?"));
    assert!(fails("{{ 1 is eveen }}").message.contains("did you mean `even`?"));
}

#[test]
fn t8_undefined_or_null_never_becomes_empty_text() {
    for (source, code) in [
        ("https://x/{{ event.payload.nope }}", TEMPLATE_UNDEFINED),
        ("https://x/{{ event.payload.none }}", TEMPLATE_TYPE),
        ("https://x/{{ event.payload.nope | string }}", TEMPLATE_UNDEFINED),
        ("https://x/{{ [event.payload.none] | join }}", TEMPLATE_TYPE),
        ("{% if true %}https://x/{{ event.payload.nope }}{% endif %}", TEMPLATE_UNDEFINED),
    ] {
        fails_with(source, code);
    }
}

#[test]
fn long_sources_and_results_are_refused() {
    stopped(&format!("{{{{ 1 }}}}{}", "a".repeat(17_000)), TEMPLATE_LIMIT);
    assert_eq!(ok(&"a".repeat(100_000)).as_str().unwrap().len(), 100_000);
    let mut context = context();
    context.set_inputs(&json!("a".repeat(700_000)));
    let twice = engine().template("{{ inputs }}{{ inputs }}").unwrap();
    assert_eq!(twice.render(&context).unwrap_err().code, TEMPLATE_LIMIT);
    let many = engine().value(&json!(vec!["{{ inputs }}"; 8])).unwrap();
    assert_eq!(many.render(&context).unwrap_err().code, TEMPLATE_LIMIT);
}
