use automate_core::error::ErrorCode;

use super::*;

fn message(content: Value, stop: &str) -> Behaviour {
    Behaviour::json(&json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "model-1-20250101", "content": content,
        "stop_reason": stop, "stop_sequence": null,
        "usage": { "input_tokens": 12, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 6 }
    }))
}

fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

fn start() -> String {
    let usage = json!({ "input_tokens": 25, "output_tokens": 1 });
    event(
        "message_start",
        json!({ "message": { "id": "msg_1", "model": "model-1-20250101", "content": [], "usage": usage } }),
    )
}

fn delta(index: u64, delta: Value) -> String {
    event("content_block_delta", json!({ "index": index, "delta": delta }))
}

fn end(stop: &str) -> String {
    event("message_delta", json!({ "delta": { "stop_reason": stop }, "usage": { "output_tokens": 15 } }))
        + &event("message_stop", json!({}))
}

fn streamed() -> String {
    [
        start(),
        event("content_block_start", json!({ "index": 0, "content_block": { "type": "thinking", "thinking": "" } })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "hm" })),
        event("content_block_stop", json!({ "index": 0 })),
        event("content_block_start", json!({ "index": 1, "content_block": { "type": "text", "text": "" } })),
        event("ping", json!({})),
        delta(1, json!({ "type": "text_delta", "text": "Zwölf " })),
        delta(1, json!({ "type": "text_delta", "text": "🍵" })),
        event("content_block_stop", json!({ "index": 1 })),
        event(
            "content_block_start",
            json!({ "index": 2,
            "content_block": { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {} } }),
        ),
        delta(2, json!({ "type": "input_json_delta", "partial_json": "" })),
        delta(2, json!({ "type": "input_json_delta", "partial_json": "{\"town\": " })),
        delta(2, json!({ "type": "input_json_delta", "partial_json": "\"Ulm\"}" })),
        event("content_block_stop", json!({ "index": 2 })),
        event("something_new", json!({ "x": 1 })),
        end("tool_use"),
    ]
    .concat()
}

#[tokio::test]
async fn a_question_goes_out_in_the_wire_format_and_its_answer_is_read() {
    let bed = Bed::of("anthropic", json!({})).await;
    bed.server
        .always(message(json!([{ "type": "text", "text": "Well" }, { "type": "text", "text": "." }]), "end_turn"));
    let mut request = ask("How are you?");
    request.messages.insert(0, Message::new(MessageRole::System, "Be brief."));
    request.messages.push(Message::new(MessageRole::System, "And kind."));
    request.stop = vec!["END".to_owned()];
    let response = bed.chat(request).await.unwrap();
    assert_eq!((response.text.as_str(), response.finish_reason), ("Well.", FinishReason::Stop));
    let usage = response.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cached_input_tokens), (20, 6, 5));

    let sent = &bed.server.requests()[0];
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/messages"));
    assert_eq!((sent.header("x-api-key"), sent.header("anthropic-version")), (Some(KEY), Some("2023-06-01")));
    assert_eq!((sent.header("authorization"), sent.header("idempotency-key")), (None, Some("key-1")));
    assert_eq!(
        sent.json(),
        json!({
            "model": "model-1", "max_tokens": 4096, "system": "Be brief.\n\nAnd kind.", "stop_sequences": ["END"],
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "How are you?" }] }],
        })
    );
}

#[tokio::test]
async fn tools_are_offered_and_their_results_are_one_message_of_the_user() {
    let bed = Bed::of("anthropic", json!({})).await;
    let used = json!({ "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "town": "Ulm" } });
    bed.server.always(message(json!([{ "type": "text", "text": "I look." }, used]), "tool_use"));
    let mut request = ask("Rain in Ulm?");
    request.tools = vec![weather()];
    request.tool_choice = ToolChoice::Required;
    let response = bed.chat(request.clone()).await.unwrap();
    assert_eq!((response.text.as_str(), response.finish_reason), ("I look.", FinishReason::ToolCalls));
    assert_eq!(response.tool_calls[0].arguments, json!({ "town": "Ulm" }));

    let mut said = Message::new(MessageRole::Assistant, "");
    said.tool_calls = response.tool_calls;
    let result = |id: &str| Message { tool_call_id: Some(id.to_owned()), ..Message::new(MessageRole::Tool, "rain") };
    request.messages.extend([said, result("toolu_1"), result("toolu_2"), Message::new(MessageRole::User, "And?")]);
    bed.chat(request).await.unwrap();
    let sent = &bed.bodies()[1];
    assert_eq!(sent["tools"][0]["input_schema"]["type"], "object");
    assert_eq!(sent["tool_choice"], json!({ "type": "any" }));
    assert_eq!(
        sent["messages"][1],
        json!({ "role": "assistant", "content": [
        { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "town": "Ulm" } }
    ] })
    );
    let blocks = |n: usize| sent["messages"][2]["content"][n]["type"].as_str();
    assert_eq!((blocks(0), blocks(1), blocks(2)), (Some("tool_result"), Some("tool_result"), Some("text")));
    assert_eq!(sent["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_streamed_answer_is_the_same_however_it_is_cut_into_pieces() {
    let bed = Bed::of("anthropic", json!({})).await;
    let whole = streamed();
    for size in [7, 100, whole.len()] {
        bed.server.always(Behaviour::events(whole.as_bytes().chunks(size)));
        let (response, pieces) = bed.stream(ask("tea?")).await;
        let response = response.unwrap();
        assert_eq!((response.text.as_str(), pieces.concat().as_str()), ("Zwölf 🍵", "Zwölf 🍵"));
        assert_eq!(response.tool_calls[0].arguments, json!({ "town": "Ulm" }));
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (25, 15));
        assert_eq!((response.finish_reason, response.model.as_str()), (FinishReason::ToolCalls, "model-1-20250101"));
    }
    assert_eq!(bed.bodies()[0]["stream"], true);
}

#[tokio::test]
async fn a_stream_that_ends_early_is_cut() {
    let bed = Bed::of("anthropic", json!({})).await;
    let whole = streamed();
    for at in [whole.len() / 3, whole.find("event: message_stop").unwrap(), whole.len() - 3] {
        bed.server.always(Behaviour::events([&whole[..at]]));
        let error = bed.stream(ask("tea?")).await.0.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (ErrorCode::TransientNetwork, true), "{error}");
    }
}

#[tokio::test]
async fn errors_are_mapped_within_and_before_a_stream() {
    let bed = Bed::of("anthropic", json!({})).await;
    for (status, kind, code, retryable) in [
        (400, "invalid_request_error", ErrorCode::InvalidInput, false),
        (401, "authentication_error", ErrorCode::AuthFailed, false),
        (403, "permission_error", ErrorCode::Forbidden, false),
        (404, "not_found_error", ErrorCode::NotFound, false),
        (413, "request_too_large", ErrorCode::LimitExceeded, false),
        (429, "rate_limit_error", ErrorCode::RateLimited, true),
        (500, "api_error", ErrorCode::Upstream5xx, true),
        (529, "overloaded_error", ErrorCode::Upstream5xx, true),
    ] {
        let said = json!({ "type": "error", "error": { "type": kind, "message": format!("no {KEY}") } });
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        bed.server.next(2, Behaviour::Answer { status, headers, body: said.to_string() });
        bed.server.next(1, Behaviour::events([start(), event("error", said.clone())]));
        let before = [bed.chat(ask("?")).await.unwrap_err(), bed.stream(ask("?")).await.0.unwrap_err()];
        assert_eq!(before[0].retry_after(), retryable.then_some(Duration::from_secs(7)), "{kind}");
        let within = bed.stream(ask("?")).await.0.unwrap_err();
        for error in before.iter().chain([&within]) {
            assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{kind}: {error}");
            assert_eq!(error.details().unwrap()["type"], kind);
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn json_of_an_object_is_the_input_of_a_tool_that_must_be_called() {
    let bed = Bed::of("anthropic", json!({})).await;
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let wanted = JsonWanted { schema: schema.clone(), repairs: 1 };
    let used = json!({ "type": "tool_use", "id": "toolu_1", "name": "answer", "input": { "n": 3 } });
    bed.server.always(message(json!([used]), "tool_use"));
    let got = bed.registry.json(&call(), None, ask("?"), &wanted, None).await.unwrap();
    assert_eq!((got.value, got.repairs), (json!({ "n": 3 }), 0));
    let sent = &bed.bodies()[0];
    assert_eq!((&sent["tools"][0]["name"], &sent["tools"][0]["input_schema"]), (&json!("answer"), &schema));
    assert_eq!(sent["tool_choice"], json!({ "type": "tool", "name": "answer" }));

    // In a stream, and wrong the first time.
    let stream = |piece: &str| {
        Behaviour::events([
            start(),
            event(
                "content_block_start",
                json!({ "index": 0, "content_block": { "type": "tool_use", "name": "answer" } }),
            ),
            delta(0, json!({ "type": "input_json_delta", "partial_json": piece })),
            end("tool_use"),
        ])
    };
    bed.server.next(1, stream("{\"n\": ")).next(1, stream("{\"n\": 4}"));
    let sink = Pieces::default();
    let got = bed.registry.json(&call(), None, ask("?"), &wanted, Some(&sink)).await.unwrap();
    assert_eq!((got.value, got.repairs, sink.all().len()), (json!({ "n": 4 }), 1, 2));
}
