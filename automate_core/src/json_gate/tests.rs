use std::time::{Duration, Instant};

use super::*;

fn refusal(text: impl AsRef<[u8]>) -> &'static str {
    match check(text.as_ref()) {
        Ok(_) => "passed",
        Err(error) => error.kind.code(),
    }
}

#[test]
fn what_rfc_8259_calls_json_passes_and_parses_to_what_serde_says() {
    for text in [
        "null",
        " true ",
        "\"\"",
        "[]",
        "{}",
        "[1,-2,3.5,1e3,-0,0.1,1E-2]",
        r#"{"a":{"b":[{"c":"\u00e9\ud83d\ude00\n\"\\\/"}]},"":0}"#,
        "\r\n\t{ \"a\" : [ 1 , 2 ] }\n",
        "\"\u{7f}é\u{2028}\"",
    ] {
        let (same, value) = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(same, text);
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }
}

#[test]
fn w15_what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "{a:1}",
        "{'a':1}",
        "nul",
        "NaN",
        "Infinity",
        "-",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "{}x",
        "{} {}",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "]",
        "}",
        "[}",
        "{]",
        "{\"a\" 1}",
        "// a\n1",
        "tru\u{e9}",
    ] {
        assert_eq!(refusal(text), "INVALID_JSON", "{text:?}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text:?}");
    }
    assert_eq!(refusal("\u{feff}{}"), "INVALID_JSON");
    assert_eq!(refusal(b"{\"a\":\"\xff\"}"), "INVALID_UTF8");
    assert_eq!(refusal(b"\xff\xfe{\0}\0"), "INVALID_UTF8");
}

#[test]
fn r7_a_hundred_thousand_levels_are_refused_at_once() {
    for text in ["[".repeat(100_000), "{\"a\":".repeat(100_000), "[{\"a\":".repeat(50_000)] {
        let started = Instant::now();
        assert_eq!(refusal(&text), "JSON_TOO_DEEP");
        assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
    }
    let deepest = format!("{}{}", "[".repeat(limits::JSON_DEPTH), "]".repeat(limits::JSON_DEPTH));
    assert!(parse(deepest.as_bytes()).is_ok());
    assert_eq!(refusal(format!("[{deepest}]")), "JSON_TOO_DEEP");
}

#[test]
fn r7_more_keys_than_allowed_are_refused_wherever_they_are() {
    let object = |keys: usize| {
        let pairs: Vec<String> = (0..keys).map(|n| format!("\"k{n}\":1")).collect();
        format!("{{{}}}", pairs.join(","))
    };
    assert_eq!(refusal(object(limits::JSON_KEYS)), "passed");
    assert_eq!(refusal(object(limits::JSON_KEYS + 1)), "JSON_TOO_MANY_KEYS");
    let many_small = format!("[{}]", vec![object(10); limits::JSON_KEYS / 10 + 1].join(","));
    assert_eq!(refusal(many_small), "JSON_TOO_MANY_KEYS");
}

#[test]
fn r8_a_duplicate_key_is_refused_however_it_is_written() {
    assert_eq!(refusal(r#"{"role":"viewer","role":"admin"}"#), "JSON_DUPLICATE_KEY");
    assert_eq!(refusal(r#"{"role":"viewer","\u0072ole":"admin"}"#), "JSON_DUPLICATE_KEY");
    assert_eq!(refusal(r#"[{"a":{"x":1,"y":{"z":1,"z":2}}}]"#), "JSON_DUPLICATE_KEY");
    assert_eq!(refusal(r#"{"a":{"a":1},"b":{"a":1},"c":[{"a":1},{"a":2}]}"#), "passed");
    let mut pairs: Vec<String> = (0..5_000).map(|n| format!("\"k{n}\":1")).collect();
    assert_eq!(refusal(format!("{{{}}}", pairs.join(","))), "passed");
    pairs.push("\"k17\":2".to_owned());
    assert_eq!(refusal(format!("{{{}}}", pairs.join(","))), "JSON_DUPLICATE_KEY");
}

#[test]
fn r9_a_number_is_kept_exactly_or_refused() {
    for exact in [
        "0",
        "-0",
        "0.1",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551615",
        "-9223372036854775808",
        "1e5",
        "0.30000000000000004",
        "1.00000000000000000000",
        "123456789012345.0",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014e-308",
        "0.000",
        "0e999999999999999999999",
        "1e22",
        "1e-7",
        "100e-2",
    ] {
        assert_eq!(refusal(exact), "passed", "{exact}");
        let (_, value) = parse(exact.as_bytes()).unwrap();
        let printed = value.to_string();
        assert_eq!(scientific(printed.as_bytes()), scientific(exact.as_bytes()), "{exact} became {printed}");
    }
    for rounded in [
        "18446744073709551616",
        "-9223372036854775809",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "0.1234567890123456789",
        "0.33333333333333333333",
        "9007199254740993.0",
        "123456789012345678901234567890",
    ] {
        assert_eq!(refusal(rounded), "JSON_NUMBER_NOT_EXACT", "{rounded}");
    }
}

#[test]
fn r10_nul_and_lone_surrogates_are_refused() {
    assert_eq!(refusal(r#"{"a":"x\u0000"}"#), "JSON_NUL");
    assert_eq!(refusal(r#"{"\u0000":1}"#), "JSON_NUL");
    assert_eq!(refusal(b"\"a\0b\""), "JSON_NUL");
    for lone in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\ud800x""#, r#""\ude00\ud83d""#] {
        assert_eq!(refusal(lone), "JSON_LONE_SURROGATE", "{lone}");
    }
    assert_eq!(refusal(b"\"\xc0\x80\""), "INVALID_UTF8", "overlong NUL");
    assert_eq!(refusal(b"\"\xed\xa0\x80\""), "INVALID_UTF8", "encoded surrogate");
    assert_eq!(refusal(r#""\\u0000""#), "passed", "an escaped backslash is no escape of NUL");
}

#[test]
fn an_error_says_where() {
    assert_eq!(check(b"{\"a\": nope}").unwrap_err().offset, 6);
    assert_eq!(check(b"[1, 1e999]").unwrap_err().offset, 4);
}

/// Every text made of a few telling bytes is judged as `serde_json` judges it, apart from the
/// rules that are ours.
#[test]
fn the_gate_is_never_laxer_than_the_parser() {
    let alphabet = b"{}[],:\"\\u0d8-1.e tn";
    let mut seed: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..200_000 {
        let mut text = Vec::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = usize::try_from(seed >> 40).unwrap_or(0) % alphabet.len();
            text.push(alphabet[pick]);
        }
        let parsed = serde_json::from_slice::<Value>(&text).is_ok();
        match check(&text) {
            Ok(_) => assert!(parsed, "{}", String::from_utf8_lossy(&text)),
            Err(GateError { kind: Syntax(_), .. }) => assert!(!parsed, "{}", String::from_utf8_lossy(&text)),
            Err(_) => {}
        }
    }
}
