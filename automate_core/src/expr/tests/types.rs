use super::*;

#[test]
fn plain_text_is_itself() {
    assert_eq!(ok("hello }} $5 { } %"), json!("hello }} $5 { } %"));
    assert!(engine().template("hello").unwrap().is_literal());
    assert_eq!(ok(""), json!(""));
    assert_eq!(ok("line\n"), json!("line\n"));
}

#[test]
fn a_single_expression_keeps_its_type() {
    assert_eq!(ok("{{ event.payload.n }}"), json!(41));
    assert_eq!(ok("{{event.payload.n + 1}}"), json!(42));
    assert_eq!(ok("{{ event.payload.big }}"), json!(9_007_199_254_740_993_i64));
    assert_eq!(ok("{{ event.payload.half }}"), json!(0.5));
    assert_eq!(ok("{{ 2.0 }}"), json!(2.0));
    assert_eq!(ok("{{ event.payload.none }}"), json!(null));
    assert_eq!(ok("{{ event.payload.yes }}"), json!(true));
    assert_eq!(ok("{{ event.payload.items }}"), json!([{"sku": "a", "qty": 2}, {"sku": "b", "qty": 1}]));
    assert_eq!(ok("{{ event.payload.items[0] }}"), json!({"sku": "a", "qty": 2}));
    assert_eq!(ok("{{ event.payload.items[-1].sku }}"), json!("b"));
    assert_eq!(ok("{{ event.payload['with-dash'] }}"), json!(1));
    assert_eq!(ok("{{ event.payload.__typename }}"), json!("Order"));
    assert_eq!(ok("{{ {'a': [1, none, 'x'], 'b': event.payload.n} }}"), json!({"a": [1, null, "x"], "b": 41}));
    assert_eq!(ok("{{ (1, 2) }}"), json!([1, 2]));
    assert_eq!(ok("{{ event.payload.n > 40 and not event.payload.none }}"), json!(true));
    assert_eq!(ok("{{ vars.v[1].x }}"), json!("y"));
    assert_eq!(ok("{{ steps.skipped.output }}"), json!(null));
    assert_eq!(ok("{{ steps.a.status }}"), json!("succeeded"));
    assert_eq!(ok("{{ execution.version + execution.attempt }}"), json!(4));
    assert_eq!(ok("{{ tenant }}"), json!("default"));
    assert_eq!(ok("{{ event.headers['content-type'] }}"), json!("application/json"));
}

#[test]
fn text_around_an_expression_makes_text() {
    assert_eq!(ok("n={{ event.payload.n }}, {{ event.payload.name }}!"), json!("n=41, Zoë!"));
    assert_eq!(ok(" {{ event.payload.n }}"), json!(" 41"));
    assert_eq!(ok("{{ event.payload.yes }}{{ event.payload.half }}"), json!("true0.5"));
    assert_eq!(ok("got {{ event.payload.items[0] }}"), json!("got {\"sku\":\"a\",\"qty\":2}"));
    assert_eq!(ok("{# not shown #}{{ 1 }}"), json!(1));
    assert_eq!(engine().template("{{ event.payload.n }}").unwrap().render_string(&context()).unwrap(), "41");
}

#[test]
fn statements_work() {
    let source = "{% for i in event.payload.items if i.qty > 0 %}{{ loop.index }}:{{ i.sku }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}";
    assert_eq!(ok(source), json!("1:a, 2:b"));
    assert_eq!(ok("{% set x = event.payload.n + 1 %}{{ x }}"), json!("42"));
    assert_eq!(ok("{% with a=1, b=2 %}{{ a ~ b }}{% endwith %}"), json!("12"));
    assert_eq!(ok("{% if tenant == 'x' %}x{% elif tenant == 'default' %}d{% else %}e{% endif %}"), json!("d"));
    assert_eq!(ok("{% for k, v in {'a': 1}|items %}{{ k }}{{ v }}{% endfor %}"), json!("a1"));
    assert_eq!(ok("{% for i in [1,2,3] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}"), json!("13"));
    assert_eq!(ok("{% for i in range(3) %}{{ loop.cycle('a', 'b') }}{% endfor %}"), json!("aba"));
    assert_eq!(ok("{% raw %}{{ x }}{% endraw %}{% if true %}{{ '{' }}{{ 1 }}{% endif %}"), json!("{{ x }}{1"));
    assert_eq!(ok("{ {%- if true %} a {%- endif -%} }"), json!("{ a}"));
}

#[test]
fn operators_keep_the_meaning_of_the_engine() {
    let cases = json!({
        "1 + 2 * 3": 7, "(1 + 2) * 3": 9, "2 ** 3 - 1": 7, "7 // 2": 3, "7 / 2": 3.5, "-7 % 3": 2, "-(1 + 1)": -2,
        "1.5 + 1": 2.5, "'a' + 'b'": "ab", "'a' ~ 1 ~ true": "a1true", "[1] + [2]": [1, 2], "'ab' * 2": "abab",
        "[1, 2] * 2": [1, 2, 1, 2], "not 1 == 2": true, "1 < 2 <= 2": true, "'b' in 'abc'": true, "2 not in [1, 3]": true,
        "'x' if 1 > 2 else 'y'": "y", "'abcdef'[1:3]": "bc", "[1,2,3,4][::2]": [1, 3], "'abc'[::-1]": "cba", "[1,2,3][1:]": [2, 3],
        "1 is odd": true, "2 is not odd": true, "'a' is in ['a']": true, "6 is divisibleby 3": true, "none is none": true,
        "'x' or 'y'": "x", "0 or 'y'": "y", "1 and 2": 2, "{'a': {'b': 1}}.a.b": 1, "\"q\\\"\\n\\u00e9\\\\\"": "q\"\né\\",
        "1e3": 1000.0, "9223372036854775807": i64::MAX, "18446744073709551615": u64::MAX, "true + 1": 2,
    });
    for (source, expected) in cases.as_object().unwrap() {
        assert_eq!(&ok(&format!("{{{{ {source} }}}}")), expected, "{source}");
    }
}

#[test]
fn undefined_is_an_error_that_names_the_expression() {
    let message = fails_with("{{ steps.a.output.m }}", TEMPLATE_UNDEFINED);
    assert_eq!(message, "`steps.a.output.m` is undefined: `steps.a.output` has n, body");
    assert!(fails_with("{{ steps.nope.output }}", TEMPLATE_UNDEFINED).contains("`steps.nope`"));
    assert!(fails_with("{{ item.x }}", TEMPLATE_UNDEFINED).contains("`item` is undefined: it is not set here"));
    assert!(fails_with("x {{ evnt.payload }}", TEMPLATE_UNDEFINED).contains("`evnt` is undefined: names are env"));
    assert!(fails_with("{{ event.payload.none.deep }}", TEMPLATE_UNDEFINED).contains("is null"));
    for source in [
        "{{ event.payload.m + 1 }}",
        "{{ event.payload.m - 1 }}",
        "{{ event.payload.m * 2 }}",
        "{{ event.payload.m ~ 'x' }}",
        "{{ event.payload.m == 1 }}",
        "{{ event.payload.m >= 1000 }}",
        "{{ event.payload.m in [1] }}",
        "{{ 1 in event.payload.m }}",
        "{{ event.payload.m | upper }}",
        "{{ event.payload.m | length }}",
        "{{ event.payload.m is none }}",
        "{{ event.payload.m[1:] }}",
        "{{ not event.payload.m }}",
        "{{ 1 if event.payload.m else 2 }}",
        "{{ [event.payload.m] }}",
        "{{ [event.payload.m] | length }}",
        "{{ {'a': event.payload.m} }}",
        "{{ event.payload.list[event.payload.m] }}",
        "{% for x in event.payload.m %}{% endfor %}",
        "{% if event.payload.m %}{% endif %}",
        "{% if true %}{{ event.payload.m }}{% endif %}",
        "{% set x = event.payload.m %}{{ x }}",
        "{{ event.payload.n | default(1) + event.payload.m }}",
    ] {
        let message = fails_with(source, TEMPLATE_UNDEFINED);
        assert!(message.contains("`event.payload.m` is undefined"), "{source}: {message}");
    }
    assert!(fails_with("{{ true and event.payload.m }}", TEMPLATE_UNDEFINED).contains("event.payload.m"));
    fails_with("{{ [[nope]] }}", TEMPLATE_UNDEFINED);
    fails_with("{{ event.payload.items | map(attribute='nope') | list }}", TEMPLATE_UNDEFINED);
}

#[test]
fn default_and_is_defined_work_on_what_is_not_there() {
    assert_eq!(ok("{{ (event.payload.m | default(0)) + 1 }}"), json!(1));
    assert_eq!(ok("{{ event.payload.a.b.c | default('x') }}"), json!("x"));
    assert_eq!(ok("{{ nope | default('x') }}"), json!("x"));
    assert_eq!(ok("{{ nope.a['b'].c | d('x') }}"), json!("x"));
    assert_eq!(ok("{{ event.payload.items[7].sku | default('x') }}"), json!("x"));
    assert_eq!(ok("{{ event.payload.items[0].sku | default('x') }}"), json!("a"));
    assert_eq!(ok("{{ event.payload.a.b is defined }}"), json!(false));
    assert_eq!(ok("{{ event.payload.a.b is undefined }}"), json!(true));
    assert_eq!(ok("{{ event.payload.n is defined }}"), json!(true));
    assert_eq!(ok("{{ 1 if event.payload.a.b is defined else 2 }}"), json!(2));
    assert_eq!(ok("{{ event.payload.none | default('x', true) }}"), json!("x"));
}

#[test]
fn null_has_no_text() {
    let message = fails_with("https://x/{{ event.payload.none }}", TEMPLATE_TYPE);
    assert!(message.contains("null has no text"), "{message}");
    fails_with("{{ 'a' ~ none }}", TEMPLATE_TYPE);
    fails_with("{% if true %}{{ none }}{% endif %}", TEMPLATE_TYPE);
    let error = engine().template("{{ none }}").unwrap().render_string(&context()).unwrap_err();
    assert_eq!(error.code, TEMPLATE_TYPE);
}

#[test]
fn numbers_that_json_does_not_have_are_errors() {
    assert!(fails_with("{{ event.payload.big * event.payload.big }}", TEMPLATE_TYPE).contains("64 bits"));
    fails_with("{{ 10 ** 38 * 10 ** 38 }}", TEMPLATE_TYPE);
    fails_with("{{ 1e308 * 10.0 }}", TEMPLATE_TYPE);
    fails_with("{{ 1e308 * 10.0 - 1e308 * 10.0 }}", TEMPLATE_TYPE);
    fails_with("{{ 1 / 0 }}", TEMPLATE_TYPE);
    fails_with("x {{ 1e308 * 10.0 }}", TEMPLATE_TYPE);
    assert!(fails_with("{{ '1' + 1 }}", TEMPLATE_TYPE).contains("`~` joins"));
}

#[test]
fn conditions_take_expressions_and_templates() {
    let engine = engine();
    let holds = |source: &str| engine.condition(source).and_then(|c| c.is_true(&context()));
    assert_eq!(holds("event.payload.n > 40"), Ok(true));
    assert_eq!(holds(" {{ event.payload.n > 41 }} \n"), Ok(false));
    assert_eq!(holds("steps.a.output.body.total >= 1000"), Ok(true));
    assert_eq!(holds("event.payload.none"), Ok(false));
    assert_eq!(holds("event.payload.empty"), Ok(false));
    assert_eq!(holds("steps.skipped.status == 'skipped'"), Ok(true));
    assert_eq!(holds("{% if event.payload.yes %}true{% else %}false{% endif %}"), Ok(true));
    assert_eq!(holds("{'a': 1}.a == 1"), Ok(true));
    assert_eq!(holds("{{ 1 }} == {{ 2 }}").unwrap_err().code, TEMPLATE_TYPE);
    assert_eq!(holds("").unwrap_err().code, TEMPLATE_SYNTAX);
    assert_eq!(holds("event.payload.n >").unwrap_err().code, TEMPLATE_SYNTAX);
    assert_eq!(holds("steps.nope.output.x >= 1").unwrap_err().code, TEMPLATE_UNDEFINED);
    assert_eq!(holds("nope").unwrap_err().code, TEMPLATE_UNDEFINED);
    assert_eq!(holds("secrets.X").unwrap_err().code, TEMPLATE_SECRET);
}

#[test]
fn a_value_reports_all_errors_with_their_places() {
    let value = json!({"a": "{{ 1 + }}", "b": ["ok", {"c/d": "{{ x | nope }}"}], "{{ key }}": 1});
    let errors = engine().value(&value).unwrap_err();
    let places: Vec<&str> = errors.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(places, ["/a", "/b/1/c~1d"]);

    let template = engine().value(&json!({"a": {"b": [1, "{{ event.payload.m }}"]}})).unwrap();
    let error = template.render(&context()).unwrap_err();
    assert_eq!(error.pointer, "/a/b/1");
    assert_eq!(error.expression, "{{ event.payload.m }}");
}

#[test]
fn a_value_renders_strings_and_keeps_the_rest() {
    let template = engine()
        .value(
            &json!({"n": 1, "list": ["{{ event.payload.n }}", null], "{{ key }}": "x{{ tenant }}", "lit": {"a": "b"}}),
        )
        .unwrap();
    assert!(!template.is_literal());
    let expected = json!({"n": 1, "list": [41, null], "{{ key }}": "xdefault", "lit": {"a": "b"}});
    assert_eq!(template.render(&context()).unwrap(), expected);
    assert!(engine().value(&json!({"a": ["b", 1]})).unwrap().is_literal());
}

#[test]
fn errors_name_the_line() {
    assert_eq!(fails("a\nb\n{{ event.payload.m }}").line, 3);
    assert_eq!(fails("a\n\n{% if true %}\n\n{{ event.payload.m + 1 }}{% endif %}").line, 5);
    assert_eq!(fails("{% set x = 1 %}\n{# two\nlines #}\n{%- if true -%}\n{{ nope }}{% endif %}").line, 5);
    assert_eq!(fails("a\n{{ 1 + }}").line, 2);
    assert_eq!(fails("a\n{{ 'x' | nope }}").line, 2);
}

#[test]
fn references_are_known() {
    let template = engine()
        .value(&json!([
            "{{ steps.a.output.n }} {{ steps['b'].status | default('x') }}",
            "$secret:K1 {{ secrets.K2 }} $secret:vault/K3.",
            "$env:REGION {{ env.ZONE }}",
            "{% for i in vars.list %}{{ i }}{{ loop.index }}{% endfor %}{{ nope }}",
            "{{ steps[item.id].output }}",
        ]))
        .unwrap();
    let references = template.references();
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    assert_eq!(references.steps, set(&["a", "b"]));
    assert_eq!(references.secrets, set(&["K1", "K2", "vault/K3"]));
    assert_eq!(references.env, set(&["REGION", "ZONE"]));
    assert_eq!(references.vars, set(&["list"]));
    assert_eq!(references.names, set(&["env", "item", "nope", "secrets", "steps", "vars"]));
    assert_eq!(references.dynamic, set(&["steps"]));
    assert_eq!(references.unknown_names().collect::<Vec<_>>(), ["nope"]);
    let condition = engine().condition("steps.a.status == 'failed'").unwrap();
    assert_eq!(condition.references().steps, set(&["a"]));
}

#[test]
fn only_allowed_environment_variables_are_there() {
    assert_eq!(ok("{{ env.REGION }}"), json!("eu"));
    assert_eq!(ok("$env:REGION"), json!("eu"));
    assert_eq!(ok("in $env:REGION."), json!("in eu."));
    for source in [
        "{{ env.PATH }}",
        "$env:PATH",
        "x{{ env.PATH }}",
        "{{ env['PATH'] ~ '' }}",
        "{{ env.PATH | default('') }}",
        "{% if env.PATH %}{% endif %}",
    ] {
        let message = fails_with(source, TEMPLATE_ENV);
        assert!(message.contains("templates.env_allow") && message.contains("PATH"), "{message}");
    }
    fails_with("{{ env }}", TEMPLATE_TYPE);
}

#[test]
fn a_changed_context_leaves_its_clone_alone() {
    let mut one = context();
    let two = one.clone();
    one.set_step("a", &json!({"n": 2}), "succeeded", None, None);
    one.set_var("v", &json!(1));
    one.set_item(&json!({"sku": "s"}), 4);
    let n = engine().template("{{ steps.a.output.n }}").unwrap();
    assert_eq!(n.render(&one).unwrap(), json!(2));
    assert_eq!(n.render(&two).unwrap(), json!(1));
    let item = engine().template("{{ item.sku }}{{ index }}").unwrap();
    assert_eq!(item.render(&one).unwrap(), json!("s4"));
    one.clear_item();
    assert_eq!(item.render(&one).unwrap_err().code, TEMPLATE_UNDEFINED);
    one.set_error(&json!({"message": "m"}));
    assert_eq!(engine().template("{{ error.message }}").unwrap().render(&one).unwrap(), json!("m"));
}
