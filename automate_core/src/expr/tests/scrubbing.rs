use std::io::Write as _;

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::secret::Scrubber;
use super::*;
use crate::secrets::SecretValue;

#[test]
fn s3_every_form_of_a_secret_is_scrubbed() {
    let scrubber = Scrubber::new();
    assert!(scrubber.is_empty());
    assert!(scrubber.add(&SecretValue::new(CANARY.to_owned())));
    assert!(!scrubber.is_empty());
    let url: String = CANARY.bytes().map(|b| format!("%{b:02X}")).collect();
    let json = json!(CANARY).to_string();
    let html = "c4n4ry/+&amp;&quot;&lt;é&gt;value";
    let mut texts = vec![
        CANARY.to_owned(),
        url.to_lowercase(),
        url,
        "c4n4ry%2F%2B%26%22%3C%C3%A9%3Evalue".to_owned(),
        "c4n4ry%2f%2b%26%22%3c%c3%a9%3evalue".to_owned(),
        json.trim_matches('"').to_owned(),
        "c4n4ry\\/+&\\\"<\\u00e9>value".to_owned(),
        "c4n4ry/+\\u0026\\\"\\u003c\\u00e9\\u003evalue".to_owned(),
        html.to_owned(),
        html.replace("&quot;", "&#34;"),
        hex::encode(CANARY),
        hex::encode_upper(CANARY),
        CANARY.chars().rev().collect(),
        serde_json::to_string(&json).unwrap(),
    ];
    let engines = [
        base64::engine::general_purpose::STANDARD,
        base64::engine::general_purpose::STANDARD_NO_PAD,
        base64::engine::general_purpose::URL_SAFE,
        base64::engine::general_purpose::URL_SAFE_NO_PAD,
    ];
    for engine in &engines {
        texts.push(engine.encode(CANARY));
    }
    for text in &texts {
        let clean = scrubber.scrub_str(text).into_owned();
        assert!(clean.contains("***"), "{text} -> {clean}");
        let rest = clean.replace("***", "");
        assert!(rest.len() < 7, "{text} -> {clean}");
    }
    for engine in &engines {
        for (before, after) in [("", "x"), ("a", "bb"), ("ab", ""), ("abc", "q"), ("user:", "")] {
            let text = engine.encode(format!("{before}{CANARY}{after}"));
            let clean = scrubber.scrub_str(&text).into_owned();
            assert!(clean.contains("***"), "{text}");
            // What is left is what was around it, and at most the characters that it shares.
            assert!(clean.len() <= before.len() * 2 + after.len() * 2 + 3 + 8, "{text} -> {clean}");
        }
    }
    let spaced = Scrubber::new();
    spaced.add(&SecretValue::new("open sesame now".to_owned()));
    assert_eq!(spaced.scrub_str("?q=open+sesame+now&r=open%20sesame%20now"), "?q=***&r=***");
}

#[test]
fn s3_a_secret_in_a_url_is_scrubbed_however_it_came_there() {
    let value = "?~>'c4n4ry/+=&<value";
    let scrubber = Scrubber::new();
    scrubber.add(&SecretValue::new(value.to_owned()));
    let mut urls =
        vec![format!("https://x.example/?q={}", ok(&format!("{{{{ \"{value}\" | urlencode }}}}")).as_str().unwrap())];
    let mut url = url::Url::parse(&format!("https://x.example/?q={value}")).unwrap();
    urls.push(url.to_string());
    url.query_pairs_mut().append_pair("again", value);
    urls.push(url.to_string());
    url.path_segments_mut().unwrap().push(value);
    urls.push(url.to_string());
    url.set_path(&format!("/a/{}", value.replace('?', "%3F")));
    urls.push(url.to_string());
    url.set_password(Some(value)).unwrap();
    urls.push(url.to_string());
    for url in urls {
        assert!(!scrubber.scrub_str(&url).contains("c4n4ry"), "{url} became {}", scrubber.scrub_str(&url));
    }
}

#[test]
fn s3_values_are_scrubbed_in_strings_keys_and_numbers() {
    let scrubber = Scrubber::new();
    scrubber.add(&SecretValue::new("topsecret-value".to_owned()));
    scrubber.clone().add(&SecretValue::new("1234567890".to_owned()));
    let mut value = json!({"a": ["x topsecret-value y", 1_234_567_890, 5], "k topsecret-value": null, "k ***": 1});
    scrubber.scrub_value(&mut value);
    assert_eq!(value, json!({"a": ["x *** y", "***", 5], "k ***": null, "k ****": 1}));
    assert_eq!(scrubber.scrub_str("nothing here"), "nothing here");
    assert!(matches!(scrubber.scrub_str("nothing here"), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn s4_short_values_are_not_masked() {
    let scrubber = Scrubber::new();
    assert!(!scrubber.add(&SecretValue::new("abc".to_owned())));
    assert!(!scrubber.add(&SecretValue::new("1234567".to_owned())));
    assert!(scrubber.is_empty());
    assert_eq!(scrubber.scrub_str("abc 1234567"), "abc 1234567");
    assert!(scrubber.add(&SecretValue::new("12345678".to_owned())));
    assert_eq!(scrubber.scrub_str("abc 12345678"), "abc ***");
}

#[test]
fn lines_of_a_private_key_are_scrubbed_by_themselves() {
    let scrubber = Scrubber::new();
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw\nabcdefghijklmnopqrstuvwxyz0123456789\n-----END PRIVATE KEY-----\n";
    scrubber.add(&SecretValue::new(pem.to_owned()));
    assert_eq!(scrubber.scrub_str("line MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw end"), "line *** end");
    assert_eq!(scrubber.scrub_str(&json!(pem).to_string()), "\"***\"");
    assert_eq!(scrubber.scrub_str("-----BEGIN PRIVATE KEY-----"), "-----BEGIN PRIVATE KEY-----");
}

#[test]
fn scrubbing_keeps_up_with_many_secrets_and_threads() {
    let scrubber = Scrubber::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let scrubber = scrubber.clone();
            scope.spawn(move || {
                for i in 0..10 {
                    let value = format!("secret-value-{thread}-{i}-{i}");
                    scrubber.add(&SecretValue::new(value.clone()));
                    assert_eq!(scrubber.scrub_str(&format!("a {value} b")), "a *** b");
                }
            });
        }
    });
}

#[test]
fn more_values_than_the_bound_can_be_added() {
    let scrubber = Scrubber::new();
    for i in 0..=crate::limits::SCRUBBED_SECRETS {
        scrubber.add(&SecretValue::new(format!("secret-value-{i}")));
    }
    assert!(!scrubber.is_empty());
}

fn gzip(text: &str, level: u32) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::new(level));
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn knowing(values: &[&str]) -> Scrubber {
    let scrubber = Scrubber::new();
    for value in values {
        assert!(scrubber.add(&SecretValue::new((*value).to_owned())));
    }
    scrubber
}

#[test]
fn s3_a_secret_in_base64_of_gzip_is_scrubbed_with_what_is_around_it() {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    let scrubber = knowing(&[CANARY]);
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        for level in [1, 9] {
            for hidden in [CANARY.to_owned(), hex::encode(CANARY), format!("{{\"t\": {}}}", json!(CANARY))] {
                let packed = engine.encode(gzip(&format!("{} {hidden} {}", "a".repeat(3_000), "b".repeat(300)), level));
                assert_eq!(scrubber.scrub_str(&format!("x=\"{packed}\", y")), "x=\"***\", y");
                // Cut off in a log, it still tells all that is before the cut.
                let cut = &packed[..packed.len() - 6];
                assert_eq!(scrubber.scrub_str(cut), "***", "{hidden}");
            }
            let harmless = engine.encode(gzip("nothing of interest", level));
            assert_eq!(scrubber.scrub_str(&harmless), harmless);
        }
    }
    for text in ["H4sI", "H4sIxxx=, H4sI????", "H4sIAAAAAAAA/w", "é H4sIAA é"] {
        assert_eq!(scrubber.scrub_str(text), text);
    }
}

#[test]
fn s3_what_unpacks_without_end_costs_a_bounded_time() {
    let scrubber = knowing(&[CANARY]);
    let bomb = base64::engine::general_purpose::STANDARD.encode(gzip(&"0".repeat(64 << 20), 9));
    let text = format!("{bomb} {bomb} {bomb} {bomb} {bomb} {bomb}");
    let begun = std::time::Instant::now();
    assert_eq!(scrubber.scrub_str(&text), text);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn s3_a_secret_that_comes_in_pieces_is_scrubbed() {
    let encoded = base64::engine::general_purpose::STANDARD.encode(CANARY);
    let scrubber = knowing(&[CANARY, "another-value-of-ours", "another-value-of-ours-that-is-longer"]);
    let text = format!(
        "before {CANARY} and {encoded}, c4n4r é another-value-of-ours. another-value-of-ours-that-is-longer, another-val"
    );
    let whole = scrubber.scrub_str(&text).into_owned();
    assert!(!whole.contains("c4n4ry") && whole.contains("c4n4r é ***. ***, another-val"), "{whole}");
    let chars: Vec<char> = text.chars().collect();
    for size in 1..=40 {
        let mut stream = scrubber.stream();
        let mut shown = String::new();
        for piece in chars.chunks(size) {
            shown.push_str(&stream.push(&piece.iter().collect::<String>()));
            assert!(whole.starts_with(&shown), "{size}: {shown}");
        }
        shown.push_str(&stream.finish());
        assert_eq!(shown, whole, "pieces of {size}");
    }
}

#[test]
fn pieces_are_held_back_no_longer_than_they_must() {
    let scrubber = knowing(&["topsecret-value"]);
    let mut stream = scrubber.stream();
    // Of less than eight bytes nothing is known yet.
    assert_eq!(stream.push("a plain text, "), "a plain");
    assert_eq!(stream.push("and topsecr"), " text, and ");
    // It might still become the value.
    assert_eq!(stream.push("ets, "), "");
    assert_eq!(stream.push("topsecret-val"), "topsecrets, ");
    assert_eq!(stream.push("ue. And so on"), "***. An");
    assert_eq!(stream.finish(), "d so on");
    // A value that becomes known meanwhile is looked for from then on.
    let scrubber = Scrubber::new();
    let mut stream = scrubber.stream();
    assert_eq!(stream.push("late-sec"), "late-sec");
    scrubber.add(&SecretValue::new("late-secret-value".to_owned()));
    assert_eq!(stream.push(" late-secret-"), " ");
    assert_eq!(stream.push("value."), "");
    assert_eq!(stream.finish(), "***.");
}

#[test]
fn secrets_that_overlap_are_hidden_together() {
    let scrubber = knowing(&["abcdefgh-ijkl", "ijkl-mnopqrst", "qrst-uvwxyz-0123"]);
    assert_eq!(scrubber.scrub_str("x abcdefgh-ijkl-mnopqrst-uvwxyz-0123 y"), "x *** y");
    assert_eq!(scrubber.scrub_str("abcdefgh-ijklijkl-mnopqrst"), "******");
}

#[test]
fn what_is_forgotten_makes_room_and_the_rest_is_still_found() {
    let scrubber = Scrubber::new();
    let bound = crate::limits::SCRUBBED_SECRETS;
    let value = |n: usize| format!("value-{n:05}-of-many");
    for n in 0..=bound {
        scrubber.add(&SecretValue::new(value(n)));
    }
    assert_eq!(scrubber.scrub_str(&value(0)), value(0));
    assert_eq!(scrubber.scrub_str(&value(bound / 4 - 1)), value(bound / 4 - 1));
    for n in [bound / 4, bound / 2, bound] {
        assert_eq!(scrubber.scrub_str(&hex::encode(value(n))), "***");
    }
    // Known once more, it is looked for once more.
    scrubber.add(&SecretValue::new(value(0)));
    assert_eq!(scrubber.scrub_str(&value(0)), "***");
}
