//! Bodies that are refused before anything is made of them.

use std::time::Instant;

use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;

/// What a body gets as JSON of a new book.
async fn sent(site: &Site, body: &[u8]) -> (u16, String) {
    let ask = site.ask("admin", "POST", "/api/v1/books").header("content-type", "application/json");
    let answer = ask.body(body).send().await;
    (answer.status, if answer.status < 400 { String::new() } else { answer.code() })
}

fn with_title(title: &str) -> Vec<u8> {
    format!(r#"{{"title":{title},"author":"x","pages":1}}"#).into_bytes()
}

both_databases! {
    async fn r7_json_that_is_too_deep_or_too_large_is_refused_at_once(db: TestDatabase) {
        let site = Site::over(&db).await;
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        let keys: String = (0..60_000).map(|n| format!("\"k{n}\":1,")).collect();
        let many = format!("{{{}\"last\":1}}", keys);
        let long = format!("[{}1]", "1,".repeat(1_000_000));
        for (body, status) in [(deep, 400), (many, 400), (long, 413)] {
            let begun = Instant::now();
            assert_eq!(sent(&site, body.as_bytes()).await.0, status);
            assert!(begun.elapsed().as_secs() < 2, "it took {:?}", begun.elapsed());
        }
        assert_eq!(site.books().await, 0);
    }

    async fn r8_duplicate_keys_are_refused_wherever_they_are(db: TestDatabase) {
        let site = Site::over(&db).await;
        let body = br#"{"title":"a","author":"x","pages":1,"title":"b"}"#;
        assert_eq!(sent(&site, body).await, (400, "JSON_DUPLICATE_KEY".to_owned()));
        let body = br#"{"title":"a","author":"x","pages":1,"note":{"a":1,"\u0061":2}}"#;
        assert_eq!(sent(&site, body).await, (400, "JSON_DUPLICATE_KEY".to_owned()));
    }

    async fn r9_numbers_are_exact_or_refused(db: TestDatabase) {
        let site = Site::over(&db).await;
        for number in ["9223372036854775808000", "1e400", "0.1000000000000000055511151231257827"] {
            let body = format!(r#"{{"title":"a","author":"x","pages":{number}}}"#);
            assert_eq!(sent(&site, body.as_bytes()).await, (400, "JSON_NUMBER_NOT_EXACT".to_owned()), "{number}");
        }
        for number in ["9007199254740993", "2147483648", "1.5", "-2147483649", "1e3"] {
            let body = format!(r#"{{"title":"a","author":"x","pages":{number}}}"#);
            assert_eq!(sent(&site, body.as_bytes()).await.0, 422, "{number} does not fit the column");
        }
        for (number, kept) in [("2147483647", 2_147_483_647_i64), ("-0", 0), ("-2147483648", -2_147_483_648)] {
            let body = format!(r#"{{"title":"a","author":"x","pages":{number}}}"#);
            let ask = site.ask("admin", "POST", "/api/v1/books").header("content-type", "application/json");
            let answer = ask.body(body.as_bytes()).send().await;
            assert!(answer.status == 422 || answer.json()["pages"] == json!(kept), "{number}: {answer:?}");
        }
    }

    async fn r10_what_a_database_cannot_keep_is_refused_and_never_a_500(db: TestDatabase) {
        let site = Site::over(&db).await;
        assert_eq!(sent(&site, &with_title(r#""a\u0000b""#)).await, (400, "JSON_NUL".to_owned()));
        assert_eq!(sent(&site, &with_title(r#""a\ud800b""#)).await, (400, "JSON_LONE_SURROGATE".to_owned()));
        let mut overlong = with_title(r#""a??b""#);
        let at = overlong.windows(2).position(|two| two == b"??").unwrap();
        overlong[at..at + 2].copy_from_slice(b"\xc0\xaf");
        assert_eq!(sent(&site, &overlong).await, (400, "INVALID_UTF8".to_owned()));
        let mut bom = b"\xef\xbb\xbf".to_vec();
        bom.extend(with_title("\"a\""));
        assert_eq!(sent(&site, &bom).await.0, 400);
        for query in ["author=%00", "search=a%00b", "author=%ff", "author=%ed%a0%80", "search=%c0%af"] {
            assert_eq!(site.get(&format!("/api/v1/books?{query}")).await.status, 400, "{query}");
        }
    }

    async fn r16_what_a_page_of_another_origin_can_send_unasked_is_refused(db: TestDatabase) {
        let site = Site::over(&db).await;
        let body = br#"{"title":"a","author":"x","pages":1}"#;
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16"] {
            let ask = site.ask("admin", "POST", "/api/v1/books").header("content-type", media_type);
            assert_eq!(ask.body(body).send().await.status, 415, "{media_type}");
        }
        let silent = site.ask("admin", "POST", "/api/v1/books").body(body).send().await;
        assert_eq!(silent.status, 415, "a type that is not said");
        let packed = site.ask("admin", "POST", "/api/v1/books").header("content-type", "application/json").header("content-encoding", "gzip");
        assert_eq!(packed.body(body).send().await.status, 415);
        let unasked = site.ask("admin", "DELETE", &format!("/api/v1/books/{}", site.book("a", 1).await));
        assert_eq!(unasked.header("content-type", "text/plain").body(b"{}").send().await.status, 415);

        let evil = site.ask("admin", "GET", "/api/v1/books").header("origin", "https://evil.example").send().await;
        assert_eq!((evil.status, evil.headers.get("access-control-allow-origin")), (200, None));
        let ours = site.ask("admin", "GET", "/api/v1/books").header("origin", "https://library.example").send().await;
        assert_eq!(ours.headers["access-control-allow-origin"], "https://library.example");
        assert_eq!(ours.headers.get("access-control-allow-credentials"), None);
        let elsewhere = site.ask("admin", "GET", "/api/v1/workflows").header("origin", "https://library.example").send().await;
        assert_eq!(elsewhere.headers.get("access-control-allow-origin"), None, "other views did not name it");
        let preflight = async |origin: &str, target: &str| {
            let ask = site.ask("", "OPTIONS", target).header("origin", origin);
            ask.header("access-control-request-method", "POST").send().await
        };
        let granted = preflight("https://library.example", "/api/v1/books").await;
        assert_eq!((granted.status, granted.headers["access-control-allow-origin"].as_str()), (204, "https://library.example"));
        assert!(granted.headers["access-control-allow-headers"].contains("Idempotency-Key"));
        for (origin, target) in [("https://evil.example", "/api/v1/books"), ("null", "/api/v1/books"), ("https://library.example", "/api/v1")] {
            let refused = preflight(origin, target).await;
            assert_eq!(refused.headers.get("access-control-allow-origin"), None, "{origin} {target}");
            assert_eq!(refused.headers.get("access-control-allow-methods"), None, "{origin} {target}");
        }
        assert_eq!(site.books().await, 1);
    }

    async fn a_body_where_none_is_taken_must_say_nothing(db: TestDatabase) {
        let site = Site::over(&db).await;
        assert_eq!(site.post("/api/v1/books/import", &json!({})).await.status, 200);
        assert_eq!(site.ask("admin", "POST", "/api/v1/books/import").send().await.status, 200);
        assert_eq!(site.post("/api/v1/books/import", &json!({ "file": "/etc/passwd" })).await.status, 400);
        assert_eq!(site.ask("admin", "POST", "/api/v1/books").json(&json!([])).send().await.status, 422);
        let empty = site.ask("admin", "POST", "/api/v1/books").header("content-type", "application/json").body(b"");
        assert_eq!(empty.send().await.status, 400);
    }
}
