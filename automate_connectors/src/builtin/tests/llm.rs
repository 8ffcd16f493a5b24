//! `llm.chat` and `llm.json` over a local server; the wire formats have tests of their own.

use std::sync::Arc;

use automate_core::actions::LogLevel;
use automate_core::config::ProviderConfig;
use automate_core::error::ErrorCode;
use automate_core::status::Effect;
use serde_json::{Value, json};

use crate::Catalog;
use crate::builtin::Llm;
use crate::provider::ProviderRegistry;
use crate::testing::{Behaviour, FixedConnections, FixedSecrets, MisbehavingServer, PlainHttp, TestBed};

const KEY: &str = "sk-canary-0123456789abcdef";

async fn bed() -> TestBed {
    let server = MisbehavingServer::start().await.unwrap();
    let secrets = FixedSecrets::default().with("OPENAI_KEY", KEY);
    let mut providers = ProviderRegistry::new(Arc::new(PlainHttp), Arc::new(secrets));
    providers.add_linked();
    let fields = json!({
        "api_key": "$secret:OPENAI_KEY", "base_url": server.url("/v1"), "default_model": "model-1",
        "prices": { "model-1": { "input": "0.15", "output": "0.60" } }
    });
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    providers.configure("main", &ProviderConfig { kind: "openai".to_owned(), fields });
    TestBed::over(server, vec![Arc::new(Llm)], FixedConnections::default()).with_providers(providers)
}

fn completion(text: &str) -> Behaviour {
    Behaviour::json(&json!({
        "model": "model-1-0613", "choices": [{ "message": { "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 1_000, "completion_tokens": 500 }
    }))
}

#[tokio::test]
async fn a_question_has_an_answer_its_usage_and_a_line_in_the_log() {
    let bed = bed().await;
    bed.server.always(completion("Well."));
    let input = json!({ "system": "Be brief.", "prompt": { "order": 17 }, "temperature": 0 });
    let output = bed.run("llm.chat", input).await.unwrap();
    let usage = json!({
        "input_tokens": 1_000, "output_tokens": 500, "cached_input_tokens": 0, "cost_micros": 450, "estimated": false
    });
    assert_eq!(
        output,
        json!({
            "text": "Well.", "tool_calls": [], "usage": usage, "provider": "main", "model": "model-1-0613",
            "finish_reason": "stop"
        })
    );
    let sent = bed.server.requests()[0].json();
    assert_eq!(sent["messages"][1], json!({ "role": "user", "content": "{\"order\":17}" }));
    let lines = bed.log.lines();
    assert_eq!((lines.len(), lines[0].level), (1, LogLevel::Info));
    assert_eq!(lines[0].message, "main answered with model-1-0613: 1000 tokens in, 500 tokens out");
    assert_eq!(lines[0].fields.as_ref().unwrap()["usage"], usage);
    assert_eq!(bed.registry.action("llm.chat").unwrap().effect, Effect::Idempotent);
}

#[tokio::test]
async fn a_conversation_with_tools_goes_out_as_it_is_written_in_a_workflow() {
    let bed = bed().await;
    bed.server.always(completion("Rain."));
    let input = json!({
        "messages": [
            { "role": "user", "content": "Rain in Ulm?" },
            { "role": "assistant", "tool_calls": [{ "id": "c1", "name": "weather", "arguments": { "town": "Ulm" } }] },
            { "role": "tool", "tool_call_id": "c1", "content": { "rain": true } }
        ],
        "tools": [{ "name": "weather" }], "tool_choice": "none"
    });
    bed.run("llm.chat", input).await.unwrap();
    let sent = bed.server.requests()[0].json();
    assert_eq!(sent["messages"][2]["content"], "{\"rain\":true}");
    assert_eq!((&sent["tool_choice"], &sent["tools"][0]["function"]["name"]), (&json!("none"), &json!("weather")));
}

#[tokio::test]
async fn a_streamed_answer_tells_how_far_it_is_and_not_what_it_says() {
    let bed = bed().await;
    let chunk = |text: &str| format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }));
    let mut pieces: Vec<String> = (0..500).map(|n| chunk(&format!("word{n} "))).collect();
    pieces.push("data: [DONE]\n\n".to_owned());
    bed.server.always(Behaviour::events(pieces));
    let output = bed.run("llm.chat", json!({ "prompt": "?", "stream": true })).await.unwrap();
    assert!(output["text"].as_str().unwrap().ends_with("word499 "));
    assert_eq!(output["usage"]["estimated"], true);
    let lines = bed.log.lines();
    assert!((2..=10).contains(&lines.len()), "{lines:?}");
    assert_eq!((lines[0].level, lines[0].message.as_str()), (LogLevel::Debug, "the answer has 6 characters so far"));
    assert!(!format!("{lines:?}").contains("word"));
}

#[tokio::test]
async fn json_is_corrected_and_given_as_a_value() {
    let bed = bed().await;
    bed.server.next(1, completion("{\"n\": \"three\"}")).next(1, completion("{\"n\": 3}"));
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let output = bed.run("llm.json", json!({ "prompt": "How many?", "schema": schema })).await.unwrap();
    assert_eq!((&output["value"], &output["repairs"]), (&json!({ "n": 3 }), &json!(1)));
    assert_eq!((&output["usage"]["cost_micros"], &output["provider"]), (&json!(900), &json!("main")));

    bed.server.always(completion("{}"));
    let input = json!({ "prompt": "How many?", "schema": schema, "repairs": 0 });
    let error = bed.run("llm.json", input).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::InvalidOutput, false));
}

#[tokio::test]
async fn input_that_makes_no_sense_is_refused_before_anything_is_asked() {
    let bed = bed().await;
    let schema = json!({ "type": "object" });
    for (action, input) in [
        ("chat", json!({})),
        ("chat", json!({ "prompt": "" })),
        ("chat", json!({ "prompt": "a", "messages": [{ "role": "user", "content": "b" }] })),
        ("chat", json!({ "messages": [{ "role": "robot", "content": "b" }] })),
        ("chat", json!({ "messages": [{ "role": "user", "text": "b" }] })),
        ("chat", json!({ "prompt": "a", "max_tokens": -1 })),
        ("chat", json!({ "prompt": "a", "tool_choice": "gone" })),
        ("json", json!({ "prompt": "a" })),
        ("json", json!({ "prompt": "a", "schema": schema, "repairs": 6 })),
        ("json", json!({ "prompt": "a", "schema": { "type": 3 } })),
    ] {
        let error = bed.run(&format!("llm.{action}"), input.clone()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{input}: {error}");
    }
    assert!(bed.server.requests().is_empty());
}

#[tokio::test]
async fn the_key_of_a_provider_shows_nowhere_in_a_step() {
    let bed = bed().await;
    for behaviour in [
        completion(&format!("the key is {KEY}")),
        Behaviour::Echo { status: 401, headers: Vec::new() },
        Behaviour::Echo { status: 200, headers: Vec::new() },
        Behaviour::events([format!("data: {}\n\n", json!({ "error": { "message": KEY, "type": KEY } }))]),
    ] {
        bed.server.always(behaviour);
        let outcomes: [Result<Value, _>; 2] = [
            bed.run("llm.chat", json!({ "prompt": "?" })).await,
            bed.run("llm.chat", json!({ "prompt": "?", "stream": true })).await,
        ];
        let shown = format!("{outcomes:?} {:?}", bed.log.lines());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn without_a_provider_the_step_says_what_to_do() {
    let server = MisbehavingServer::start().await.unwrap();
    let bed = TestBed::over(server, vec![Arc::new(Llm)], FixedConnections::default());
    let error = bed.run("llm.chat", json!({ "prompt": "?" })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ConfigInvalid);
    assert!(error.message.contains("[providers.NAME]"), "{error}");
}
