use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secret::SecretBinder;
use super::*;
use crate::secrets::SecretValue;

fn values() -> BTreeMap<String, SecretValue> {
    ["KEY", "USER", "vault/KEY", "KEY?version=3", "vault/KEY?version=12"]
        .map(|k| (k.to_owned(), SecretValue::new(format!("{CANARY}-{k}"))))
        .into()
}

fn bound(source: &str) -> Value {
    let binder = engine().binder();
    let rendered = ok(source);
    assert!(!rendered.to_string().contains("c4n4ry"));
    binder.bind(rendered, &values()).unwrap()
}

fn shown(source: &str) -> Value {
    SecretBinder::default().redacted(ok(source))
}

#[test]
fn a_secret_is_a_marker_until_it_is_bound() {
    assert_eq!(bound("{{ secrets.KEY }}"), json!(format!("{CANARY}-KEY")));
    assert_eq!(bound("$secret:KEY"), json!(format!("{CANARY}-KEY")));
    assert_eq!(bound("$secret:vault/KEY"), json!(format!("{CANARY}-vault/KEY")));
    assert_eq!(bound("a $secret:KEY?version=3!"), json!(format!("a {CANARY}-KEY?version=3!")));
    assert_eq!(bound("{{ secrets['vault/KEY?version=12'] }}"), json!(format!("{CANARY}-vault/KEY?version=12")));
    assert_eq!(shown("$secret:vault/KEY?version=12"), json!("$secret:vault/KEY?version=12"));
    assert_eq!(bound("$secret:KEY?"), json!(format!("{CANARY}-KEY?")));
    assert_eq!(bound("{{ secrets['vault/KEY'] }}"), json!(format!("{CANARY}-vault/KEY")));
    assert_eq!(bound("Bearer {{ secrets.KEY }}!"), json!(format!("Bearer {CANARY}-KEY!")));
    assert_eq!(bound("{{ 'Bearer ' ~ secrets.KEY }}"), json!(format!("Bearer {CANARY}-KEY")));
    assert_eq!(bound("Bearer $secret:KEY."), json!(format!("Bearer {CANARY}-KEY.")));
    assert_eq!(bound("{{ {'a': ['x' ~ secrets.KEY]} }}"), json!({"a": [format!("x{CANARY}-KEY")]}));
    assert_eq!(
        bound("{% if true %}{{ secrets.KEY }} $secret:USER{% endif %}"),
        json!(format!("{CANARY}-KEY {CANARY}-USER"))
    );
    assert_eq!(bound("{% set t = 'T ' ~ secrets.KEY %}{{ t }}"), json!(format!("T {CANARY}-KEY")));
    assert_eq!(bound("{{ secrets.KEY if event.payload.yes else 'no' }}"), json!(format!("{CANARY}-KEY")));
    assert_eq!(ok("{{ secrets.KEY is defined }}"), json!(true));
}

#[test]
fn what_is_stored_shows_the_key() {
    assert_eq!(shown("{{ secrets.KEY }}"), json!("$secret:KEY"));
    assert_eq!(shown("Bearer {{ secrets.KEY }}"), json!("Bearer $secret:KEY"));
    assert_eq!(shown("{{ secrets.KEY | base64 }}"), json!("$secret:KEY|base64"));
    assert_eq!(shown("{{ 'user' | basic_auth(secrets.KEY) }}"), json!("user|basic_auth($secret:KEY)"));
    assert_eq!(shown("{{ ('u:' ~ secrets.KEY) | base64 }}"), json!("(u:$secret:KEY)|base64"));
    assert_eq!(shown("{{ {'a': ['$' ~ secrets['v/K']]} }}"), json!({"a": ["$$secret:v/K"]}));
}

#[test]
fn the_keys_that_are_needed_are_known() {
    let rendered =
        ok("{{ {'a': secrets.KEY ~ secrets.USER, 'b': [event.payload.n | hmac_sha256(secrets['vault/KEY'])]} }}");
    let keys: Vec<String> = engine().binder().keys(&rendered).into_iter().collect();
    assert_eq!(keys, ["KEY", "USER", "vault/KEY"]);
}

#[test]
fn recorded_filters_are_applied_at_the_boundary() {
    let key = format!("{CANARY}-KEY");
    let user = format!("{CANARY}-USER");
    assert_eq!(bound("{{ secrets.KEY | base64 }}"), json!(STANDARD.encode(&key)));
    assert_eq!(bound("{{ ('u:' ~ secrets.KEY) | base64 }}"), json!(STANDARD.encode(format!("u:{key}"))));
    let basic = format!("Basic {}", STANDARD.encode(format!("u:{key}")));
    assert_eq!(bound("{{ 'u' | basic_auth(secrets.KEY) }}"), json!(basic));
    let both = format!("Basic {}", STANDARD.encode(format!("{user}:{key}")));
    assert_eq!(bound("{{ secrets.USER | basic_auth(secrets.KEY) }}"), json!(both));
    assert_eq!(
        bound("{{ secrets.USER | basic_auth('p') }}"),
        json!(format!("Basic {}", STANDARD.encode(format!("{user}:p"))))
    );
    let plain = ok("{{ 'body' | hmac_sha256('k') }}");
    let binder = engine().binder();
    let one = BTreeMap::from([("K".to_owned(), SecretValue::new("k".to_owned()))]);
    assert_eq!(binder.bind(ok("{{ 'body' | hmac_sha256(secrets.K) }}"), &one).unwrap(), plain);
    let spaced = BTreeMap::from([("K".to_owned(), SecretValue::new("a b&c".to_owned()))]);
    assert_eq!(binder.bind(ok("?k={{ secrets.K | urlencode }}"), &spaced).unwrap(), ok("?k={{ 'a b&c' | urlencode }}"));
}

#[test]
fn t10_a_secret_cannot_be_looked_into() {
    for source in [
        "{{ secrets.KEY | upper }}",
        "{{ secrets.KEY | length }}",
        "{{ secrets.KEY | reverse }}",
        "{{ secrets.KEY | list }}",
        "{{ secrets.KEY | string }}",
        "{{ secrets.KEY | first }}",
        "{{ secrets.KEY | to_json }}",
        "{{ secrets.KEY | tojson }}",
        "{{ secrets.KEY | sha256 }}",
        "{{ secrets.KEY | slugify }}",
        "{{ secrets.KEY | base64 | upper }}",
        "{{ ('x' ~ secrets.KEY) | upper }}",
        "{{ ('x' ~ secrets.KEY)[1:] }}",
        "{{ ('x' ~ secrets.KEY)[0] }}",
        "{{ [secrets.KEY] | join }}",
        "{{ [[secrets.KEY]] | to_json }}",
        "{{ {'a': secrets.KEY} | to_json }}",
        "{{ [secrets.KEY, 'a'] | sort }}",
        "{{ [secrets.KEY] | map('upper') }}",
        "{{ 'x' | replace('x', secrets.KEY) }}",
        "{{ 'x' | replace('y', to=secrets.KEY) }}",
        "{{ secrets.KEY[1:] }}",
        "{{ secrets.KEY[0] }}",
        "{{ secrets.KEY.x }}",
        "{{ secrets.KEY == 'a' }}",
        "{{ 'a' == secrets.KEY }}",
        "{{ secrets.KEY != secrets.USER }}",
        "{{ secrets.KEY < 'b' }}",
        "{{ 'a' < secrets.KEY < 'b' }}",
        "{{ [secrets.KEY] == [secrets.USER] }}",
        "{{ 'a' in secrets.KEY }}",
        "{{ secrets.KEY in 'abc' }}",
        "{{ secrets.KEY in ['a'] }}",
        "{{ secrets.KEY is startingwith 'a' }}",
        "{{ secrets.KEY is eq 'a' }}",
        "{{ 'a' is eq secrets.KEY }}",
        "{{ secrets.KEY is string }}",
        "{{ secrets.KEY + 'a' }}",
        "{{ 'a' + secrets.KEY }}",
        "{{ secrets.KEY * 2 }}",
        "{{ {secrets.KEY: 1} }}",
        "{{ {'a': 1}[secrets.KEY] }}",
        "{% for c in 'x' ~ secrets.KEY | upper %}{{ c }}{% endfor %}",
        "{% set s = secrets %}{{ s.KEY | upper }}",
        "{% set s = secrets %}{{ s.KEY == 'a' }}",
        "{{ secrets | items }}",
        "{{ secrets | list }}",
        "{{ secrets ~ '' }}",
        "{{ secrets['a b'] }}",
        "{{ secrets[''] }}",
        "{{ secrets.KEY | default(secrets.USER) | upper }}",
    ] {
        let message = fails_with(source, TEMPLATE_SECRET);
        assert!(!message.contains("c4n4ry") && !message.contains("$secret-"), "{message}");
    }
    for source in [
        "{{ secrets }}",
        "{{ secrets.KEY - 1 }}",
        "{{ -secrets.KEY }}",
        "{% for c in secrets.KEY %}{% endfor %}",
        "{% for c in secrets %}{% endfor %}",
    ] {
        let error = fails(source);
        assert!(matches!(error.code, TEMPLATE_SECRET | TEMPLATE_TYPE), "{error}");
    }
    fails_with("{{ secrets.KEY() }}", TEMPLATE_SYNTAX);
}

#[test]
fn t11_errors_around_a_secret_do_not_show_it() {
    let binder = engine().binder();
    for source in ["{{ secrets.USER | basic_auth('x') }}", "{{ secrets.NOPE }}"] {
        let rendered = ok(source);
        let values = BTreeMap::from([("USER".to_owned(), SecretValue::new("c4n4ry:with-colon".to_owned()))]);
        let error = binder.bind(json!({"a": [rendered]}), &values).unwrap_err();
        assert_eq!((error.code, error.pointer.as_str()), (TEMPLATE_SECRET, "/a/0"));
        assert!(!error.to_string().contains("c4n4ry"), "{error}");
    }
}

#[test]
fn markers_cannot_be_made_by_data() {
    let binder = engine().binder();
    let rendered = ok("{{ secrets.KEY }}");
    let marker = rendered.as_str().unwrap();
    let forged = marker.replacen(|c: char| c.is_ascii_hexdigit(), "0", 12);
    assert_ne!(forged, marker);
    assert!(binder.keys(&json!(forged)).is_empty());
    assert_eq!(binder.bind(json!(forged), &values()).unwrap(), json!(forged));
    // Damaged on its way: never sent.
    for damaged in [&marker[..marker.len() - 1], &marker.replace("$}", "!$}")] {
        let error = binder.bind(json!(damaged), &values()).unwrap_err();
        assert_eq!(error.code, TEMPLATE_SECRET);
        assert!(!binder.redacted(json!(damaged)).to_string().contains("$secret-"));
    }
    let in_key = json!({marker: 1});
    assert_eq!(binder.redacted(in_key), json!({"$secret:KEY": 1}));
}

#[test]
fn nothing_that_is_debugged_shows_a_marker() {
    let template = engine().template("{{ secrets.KEY ~ 'x' }}").unwrap();
    assert!(!format!("{template:?} {:?} {:?}", context(), engine()).contains("$secret-"));
    let seen: BTreeSet<String> = template.references().secrets;
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["KEY"]);
}
