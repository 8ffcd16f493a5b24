use automate_core::error::ErrorCode;

use super::*;

fn says(text: &str) -> Behaviour {
    Behaviour::json(&json!({
        "model": "model-1", "choices": [{ "message": { "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5 }
    }))
}

fn wanted(repairs: u32) -> JsonWanted {
    let schema = json!({
        "type": "object", "properties": { "topic": { "enum": ["refund", "other"] } }, "required": ["topic"]
    });
    JsonWanted { schema, repairs }
}

async fn json_of(bed: &Bed, wanted: &JsonWanted) -> Result<JsonResponse> {
    bed.registry.json(&call(), None, ask("I want my money back"), wanted, None).await
}

#[tokio::test]
async fn an_answer_that_breaks_the_schema_goes_back_with_what_is_wrong() {
    let bed = Bed::of("openai", json!({ "prices": { "model-1": { "input": "1", "output": "2" } } })).await;
    bed.server.next(1, says("I think it is a refund.")).next(1, says("{\"topic\": \"REFUND\"}"));
    bed.server.next(1, says("```json\n{\"topic\": \"refund\"}\n```"));
    let got = json_of(&bed, &wanted(2)).await.unwrap();
    assert_eq!((got.value, got.repairs), (json!({ "topic": "refund" }), 2));
    assert_eq!((got.usage.input_tokens, got.usage.output_tokens, got.usage.cost_micros), (30, 15, Some(60)));

    let bodies = bed.bodies();
    assert_eq!(bodies[0]["response_format"]["json_schema"]["schema"], wanted(0).schema);
    assert!(bodies[0]["messages"][0]["content"].as_str().unwrap().contains("\"required\":[\"topic\"]"));
    let said = |body: &Value, n: usize| body["messages"][n]["content"].as_str().unwrap().to_owned();
    assert_eq!(said(&bodies[1], 2), "I think it is a refund.");
    assert!(said(&bodies[1], 3).contains("is not JSON"), "{}", bodies[1]);
    assert_eq!(bodies[2]["messages"].as_array().unwrap().len(), 4, "only the last answer is corrected");
    assert!(said(&bodies[2], 3).contains("/topic"), "{}", bodies[2]);
    let keys: Vec<String> =
        bed.server.requests().iter().map(|r| r.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["key-1", "key-1:1", "key-1:2"]);
}

#[tokio::test]
async fn repairs_are_bounded_and_the_last_error_says_where_the_answer_is_wrong() {
    let bed = Bed::of("openai", json!({})).await;
    bed.server.always(says("{\"topic\": \"canary-value\"}"));
    let error = json_of(&bed, &wanted(2)).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::InvalidOutput, false));
    let details = error.details().unwrap();
    assert_eq!((&details["errors"][0]["path"], &details["repairs"]), (&json!("/topic"), &json!(2)));
    assert_eq!(details["usage"]["input_tokens"], 30);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    assert_eq!(bed.server.requests().len(), 3);

    bed.server.reset().always(says("no"));
    assert!(json_of(&bed, &wanted(1_000)).await.is_err());
    assert_eq!(bed.server.requests().len(), 6, "five repairs and no more");
}

#[tokio::test]
async fn what_a_correction_cannot_help_is_not_corrected() {
    let bed = Bed::of("openai", json!({})).await;
    for (finish, code) in [("length", ErrorCode::LimitExceeded), ("content_filter", ErrorCode::InvalidOutput)] {
        let choice = json!({ "message": { "content": "{\"topic\":" }, "finish_reason": finish });
        bed.server.reset().always(Behaviour::json(&json!({ "choices": [choice] })));
        assert_eq!(json_of(&bed, &wanted(3)).await.unwrap_err().code(), code);
        assert_eq!(bed.server.requests().len(), 1, "{finish}");
    }
    bed.server.reset().always(Behaviour::rate_limited("7"));
    let error = json_of(&bed, &wanted(3)).await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (ErrorCode::RateLimited, Some(Duration::from_secs(7))));
    assert_eq!(bed.server.requests().len(), 1);
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused_before_anything_is_asked() {
    let bed = Bed::of("openai", json!({})).await;
    for (schema, code) in [
        (json!({ "type": "objekt" }), ErrorCode::InvalidInput),
        (json!("text"), ErrorCode::InvalidInput),
        (json!({ "$ref": "https://elsewhere.example/schema.json" }), ErrorCode::InvalidInput),
        (json!({ "description": "x".repeat(100_000) }), ErrorCode::LimitExceeded),
    ] {
        let error = json_of(&bed, &JsonWanted { schema, repairs: 0 }).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let mut request = ask("?");
    request.tools = vec![weather()];
    assert!(bed.registry.json(&call(), None, request, &wanted(0), None).await.is_err());
    assert!(bed.server.requests().is_empty());
}

#[tokio::test]
async fn the_wire_format_is_told_as_the_settings_say() {
    for (mode, format) in [("object", json!({ "type": "json_object" })), ("none", Value::Null)] {
        let bed = Bed::of("openai", json!({ "json_mode": mode })).await;
        bed.server.always(says("{\"topic\": \"other\"}"));
        json_of(&bed, &wanted(0)).await.unwrap();
        assert_eq!(bed.bodies()[0]["response_format"], format);
    }
}

#[tokio::test]
async fn echo_makes_values_of_a_schema_without_a_network() {
    let mut registry = ProviderRegistry::none();
    registry.add(Arc::new(Echo));
    let schema = json!({
        "type": "object", "required": ["a", "b", "c", "d"],
        "properties": {
            "a": { "type": "string", "minLength": 2 }, "b": { "enum": ["x", "y"] },
            "c": { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 3 } }, "d": { "type": "boolean" }
        }
    });
    let wanted = JsonWanted { schema, repairs: 0 };
    let got = registry.json(&call(), Some("echo"), ask("?"), &wanted, None).await.unwrap();
    assert_eq!(got.value, json!({ "a": "xx", "b": "x", "c": [3], "d": false }));
    let sink = Pieces::default();
    let said = registry.chat(&call(), Some("echo"), ask("one two three"), Some(&sink)).await.unwrap();
    assert_eq!((said.text.as_str(), sink.all()), ("one two three", vec!["one ".into(), "two ".into(), "three".into()]));
    assert_eq!((said.usage.input_tokens, said.usage.output_tokens, said.usage.estimated), (3, 3, false));
}
