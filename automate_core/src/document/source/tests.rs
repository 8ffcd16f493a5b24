use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn loaded(source: &str) -> (Option<(Value, Positions)>, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let loaded = load(source, &mut findings);
    (loaded, findings.finish())
}

fn value(source: &str) -> Value {
    match loaded(source) {
        (Some((value, _)), findings) if findings.is_empty() => value,
        (_, findings) => panic!("{findings:?}"),
    }
}

/// The code and place of the one finding.
fn refused(source: &str) -> (String, usize, usize) {
    let (_, findings) = loaded(source);
    assert_eq!(findings.len(), 1, "{findings:?}");
    (findings[0].code.clone(), findings[0].line, findings[0].column)
}

fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn yaml_and_json_give_the_same_value() {
    let yaml = "a: 1\nb:\n  - x\n  - { c: null, d: [true, 1.5] }\n\"on\": text\n";
    let json = "{\"a\": 1,\r\n\t\"b\": [\"x\", {\"c\": null, \"d\": [true, 1.5]}],\n\t\"on\": \"text\"\n}";
    assert_eq!(value(yaml), value(json));
    assert_eq!(value(yaml), json!({"a": 1, "b": ["x", {"c": null, "d": [true, 1.5]}], "on": "text"}));
}

#[test]
fn json_of_other_programs_is_read_with_all_its_escapes() {
    assert_eq!(value(r#"{"a":"\ud83d\ude00 \u00e9\/\b\f\n\r\t\"\\"}"#), json!({"a": "😀 é/\u{8}\u{c}\n\r\t\"\\"}));
    assert_eq!(value(r#"{"a":"\\ud83d"}"#), json!({"a": "\\ud83d"}));
    assert_eq!(value("{\"a\":{\"b\":[]},\"c\":{}}"), json!({"a": {"b": []}, "c": {}}));
    let minified = format!("{{\"{}\":\"{}\"}}", "k".repeat(900), "v".repeat(5_000));
    assert!(loaded(&minified).0.is_some());
    assert_eq!(value("{\"a\" : 1 , \"b\":\n2}"), json!({"a": 1, "b": 2}));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_document() {
    assert_eq!(value("\u{feff}a: 1"), json!({"a": 1}));
}

#[test]
fn places_are_those_of_the_source() {
    let source = "top:\n  list:\n    - one\n    - two: |\n        first\n        second\n  flow: { a: 1, b: 2 }\n";
    let (loaded, _) = loaded(source);
    let positions = loaded.unwrap().1;
    assert_eq!(positions.value("/top/list/0"), at(3, 7));
    assert_eq!(positions.key("/top/list"), at(2, 3));
    assert_eq!(positions.key("/top/list/1/two"), at(4, 7));
    assert_eq!(positions.value("/top/list/1"), at(4, 7));
    assert_eq!(positions.text_line("/top/list/1/two"), 5);
    assert_eq!(positions.text_line("/top/list/0"), 3);
    assert_eq!(positions.key("/top/flow/b"), at(7, 17));
    assert_eq!(positions.value("/top/flow/b"), at(7, 20));
    assert_eq!(positions.value("/top/flow/nowhere/1"), positions.value("/top/flow"));
}

#[test]
fn aliases_are_expanded_and_stand_where_they_are_written() {
    let source = "a: &x { k: [1, 2] }\nb: *x\n";
    let (loaded, findings) = loaded(source);
    assert!(findings.is_empty());
    let (value, positions) = loaded.unwrap();
    assert_eq!(value, json!({"a": {"k": [1, 2]}, "b": {"k": [1, 2]}}));
    assert_eq!(positions.value("/b/k/1"), at(2, 4));
}

#[test]
fn r8_a_key_given_twice_is_refused_on_every_level() {
    for source in ["a: 1\nb: 2\na: 3", "{\"a\": 1, \"a\": 1}"] {
        assert_eq!(refused(source).0, codes::DUPLICATE_KEY, "{source}");
    }
    let (_, findings) = loaded("x:\n  - a: 1\n    a: 2\n  - b: 1\n    b: 1\n");
    let places: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.line)).collect();
    assert_eq!(places, [("/x/0/a", 3), ("/x/1/b", 5)]);
    assert!(findings[0].message.contains("already given on line 2"), "{}", findings[0].message);
}

#[test]
fn r10_nul_and_half_characters_are_refused() {
    assert_eq!(refused("a: b\nc: d\0"), (codes::INVALID_CHARACTER.to_owned(), 2, 5));
    assert_eq!(refused("a: \"x\\0\"").0, codes::INVALID_CHARACTER);
    assert_eq!(refused(r#"{"a": "\u0000"}"#).0, codes::INVALID_CHARACTER);
    assert_eq!(refused(r#"{"\u0000": 1}"#).0, codes::INVALID_CHARACTER);
    assert_eq!(refused(r#"{"a": "\ud83d"}"#).0, codes::SYNTAX);
    assert_eq!(refused(r#"{"a": "\ude00\ud83d"}"#).0, codes::SYNTAX);
}

#[test]
fn r9_numbers_that_would_be_rounded_are_refused_with_their_place() {
    let (_, findings) = loaded("a:\n  - 1\n  - 1e400\n  - 18446744073709551616\n");
    let places: Vec<_> = findings.iter().map(|f| (f.code.as_str(), f.path.as_str(), f.line)).collect();
    assert_eq!(places, [(codes::NUMBER_NOT_EXACT, "/a/1", 3), (codes::NUMBER_NOT_EXACT, "/a/2", 4)]);
}

#[test]
fn an_empty_source_is_refused() {
    for source in ["", "  \n\n", "# a comment\n", "---\n", "---\n...\n", "\u{feff}"] {
        assert_eq!(refused(source).0, codes::EMPTY_DOCUMENT, "{source:?}");
    }
}

#[test]
fn one_source_holds_one_document() {
    assert_eq!(refused("a: 1\n---\nb: 2\n"), (codes::SYNTAX.to_owned(), 2, 1));
    assert_eq!(refused("{} {}").0, codes::SYNTAX);
}

#[test]
fn what_yaml_can_and_documents_cannot_is_refused() {
    for source in [
        "a: !!binary aGk=",
        "a: !custom x",
        "? [a, b]\n: 1",
        "a: &x 1\n*x : 2",
        "a: &x [*x]",
        "a: *nowhere",
        "base: &b { a: 1 }\nc:\n  <<: *b\n",
        "a: !!int x",
        "a: b: c",
        "a: [1, 2",
        "\"a",
        "a:\n\tb: 1",
    ] {
        assert_eq!(refused(source).0, codes::SYNTAX, "{source}");
    }
}

#[test]
fn a_huge_source_is_refused_unread() {
    let source = format!("a: {}", "x".repeat(limits::DOCUMENT_BYTES));
    assert_eq!(refused(&source).0, codes::LIMIT_EXCEEDED);
}

#[test]
fn a_hundred_thousand_levels_are_refused_at_once() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    for source in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("[\n", "]\n"),
        "[".repeat(100_000),
        deep("{\"a\":[", ""),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "a: {".repeat(100_000),
    ] {
        let begun = Instant::now();
        let (loaded, findings) = loaded(&source);
        assert!(loaded.is_none() && !findings.is_empty());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?} for {}", begun.elapsed(), &source[..20]);
    }
    let mut block = String::new();
    for level in 0..1_000 {
        block.push_str(&format!("{}a:\n", " ".repeat(level)));
    }
    assert_eq!(refused(&block).0, codes::LIMIT_EXCEEDED);
    let fits = deep_list(limits::DOCUMENT_DEPTH);
    assert!(loaded(&fits).0.is_some());
    assert_eq!(refused(&deep_list(limits::DOCUMENT_DEPTH + 1)).0, codes::LIMIT_EXCEEDED);
}

fn deep_list(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn a14_alias_bombs_are_refused_before_they_go_off() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let below = level - 1;
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(", ")));
    }
    let begun = Instant::now();
    assert_eq!(refused(&laughs).0, codes::LIMIT_EXCEEDED);
    // A long text named many times is a bomb too, however few values it makes.
    let texts = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 100_000].join(","));
    assert_eq!(refused(&texts).0, codes::LIMIT_EXCEEDED);
    // So is depth made of aliases.
    let mut deep = String::from("a0: &a0 [1]\n");
    for level in 1..100 {
        deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(refused(&deep).0, codes::LIMIT_EXCEEDED);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn sources_with_bytes_changed_neither_panic_nor_hang() {
    let seed = "workflow: x\non: [ { manual: true } ]\nsteps:\n  - id: a\n    set: { n: \"{{ 1 }}\", m: |\n      x\n  }\n  - &b {id: b, ? k : *b}\n\"q\\u0041\": 'y'\n";
    let alphabet: Vec<char> = "{}[]:,-?&*!|>'\"%@`#\n\t \\u0a~<=.".chars().collect();
    let mut state: u64 = 7;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for _ in 0..4_000 {
        let mut chars: Vec<char> = seed.chars().collect();
        for _ in 0..=next(6) {
            let place = next(chars.len());
            let put = alphabet[next(alphabet.len())];
            match next(3) {
                0 => chars[place] = put,
                1 => chars.insert(place, put),
                _ => {
                    chars.remove(place);
                }
            }
        }
        let source: String = chars.into_iter().collect();
        let (loaded, findings) = loaded(&source);
        assert!(loaded.is_some() || !findings.is_empty(), "{source:?}");
    }
}

#[test]
fn what_was_read_is_read_again_from_its_canonical_form() {
    let mut strange: Vec<String> = (1..0x120_u32)
        .chain([0x2028, 0x2029, 0xfeff, 0xfffd, 0xfffe, 0x1_f600])
        .filter_map(char::from_u32)
        .map(String::from)
        .collect();
    strange.extend(
        [
            "- x",
            "? x",
            "a: b",
            "# no",
            "%",
            "---",
            "...",
            "&a",
            "*a",
            "!x",
            "<<",
            "'",
            "\"",
            "\\",
            "  ",
            " \n\n x \r\n\ty",
            "",
        ]
        .map(str::to_owned),
    );
    strange.push("k".repeat(1_000));
    strange.push("k".repeat(1_025));
    strange.push("k".repeat(5_000));
    for text in &strange {
        for value in [json!({ "a": text, "b": [text, 1] }), json!({ "x": { text: { text: [] } } })] {
            let canonical = crate::document::canonical::canonical_value(&value);
            let (loaded, findings) = loaded(&canonical);
            assert_eq!(loaded.map(|(value, _)| value), Some(value), "{canonical}: {findings:?}");
        }
    }
}
