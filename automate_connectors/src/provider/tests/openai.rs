use automate_core::error::ErrorCode;

use super::*;

fn completion(message: Value, finish: &str) -> Behaviour {
    Behaviour::json(&json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "model-1-0613",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
        "usage": { "prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
            "prompt_tokens_details": { "cached_tokens": 7, "audio_tokens": 0 } }
    }))
}

fn chunk(delta: Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "model-1-0613", "usage": null,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }]
    });
    format!("data: {chunk}\n\n")
}

fn streamed(usage: bool) -> String {
    let mut all = [
        chunk(json!({ "role": "assistant", "content": "" }), None),
        chunk(json!({ "content": "Zwölf " }), None),
        chunk(json!({ "content": "🍵" }), None),
        chunk(json!({}), Some("stop")),
    ]
    .concat();
    if usage {
        let last = json!({ "model": "model-1-0613", "choices": [],
            "usage": { "prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8 } });
        all += &format!("data: {last}\n\n");
    }
    all + "data: [DONE]\n\n"
}

#[tokio::test]
async fn a_question_goes_out_in_the_wire_format_and_its_answer_is_read() {
    let bed = Bed::of("openai", json!({ "organization": "org-1" })).await;
    bed.server.always(completion(json!({ "role": "assistant", "content": "Well.", "refusal": null }), "stop"));
    let mut request = ask("How are you?").model("model-2");
    request.messages.insert(0, Message::new(MessageRole::System, "Be brief."));
    (request.temperature, request.max_tokens, request.stop) = (Some(0.5), Some(20), vec!["END".to_owned()]);
    let response = bed.chat(request).await.unwrap();
    assert_eq!((response.text.as_str(), response.finish_reason), ("Well.", FinishReason::Stop));
    assert_eq!((response.provider.as_str(), response.model.as_str()), ("openai", "model-1-0613"));
    let usage = response.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cached_input_tokens), (19, 10, 7));
    assert_eq!((usage.cost_micros, usage.estimated), (None, false));

    let sent = &bed.server.requests()[0];
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(sent.header("openai-organization"), Some("org-1"));
    assert_eq!(
        (sent.header("x-correlation-id"), sent.header("idempotency-key")),
        (Some("correlation-1"), Some("key-1"))
    );
    assert_eq!(
        sent.json(),
        json!({
            "model": "model-2", "temperature": 0.5, "max_tokens": 20, "stop": ["END"],
            "messages": [
                { "role": "system", "content": "Be brief." }, { "role": "user", "content": "How are you?" }
            ],
        })
    );
}

#[tokio::test]
async fn tools_are_offered_and_their_calls_read_and_answered() {
    let bed = Bed::of("openai", json!({})).await;
    bed.server.always(completion(
        json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"town\":\"Ulm\"}" } },
            { "id": "call_2", "type": "function", "function": { "name": "weather", "arguments": "" } }
        ] }),
        "tool_calls",
    ));
    let mut request = ask("Rain in Ulm?");
    request.tools = vec![weather()];
    request.tool_choice = ToolChoice::of("weather");
    let response = bed.chat(request.clone()).await.unwrap();
    assert_eq!((response.text.as_str(), response.finish_reason), ("", FinishReason::ToolCalls));
    assert_eq!(response.tool_calls[0].arguments, json!({ "town": "Ulm" }));
    assert_eq!(response.tool_calls[1].arguments, json!({}));

    let mut said = Message::new(MessageRole::Assistant, "");
    said.tool_calls = response.tool_calls[..1].to_vec();
    let mut result = Message::new(MessageRole::Tool, "rain");
    result.tool_call_id = Some("call_1".to_owned());
    request.messages.extend([said, result]);
    bed.chat(request).await.unwrap();
    let sent = &bed.bodies()[1];
    assert_eq!(sent["tools"][0]["function"]["name"], "weather");
    assert_eq!(sent["tool_choice"], json!({ "type": "function", "function": { "name": "weather" } }));
    assert_eq!(sent["messages"][1]["content"], Value::Null);
    assert_eq!(sent["messages"][1]["tool_calls"][0]["function"]["arguments"], "{\"town\":\"Ulm\"}");
    assert_eq!(sent["messages"][2], json!({ "role": "tool", "content": "rain", "tool_call_id": "call_1" }));
}

#[tokio::test]
async fn arguments_that_are_not_json_are_an_error_that_another_attempt_may_mend() {
    let bed = Bed::of("openai", json!({})).await;
    for (finish, code, retryable) in
        [("tool_calls", ErrorCode::InvalidOutput, true), ("length", ErrorCode::LimitExceeded, false)]
    {
        let calls = json!([{ "id": "1", "function": { "name": "weather", "arguments": "{\"town\":" } }]);
        bed.server.always(completion(json!({ "content": null, "tool_calls": calls }), finish));
        let error = bed.chat(ask("?")).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{error}");
    }
}

#[tokio::test]
async fn a_streamed_answer_is_the_same_however_it_is_cut_into_pieces() {
    let bed = Bed::of("openai", json!({})).await;
    let whole = streamed(true);
    let by = |size: usize| -> Vec<Vec<u8>> { whole.as_bytes().chunks(size).map(<[u8]>::to_vec).collect() };
    for pieces in [by(whole.len()), by(7), by(64), by(200)] {
        bed.server.always(Behaviour::events(pieces));
        let (response, pieces) = bed.stream(ask("tea?")).await;
        let response = response.unwrap();
        assert_eq!((response.text.as_str(), pieces.concat().as_str()), ("Zwölf 🍵", "Zwölf 🍵"));
        assert_eq!(
            (response.usage.input_tokens, response.usage.output_tokens, response.usage.estimated),
            (5, 3, false)
        );
        assert_eq!((response.finish_reason, response.model.as_str()), (FinishReason::Stop, "model-1-0613"));
    }
    let sent = &bed.bodies()[0];
    assert_eq!((&sent["stream"], &sent["stream_options"]), (&json!(true), &json!({ "include_usage": true })));
}

#[tokio::test]
async fn a_stream_that_ends_early_is_cut_and_one_without_done_or_usage_is_not() {
    let bed = Bed::of("openai", json!({})).await;
    let whole = streamed(false);
    for (text, cut) in [
        // In the middle of an event, between two, and at once.
        (&whole[..whole.len() / 2], false),
        (&whole[..whole.find("data: {").unwrap()], false),
        (&whole[..whole.find("\"finish_reason\":\"stop\"").unwrap()], false),
        (&whole[..whole.len() / 2], true),
    ] {
        bed.server.always(Behaviour::Pieces {
            content_type: "text/event-stream; charset=utf-8".to_owned(),
            pieces: vec![text.as_bytes().to_vec()],
            cut,
        });
        let error = bed.stream(ask("tea?")).await.0.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (ErrorCode::TransientNetwork, true), "{error}");
    }
    bed.server.always(Behaviour::events([whole.strip_suffix("data: [DONE]\n\n").unwrap()]));
    let response = bed.stream(ask("tea?")).await.0.unwrap();
    assert_eq!(response.text, "Zwölf 🍵");
    assert!(response.usage.estimated && response.usage.output_tokens > 0);
}

#[tokio::test]
async fn calls_of_tools_grow_piece_by_piece_in_a_stream() {
    let bed = Bed::of("openai", json!({})).await;
    let part = |part: Value| chunk(json!({ "tool_calls": [part] }), None);
    bed.server.always(Behaviour::events([
        part(json!({ "index": 0, "id": "a", "type": "function", "function": { "name": "weather", "arguments": "" } })),
        part(json!({ "index": 1, "id": "b", "type": "function", "function": { "name": "weather", "arguments": "{" } })),
        part(json!({ "index": 0, "function": { "arguments": "{\"town\":" } })),
        part(json!({ "index": 1, "function": { "arguments": "}" } })),
        part(json!({ "index": 0, "function": { "arguments": "\"Ulm\"}" } })),
        chunk(json!({}), Some("tool_calls")),
        "data: [DONE]\n\n".to_owned(),
    ]));
    let response = bed.stream(ask("rain?")).await.0.unwrap();
    let call = |id: &str, arguments| ToolCall { id: id.to_owned(), name: "weather".to_owned(), arguments };
    assert_eq!(response.tool_calls, [call("a", json!({ "town": "Ulm" })), call("b", json!({}))]);
    assert_eq!(response.finish_reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn an_error_within_a_stream_is_an_error() {
    let bed = Bed::of("openai", json!({})).await;
    for (said, code) in [
        (json!({ "message": "The server had an error", "type": "server_error" }), ErrorCode::Upstream5xx),
        (json!({ "message": "slow down", "type": "requests", "code": "rate_limit_exceeded" }), ErrorCode::RateLimited),
        (json!({ "message": format!("key {KEY}"), "code": "invalid_api_key" }), ErrorCode::AuthFailed),
        (json!("overloaded"), ErrorCode::Upstream5xx),
    ] {
        let error = format!("data: {}\n\n", json!({ "error": said }));
        bed.server.always(Behaviour::events([chunk(json!({ "content": "a" }), None), error]));
        let error = bed.stream(ask("?")).await.0.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!format!("{error:?}").contains(KEY), "{error:?}");
    }
}

#[tokio::test]
async fn refusals_say_what_the_service_said_and_never_the_key() {
    let bed = Bed::of("openai", json!({})).await;
    let refusal = |status: u16, error: Value| Behaviour::Answer {
        status,
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
        body: json!({ "error": error }).to_string(),
    };
    let words = |message: &str, kind: &str, code: &str| json!({ "message": message, "type": kind, "code": code });
    for (status, said, code, retryable, shown) in [
        (
            401,
            words(&format!("Incorrect API key provided: {KEY}"), "invalid_request_error", "invalid_api_key"),
            ErrorCode::AuthFailed,
            false,
            "invalid_api_key",
        ),
        (
            429,
            words("Rate limit reached", "requests", "rate_limit_exceeded"),
            ErrorCode::RateLimited,
            true,
            "limit reached",
        ),
        (
            429,
            words("You exceeded your quota", "insufficient_quota", "insufficient_quota"),
            ErrorCode::RateLimited,
            false,
            "quota",
        ),
        (
            400,
            words("too long", "invalid_request_error", "context_length_exceeded"),
            ErrorCode::LimitExceeded,
            false,
            "too long",
        ),
        (
            404,
            words("The model `x` does not exist", "invalid_request_error", "model_not_found"),
            ErrorCode::NotFound,
            false,
            "does not exist",
        ),
        (
            400,
            words(&format!("odd\u{7} {KEY} value"), "invalid_request_error", ""),
            ErrorCode::InvalidInput,
            false,
            "odd",
        ),
        (503, words("overloaded", "server_error", ""), ErrorCode::Upstream5xx, true, "overloaded"),
    ] {
        bed.server.always(refusal(status, said));
        for error in [bed.chat(ask("?")).await.unwrap_err(), bed.stream(ask("?")).await.0.unwrap_err()] {
            assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{status}: {error}");
            assert!(error.message().contains(shown), "{error}");
            assert_eq!(error.retry_after(), retryable.then_some(Duration::from_secs(7)));
            assert_eq!(error.details().unwrap()["status"], status);
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_model_that_refuses_says_so() {
    let bed = Bed::of("openai", json!({})).await;
    bed.server.always(completion(json!({ "content": null, "refusal": "I must not." }), "stop"));
    let response = bed.chat(ask("?")).await.unwrap();
    assert_eq!((response.text.as_str(), response.finish_reason), ("I must not.", FinishReason::ContentFilter));
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key_and_the_real_one_does() {
    let bed = Bed::of("openai", json!({ "api_key": "" })).await;
    bed.server.always(completion(json!({ "content": "Well." }), "stop"));
    bed.chat(ask("?")).await.unwrap();
    assert_eq!(bed.server.requests()[0].header("authorization"), None);

    let mut registry = ProviderRegistry::none();
    registry.add(Arc::new(OpenAi));
    let error = registry.chat(&call(), Some("openai"), ask("?").model("m"), None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    assert!(error.message().contains("add it to [providers.openai]"), "{error}");
}

#[tokio::test]
async fn an_endless_stream_is_bounded_in_time_and_bytes() {
    let bed = Bed::of("openai", json!({})).await;
    let endless = format!("data: {}", "x".repeat(64 * 1024));
    bed.server.always(Behaviour::events(std::iter::repeat_n(endless, 40)));
    let error = bed.stream(ask("?")).await.0.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");

    let mut slow: Vec<String> = std::iter::repeat_n(chunk(json!({ "content": "a" }), None), 2_000).collect();
    slow.push("data: [DONE]\n\n".to_owned());
    bed.server.always(Behaviour::events(slow));
    let mut call = call();
    call.deadline = clock::now() + Duration::from_millis(300);
    let error = bed.registry.chat(&call, None, ask("?"), Some(&Pieces::default())).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout, "{error}");
}
