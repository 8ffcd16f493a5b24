mod conformance;
mod http;
mod llm;

use std::sync::Arc;

use automate_core::actions::{Catalog, LogLevel};
use automate_core::error::ErrorCode;
use automate_core::secrets::SecretValue;
use automate_core::status::Effect;
use serde_json::{Value, json};

use super::{Data, Log, Slack, Webhook, all};
use crate::base::WebhookSecrets;
use crate::base::http::NoHttp;
use crate::base::{Connector, NoConnections};
use crate::registry::ConnectorRegistry;
use crate::testing::{Behaviour, FixedConnections, MisbehavingServer, TestBed};

async fn bed(connector: impl Connector) -> TestBed {
    TestBed::new(vec![Arc::new(connector)], FixedConnections::default()).await.unwrap()
}

#[test]
fn the_built_in_connectors_are_linked_in_and_all_accepted() {
    let registry = ConnectorRegistry::link_time(Arc::new(NoHttp), Arc::new(NoConnections));
    let refused: Vec<_> = registry.load_report().refused().collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(registry.connectors(), ["data", "http", "llm", "log", "slack", "webhook"]);
    assert_eq!(all().len(), registry.connectors().len());
    let effect = |uses| registry.action(uses).unwrap().effect;
    assert_eq!(effect("data.transform"), Effect::Pure);
    assert_eq!(effect("data.filter"), Effect::Pure);
    assert_eq!(effect("log.write"), Effect::Pure);
    assert_eq!(effect("http.request"), Effect::Idempotent);
    assert_eq!(effect("webhook.send"), Effect::Idempotent);
    assert_eq!(effect("slack.post_message"), Effect::Once);
    let origin = &registry.load_report().entries[0].origin;
    assert_eq!(origin, concat!("automate_connectors ", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn the_output_of_a_transformation_is_the_value() {
    let bed = bed(Data).await;
    for value in [json!({ "n": 1 }), json!(null), json!([1, "a"]), json!(17), json!("text"), json!(true)] {
        assert_eq!(bed.run("data.transform", json!({ "value": value })).await, Ok(value));
    }
    let input = json!({ "value": { "items": [{ "sku": "a" }, { "sku": "b" }] }, "expression": "items[].sku" });
    assert_eq!(bed.run("data.transform", input).await, Ok(json!(["a", "b"])));
    assert_eq!(bed.run("data.transform", json!({})).await.unwrap_err().code, ErrorCode::InvalidInput);
}

#[tokio::test]
async fn a_filter_keeps_what_satisfies_expression_and_fields() {
    let bed = bed(Data).await;
    let list = json!([{ "n": 5, "s": "a" }, { "n": 15, "s": "a" }, { "n": 25, "s": "b" }, 3]);
    let run = |condition: Value| {
        let mut input = condition;
        input["list"] = list.clone();
        bed.run("data.filter", input)
    };
    assert_eq!(run(json!({ "expression": "n > `10`" })).await.unwrap(), json!([list[1], list[2]]));
    assert_eq!(run(json!({ "equals": { "s": "a" } })).await.unwrap(), json!([list[0], list[1]]));
    assert_eq!(run(json!({ "equals": { "s": "a" }, "expression": "n > `10`" })).await.unwrap(), json!([list[1]]));
    assert_eq!(run(json!({})).await.unwrap_err().code, ErrorCode::InvalidInput);
    assert!(run(json!({ "expression": "n >" })).await.unwrap_err().message.contains("not valid"));
}

#[test]
fn an_expression_cannot_exhaust_the_stack() {
    for text in ["(".repeat(200_000), "!".repeat(4_000), "a.".repeat(2_000), "[".repeat(4_000), "a|".repeat(2_000)] {
        assert!(super::jmes::Jmes::compile(&text).is_err());
    }
    // What stays below the bound fits a small stack.
    let at_bound = [format!("a{}", ".a".repeat(95)), format!("{}a{}", "(".repeat(95), ")".repeat(95))];
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || {
            for text in at_bound {
                super::jmes::Jmes::compile(&text).unwrap().value(&json!({ "a": 1 })).unwrap();
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[tokio::test]
async fn a_log_line_reaches_the_log_of_the_step() {
    let bed = bed(Log).await;
    let input = json!({ "message": "order 17", "level": "warn", "fields": { "n": 1 } });
    assert_eq!(bed.run("log.write", input).await, Ok(json!({ "message": "order 17" })));
    assert_eq!(bed.run("log.write", json!({ "message": { "a": 1 } })).await, Ok(json!({ "message": "{\"a\":1}" })));
    let lines = bed.log.lines();
    assert_eq!((lines[0].level, lines[0].message.as_str()), (LogLevel::Warn, "order 17"));
    assert_eq!(lines[0].fields, Some(json!({ "n": 1 })));
    assert_eq!((lines[1].level, lines[1].fields.is_none()), (LogLevel::Info, true));
}

#[tokio::test]
async fn a_slack_message_goes_out_with_the_token_of_its_connection() {
    let server = MisbehavingServer::start().await.unwrap();
    let connections = FixedConnections::default().with(
        "slack",
        "default",
        &[("token", "xoxb-default"), ("base_url", &server.url("/api/"))],
    );
    let bed = TestBed::over(server, vec![Arc::new(Slack)], connections);
    bed.server.always(Behaviour::json(&json!({ "ok": true, "channel": "C1", "ts": "1.2" })));
    let output = bed.run("slack.post_message", json!({ "channel": "#sales", "text": "hello" })).await;
    assert_eq!(output, Ok(json!({ "channel": "C1", "ts": "1.2" })));
    let request = &bed.server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/chat.postMessage"));
    assert_eq!(request.header("authorization"), Some("Bearer xoxb-default"));
    assert_eq!(request.json(), json!({ "channel": "#sales", "text": "hello" }));

    // A step may bring its own token and address, but never an address for the connection's token.
    let own = json!({ "channel": "#a", "text": "b", "token": "xoxb-own", "base_url": bed.server.url("/own") });
    bed.run("slack.post_message", own).await.unwrap();
    assert_eq!(bed.server.requests()[1].header("authorization"), Some("Bearer xoxb-own"));
    let stolen = json!({ "channel": "#a", "text": "b", "base_url": bed.server.url("/evil") });
    assert_eq!(bed.run("slack.post_message", stolen).await.unwrap_err().code, ErrorCode::ConfigInvalid);
    assert_eq!(bed.server.requests().len(), 2);
}

#[tokio::test]
async fn slack_without_a_token_says_what_to_do() {
    let error = bed(Slack).await.run("slack.post_message", json!({ "channel": "#a", "text": "b" })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ConfigInvalid);
    assert!(error.message.contains("connection `default` of `slack`"), "{error}");
}

#[tokio::test]
async fn slack_refusals_become_codes() {
    let bed = bed(Slack).await;
    for (word, code) in [
        ("invalid_auth", ErrorCode::AuthFailed),
        ("missing_scope", ErrorCode::Forbidden),
        ("channel_not_found", ErrorCode::NotFound),
        ("ratelimited", ErrorCode::RateLimited),
        ("internal_error", ErrorCode::Upstream5xx),
        ("msg_too_long", ErrorCode::InvalidInput),
    ] {
        bed.server.always(Behaviour::json(&json!({ "ok": false, "error": word })));
        let input = json!({ "channel": "#a", "text": "b", "token": "xoxb-1", "base_url": bed.server.url("") });
        let error = bed.run("slack.post_message", input).await.unwrap_err();
        assert_eq!(error.code, code, "{word}");
        assert!(error.message.contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_sent_webhook_is_verified_by_the_receiver_and_keeps_its_id_over_attempts() {
    let bed = bed(Webhook).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let payload = json!({ "type": "order.paid", "data": { "id": 17, "text": "ü" } });
    bed.server.next(1, Behaviour::status(503));
    let input = json!({ "url": bed.server.url("/hook"), "secret": secret, "payload": payload });
    assert!(bed.run("webhook.send", input.clone()).await.unwrap_err().retryable);
    let output = bed.run("webhook.send", input).await.unwrap();
    let requests = bed.server.requests();
    assert_eq!(output, json!({ "status": 200, "id": requests[0].header("webhook-id") }));
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    for request in requests {
        let secrets = WebhookSecrets::new(vec![SecretValue::new(secret.to_owned())], automate_core::clock::now());
        secrets.verify(crate::VerifyScheme::Standard, &request.headers, &request.body).unwrap();
        assert_eq!(request.json(), payload);
    }
}

#[tokio::test]
async fn a_webhook_id_never_has_a_dot() {
    let bed = bed(Webhook).await;
    let input = json!({ "url": bed.server.url("/hook"), "secret": "raw secret", "payload": 1 });
    for key in ["0190-1:each.0.send", "", &"k".repeat(300), "a b", "zeile\n"] {
        let mut call = bed.call("webhook.send", input.clone());
        call.idempotency_key = key.to_owned();
        let output = automate_core::actions::ActionRunner::run(&bed.registry, call).await.unwrap();
        let id = output["id"].as_str().unwrap();
        assert!(id.starts_with("msg_") && id.len() == 36 && !id.contains('.'), "{id}");
    }
}

#[tokio::test]
async fn w21_what_receivers_of_webhooks_do_wrong() {
    let bed = bed(Webhook).await;
    let run = || {
        let input = json!({ "url": bed.server.url("/hook"), "secret": "raw secret", "payload": {} });
        bed.run("webhook.send", input)
    };
    bed.server.always(Behaviour::Huge { bytes: 50 * 1024 * 1024 });
    assert_eq!(run().await.unwrap()["status"], 200);
    bed.server.always(Behaviour::redirect(302, &bed.server.url("/elsewhere")));
    let error = run().await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::ConfigInvalid, false));
    bed.server.always(Behaviour::status(410));
    let error = run().await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::NotFound, false));
    assert!(error.message.contains("no more webhooks"), "{error}");
    assert!(bed.server.requests().iter().all(|request| request.path == "/hook"));
}
