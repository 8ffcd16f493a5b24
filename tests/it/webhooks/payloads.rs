//! What a payload may be.

use std::time::{Duration, Instant};

use automate_core::document::definition::VerifyScheme;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::site::{Site, pairs};

both_databases! {
    async fn w15_r7_to_r10_what_cannot_be_kept_as_it_came_is_400_and_leaves_no_event(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        site.listen_signed(VerifyScheme::Stripe).await;
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        let keys = format!("{{{}}}", (0..10_001).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","));
        let cases: [(&[u8], &str); 15] = [
            (b"", "INVALID_JSON"),
            (b"{\"a\":", "INVALID_JSON"),
            (b"{} x", "INVALID_JSON"),
            (b"{\"a\": NaN}", "INVALID_JSON"),
            (b"\xef\xbb\xbf{}", "INVALID_JSON"),
            (b"{\"a\": \"\xff\"}", "INVALID_UTF8"),
            (b"{\"a\": \"\xc0\x80\"}", "INVALID_UTF8"),
            (deep.as_bytes(), "JSON_TOO_DEEP"),
            (keys.as_bytes(), "JSON_TOO_MANY_KEYS"),
            (br#"{"role":"viewer","role":"admin"}"#, "JSON_DUPLICATE_KEY"),
            (br#"{"a":"\u0000"}"#, "JSON_NUL"),
            (br#"{"a":"\ud800"}"#, "JSON_LONE_SURROGATE"),
            (b"{\"a\": 1e400}", "JSON_NUMBER_NOT_EXACT"),
            (b"{\"a\": 18446744073709551616}", "JSON_NUMBER_NOT_EXACT"),
            (b"{\"a\": 0.1234567890123456789}", "JSON_NUMBER_NOT_EXACT"),
        ];
        for (body, code) in cases {
            let begun = Instant::now();
            let answer = site.post("open-3fb1c9", &[], body).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, code), "{}", String::from_utf8_lossy(&body[..body.len().min(40)]));
            assert!(begun.elapsed() < Duration::from_secs(2), "{code}: {:?}", begun.elapsed());
            // After the signature check: whoever cannot sign learns nothing about bodies.
            let unsigned = site.post("stripe", &[], body).await;
            assert_eq!(unsigned.status, 401, "{code}");
            let signed = site.post_signed(VerifyScheme::Stripe, "", body).await;
            assert_eq!((signed.status, signed.code().as_str()), (400, code));
        }
        assert_eq!(site.executions().await, 0);
    }

    async fn r9_what_is_taken_comes_out_as_it_went_in(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        for text in [
            r#"{"n":9007199254740993}"#,
            r#"{"n":9223372036854775808}"#,
            r#"{"n":0.1}"#,
            r#"{"n":0.30000000000000004}"#,
            r#"{"s":"größer als 100 € 😀","t":"\u0001"}"#,
            r#"[1,"two",null,true,{"x":[]}]"#,
            r#""only a string""#,
            "7",
        ] {
            let answer = site.post_to("/hooks/default/open-3fb1c9?wait=true", &[], text.as_bytes()).await;
            assert_eq!(answer.status, 200, "{text}: {answer:?}");
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(answer.json()["output"], expected, "{text}");
            let event = site.event(answer.json()["event_id"].as_str().unwrap()).await;
            assert_eq!(&*event.payload, text);
        }
    }

    async fn a_dedupe_that_cannot_be_evaluated_refuses_and_tells_the_sender_no_internals(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.publish("workflow: d\non: [{ webhook: d, verify: none, dedupe: '{{ event.payload.missing.deep }}' }]\nsteps: [{ id: s, set: { a: 1 } }]").await;
        let answer = site.post("d", &[], b"{}").await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "TRIGGER_FAILED"));
        assert!(!answer.text.contains("missing"), "{answer:?}");
        assert_eq!(site.executions().await, 0);
    }

    async fn a_filter_that_does_not_match_takes_the_delivery_and_starts_nothing(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.publish("workflow: f\non: [{ webhook: f, verify: none, filter: 'event.payload.n > 1' }]\nsteps: [{ id: s, set: { a: 1 } }]").await;
        let answer = site.post("f", &[], br#"{"n":1}"#).await;
        assert_eq!((answer.status, answer.json()["execution_ids"].clone()), (202, json!([])));
        assert_eq!(site.post("f", &[], br#"{"n":2}"#).await.json()["execution_ids"].as_array().map(Vec::len), Some(1));
    }

    async fn a19_what_a_sender_writes_into_headers_and_paths_stays_text(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("open-3fb1c9", "none").await;
        let odd = pairs(&[("x-odd", "\u{1b}"), ("x-correlation-id", "a b<script>")]);
        let answer = site.post("open-3fb1c9", &pairs(&[("x-correlation-id", "a b<script>")]), b"{}").await;
        assert_eq!(answer.status, 202);
        let made = answer.headers.get("x-correlation-id").unwrap();
        assert!(made.len() == 36 && !answer.text.contains("script"), "{answer:?}");
        assert_eq!(site.post("open-3fb1c9", &odd, b"{}").await.status, 400, "control characters are no header");
        assert_eq!(site.post("a%1b%5b2J", &[], b"{}").await.status, 404);
    }
}
