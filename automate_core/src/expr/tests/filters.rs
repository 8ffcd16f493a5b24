use super::*;

#[test]
fn every_filter_does_what_its_example_says() {
    for spec in FilterRegistry::builtin().specs() {
        let (template, expected) = spec.example.split_once(" -> ").expect(spec.name);
        let rendered = engine().template(template).unwrap().render_string(&context());
        assert_eq!(rendered.unwrap_or_else(|e| panic!("{}: {e}", spec.name)), expected, "{}", spec.name);
        assert!(spec.signature.contains(&format!("| {}", spec.name)), "{}", spec.name);
        assert!(spec.doc.ends_with('.'), "{}", spec.name);
    }
}

#[test]
fn amounts_of_money_are_rounded_and_grouped() {
    let cases = [
        ("1234567.891", "EUR", "€1,234,567.89"),
        ("1.005", "USD", "$1.01"),
        ("999.995", "GBP", "£1,000.00"),
        ("-0.004", "EUR", "€0.00"),
        ("-1234.5", "EUR", "-€1,234.50"),
        ("1234.5", "JPY", "¥1,235"),
        ("1", "KWD", "KWD\u{a0}1.000"),
        ("12", "CHF", "CHF\u{a0}12.00"),
        ("'0012.5'", "eur", "€12.50"),
        ("9007199254740993", "EUR", "€9,007,199,254,740,993.00"),
    ];
    for (amount, code, expected) in cases {
        assert_eq!(ok(&format!("{{{{ {amount} | format_currency('{code}') }}}}")), json!(expected));
    }
    for source in [
        "{{ 'x' | format_currency('EUR') }}",
        "{{ 1 | format_currency('EURO') }}",
        "{{ 1 | format_currency }}",
        "{{ none | format_currency('EUR') }}",
        "{{ 1e300 | format_currency('EUR') }}",
    ] {
        fails_with(source, TEMPLATE_TYPE);
    }
}

#[test]
fn dates_are_printed_in_a_time_zone() {
    assert_eq!(ok("{{ event.received_at | format_date }}"), json!("2026-07-01 22:30:00"));
    assert_eq!(ok("{{ 0 | format_date('%Y') }}"), json!("1970"));
    assert_eq!(ok("{{ 1.5 | format_date('%S%.3f') }}"), json!("01.500"));
    assert_eq!(ok("{{ '2026-12-24' | format_date('%A', 'Europe/Paris') }}"), json!("Thursday"));
    assert_eq!(ok("{{ '2026-07-01T12:00:00+02:00' | format_date(format='%H:%M', timezone='UTC') }}"), json!("10:00"));
    for source in [
        "{{ 'yesterday' | format_date }}",
        "{{ 0 | format_date('%Q') }}",
        "{{ 0 | format_date('%Y', 'Mars/Phobos') }}",
        "{{ 0 | format_date(5) }}",
        "{{ 1e300 | format_date }}",
        "{{ 9223372036854775807 | format_date }}",
    ] {
        fails_with(source, TEMPLATE_TYPE);
    }
}

#[test]
fn data_filters_are_bounded() {
    assert_eq!(ok("{{ event.payload | jmespath('items[?qty > `1`].sku | [0]') }}"), json!("a"));
    assert_eq!(ok("{{ event.payload | jmespath('nope') }}"), json!(null));
    fails_with("{{ event.payload | jmespath('[[[[') }}", TEMPLATE_TYPE);
    let deep = format!("{{{{ event.payload | jmespath('{}') }}}}", "[".repeat(3_000));
    fails_with(&deep, TEMPLATE_TYPE);
    fails_with("{{ '{nope' | from_json }}", TEMPLATE_TYPE);
    fails_with("{{ ('[' * 100000) | from_json }}", TEMPLATE_TYPE);
    fails_with("{{ '!!' | base64_decode }}", TEMPLATE_TYPE);
    assert_eq!(ok("{{ 'Pz8_' | base64_decode }}"), json!("???"));
    assert_eq!(ok("{{ 'a b/c' | urlencode }}"), json!("a%20b/c"));
    assert_eq!(ok("{{ event.payload.list | sort | join('-') }}"), json!("1-2-3"));
    assert_eq!(ok("{{ event.payload.items | map(attribute='sku') | join(',') }}"), json!("a,b"));
    assert_eq!(ok("{{ event.payload.items | selectattr('qty', 'gt', 1) | map(attribute='sku') | first }}"), json!("a"));
    assert_eq!(ok("{{ event.payload.items | sum(attribute='qty') }}"), json!(3));
    assert_eq!(ok("{{ event.payload.items | groupby('qty') | length }}"), json!(2));
    assert_eq!(ok("{{ [true, {'a': 1}] | join(' ') }}"), json!("true {\"a\":1}"));
    assert_eq!(ok("{{ dict(a=1) }}"), json!({"a": 1}));
    assert_eq!(ok("{{ {'b': 1, 'a': 2} | dictsort | map('first') | list }}"), json!(["a", "b"]));
}

fn shout(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> {
    let times = args.get(0, "times").and_then(Value::as_u64).unwrap_or(1);
    let text = input.as_str().ok_or_else(|| FilterError::new("the input must be text"))?;
    Ok(format!("{text}{}", "!".repeat(usize::try_from(times).unwrap_or(1))).into())
}

const SHOUT: FilterSpec = FilterSpec {
    name: "shout",
    signature: "text | shout(times)",
    doc: "Adds exclamation marks.",
    example: "{{ 'a' | shout }} -> a!",
    function: shout,
};

crate::register_filter!(SHOUT);

#[test]
fn filters_are_registered_by_hand_and_when_linked() {
    let mut registry = FilterRegistry::builtin();
    registry.register(SHOUT).unwrap();
    assert_eq!(registry.register(SHOUT), Err(RegisterError::Taken("shout".to_owned())));
    for name in ["upper", "safe", "base64"] {
        assert!(matches!(registry.register(FilterSpec { name, ..SHOUT }), Err(RegisterError::Taken(_))));
    }
    for name in ["", "_x", "__cat", "Shout", "a b"] {
        assert!(matches!(registry.register(FilterSpec { name, ..SHOUT }), Err(RegisterError::InvalidName(_))));
    }
    let (_, report) = FilterRegistry::link_time();
    let loaded = report.entries.iter().find(|e| e.key == "shout").unwrap();
    assert_eq!((loaded.kind, loaded.refused.as_deref()), ("filter", None));
    assert!(loaded.origin.starts_with("automate_core "));
    assert_eq!(ok("{{ 'a' | shout }}"), json!("a!"));
    assert_eq!(ok("{{ 'a' | shout(times=3) }}"), json!("a!!!"));
    fails_with("{{ 1 | shout }}", TEMPLATE_TYPE);
    fails_with("{{ secrets.KEY | shout }}", TEMPLATE_SECRET);
    fails_with("{{ 'a' | shout(times=100000000) }}", TEMPLATE_LIMIT);
}
