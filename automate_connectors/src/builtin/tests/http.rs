use std::sync::Arc;
use std::time::Duration;

use automate_core::error::ErrorCode;
use serde_json::json;

use crate::builtin::Http;
use crate::testing::{Behaviour, FixedConnections, MisbehavingServer, TestBed};

async fn bed() -> TestBed {
    TestBed::new(vec![Arc::new(Http)], FixedConnections::default()).await.unwrap()
}

#[tokio::test]
async fn a_request_goes_out_as_written() {
    let bed = bed().await;
    let input = json!({
        "method": "POST", "url": bed.server.url("/orders?a=1"), "query": { "b": [2, "x y"], "c": null, "d": true },
        "headers": { "X-Trace": "t", "Accept": "text/plain" }, "json": { "n": 1 }, "auth": { "bearer": "tok" }
    });
    bed.server.always(Behaviour::json(&json!({ "id": 17 })));
    let output = bed.run("http.request", input).await.unwrap();
    assert_eq!(
        (&output["status"], &output["body"], &output["body_type"]),
        (&json!(200), &json!({ "id": 17 }), &json!("json"))
    );
    assert_eq!(output["headers"]["content-type"], "application/json");
    let request = &bed.server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/orders?a=1&b=2&b=x+y&d=true"));
    assert_eq!(request.header("authorization"), Some("Bearer tok"));
    assert_eq!(request.header("x-trace"), Some("t"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("test-0123456789"));
    assert_eq!(request.json(), json!({ "n": 1 }));
}

#[tokio::test]
async fn a_get_carries_no_idempotency_key_and_a_step_may_set_its_own() {
    let bed = bed().await;
    bed.run("http.request", json!({ "url": bed.server.url("/") })).await.unwrap();
    let own = json!({ "method": "PUT", "url": bed.server.url("/"), "headers": { "Idempotency-Key": "mine" } });
    bed.run("http.request", own).await.unwrap();
    let keys: Vec<_> = bed.server.requests().iter().map(|r| r.header("idempotency-key").map(str::to_owned)).collect();
    assert_eq!(keys, [None, Some("mine".to_owned())]);
}

#[tokio::test]
async fn forms_texts_and_basic_credentials() {
    let bed = bed().await;
    let auth = json!({ "basic": { "username": "ada", "password": "love lace" } });
    let form = json!({ "method": "POST", "url": bed.server.url("/"), "form": { "a": "x&y", "b": 2 }, "auth": auth });
    bed.run("http.request", form).await.unwrap();
    bed.run("http.request", json!({ "method": "POST", "url": bed.server.url("/"), "body": "plain" })).await.unwrap();
    bed.run("http.request", json!({ "method": "POST", "url": bed.server.url("/"), "json": null })).await.unwrap();
    let requests = bed.server.requests();
    assert_eq!(&requests[0].body[..], b"a=x%26y&b=2");
    assert_eq!(requests[0].header("authorization"), Some("Basic YWRhOmxvdmUgbGFjZQ=="));
    assert_eq!((&requests[1].body[..], &requests[2].body[..]), (&b"plain"[..], &b"null"[..]));
    let two = json!({ "method": "POST", "url": bed.server.url("/"), "body": "a", "json": 1 });
    assert_eq!(bed.run("http.request", two).await.unwrap_err().code, ErrorCode::InvalidInput);
}

#[tokio::test]
async fn statuses_outside_the_expected_ones_fail() {
    let bed = bed().await;
    bed.server.always(Behaviour::status(404));
    let expected = json!({ "url": bed.server.url("/"), "expect": [200, 404] });
    assert_eq!(bed.run("http.request", expected).await.unwrap()["status"], 404);
    bed.server.always(Behaviour::status(200));
    let error =
        bed.run("http.request", json!({ "url": bed.server.url("/?token=abc"), "expect": [201] })).await.unwrap_err();
    assert!(error.message.contains("answered 200") && !error.message.contains("token"), "{error}");
    assert!(!error.retryable);
    bed.server.always(Behaviour::redirect(302, "http://169.254.169.254/"));
    let error = bed.run("http.request", json!({ "url": bed.server.url("/") })).await.unwrap_err();
    assert!(error.message.contains("redirects are not followed"), "{error}");
    bed.server.always(Behaviour::rate_limited("30"));
    let error = bed.run("http.request", json!({ "url": bed.server.url("/") })).await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn t12_line_breaks_reach_neither_headers_nor_the_url() {
    let bed = bed().await;
    let url = bed.server.url("/");
    for (name, value) in
        [("x-a", "b\r\nx-evil: 1"), ("x-a", "b\nc"), ("x-a", "nul\u{0}"), ("x a", "b"), ("x-a\r\n", "b")]
    {
        let error = bed.run("http.request", json!({ "url": url, "headers": { name: value } })).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
        assert!(!error.message.contains("evil") && !error.message.contains('\n'), "{error}");
    }
    for bad in ["\r\n", "\t", " ", "\\", "\u{0}"] {
        let error = bed.run("http.request", json!({ "url": format!("{url}{bad}x") })).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{bad:?}");
    }
    for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Proxy-Authorization"] {
        let error = bed.run("http.request", json!({ "url": url, "headers": { name: "1" } })).await.unwrap_err();
        assert!(error.message.contains("cannot be set"), "{error}");
    }
    let error = bed.run("http.request", json!({ "url": url, "auth": { "bearer": "a\r\nb" } })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(bed.server.requests().is_empty());
}

#[tokio::test]
async fn t13_a_url_says_what_it_seems_to_say() {
    let bed = bed().await;
    for url in [
        "https://evil@127.0.0.1#/",
        "https://user:pw@example.com/",
        "https://good\\@evil.example/",
        "file:///etc/passwd",
        "gopher://x/",
        "data:text/plain,x",
        "unix:/run/x",
        "ftp://x/",
        "//example.com/",
        "example.com",
        "",
        "http://",
    ] {
        let error = bed.run("http.request", json!({ "url": url })).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{url}");
    }
}

#[tokio::test]
async fn the_credentials_of_a_connection_stay_under_its_address() {
    let server = MisbehavingServer::start().await.unwrap();
    let connections = FixedConnections::default()
        .with("http", "crm", &[("base_url", &server.url("/v1")), ("header", "X-Api-Key"), ("key", "k3y-k3y")])
        .with("http", "default", &[("base_url", &server.url("/v1")), ("token", "never")]);
    let bed = TestBed::over(server, vec![Arc::new(Http)], connections);
    let run = |url: String| {
        let mut call = bed.call("http.request", json!({ "url": url }));
        call.connection = Some("crm".to_owned());
        automate_core::actions::ActionRunner::run(&bed.registry, call)
    };
    for inside in ["/orders?x=1".to_owned(), "orders".to_owned(), String::new(), bed.server.url("/v1/orders")] {
        run(inside).await.unwrap();
    }
    for outside in
        ["/../v2", "//evil.example/", "http://evil.example/v1/x", &bed.server.url("/v2"), &bed.server.url("/v1x")]
    {
        let error = run((*outside).to_owned()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{outside}");
    }
    let requests = bed.server.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|r| r.header("x-api-key") == Some("k3y-k3y") && r.path.starts_with("/v1")));
    // Steps choose the host here, so that no connection is used unasked.
    bed.run("http.request", json!({ "url": bed.server.url("/v1") })).await.unwrap();
    assert_eq!(bed.server.requests()[4].header("authorization"), None);
}

#[tokio::test]
async fn a_large_answer_is_cut_off() {
    let bed = bed().await;
    bed.server.always(Behaviour::Huge { bytes: 2_000 });
    let small = json!({ "url": bed.server.url("/"), "max_response_bytes": 1_000 });
    assert_eq!(bed.run("http.request", small).await.unwrap_err().code, ErrorCode::LimitExceeded);
    // Small enough to read and too large to store.
    bed.server.always(Behaviour::Huge { bytes: 5 * 1024 * 1024 });
    let error = bed.run("http.request", json!({ "url": bed.server.url("/") })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
}
