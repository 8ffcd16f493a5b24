//! The built-in connectors pass the battery that third parties run.

use serde_json::json;

mod data {
    crate::connector_conformance!(crate::builtin::Data);
}

mod log {
    crate::connector_conformance!(crate::builtin::Log);
}

mod http {
    use super::json;

    crate::connector_conformance!(crate::builtin::Http, |kit| kit
        .url_field("base_url", "/v1")
        .field("username", "ada")
        .http_action(
            "request",
            |_| json!({ "method": "POST", "url": "/orders", "json": { "n": 1 } }),
            json!({ "n": 1 })
        )
        .http_action("request", |base| json!({ "url": format!("{base}v1/orders") }), json!([])));
}

mod webhook {
    use super::json;

    crate::connector_conformance!(crate::builtin::Webhook, |kit| kit.url_field("url", "/hook").http_action(
        "send",
        |_| json!({ "payload": { "n": 1 } }),
        json!({})
    ));
}

mod slack {
    use super::json;

    crate::connector_conformance!(crate::builtin::Slack, |kit| kit.url_field("base_url", "/api").http_action(
        "post_message",
        |_| json!({ "channel": "#a", "text": "b" }),
        json!({ "ok": true, "channel": "C1", "ts": "1.2" }),
    ));
}

mod llm_over_openai {
    use super::json;

    crate::connector_conformance!(crate::builtin::Llm, |kit| kit
        .provider(crate::provider::builtin::OpenAi, "/v1")
        .http_action(
            "chat",
            |_| json!({ "prompt": "How are you?" }),
            json!({ "model": "model-1", "choices": [
                { "message": { "role": "assistant", "content": "Well." }, "finish_reason": "stop" }
            ] })
        )
        .http_action(
            "chat",
            |_| json!({ "prompt": "How are you?", "stream": true }),
            json!({ "choices": [{ "message": { "content": "Well." } }] })
        )
        .http_action(
            "json",
            |_| json!({ "prompt": "How are you?", "schema": { "type": "object" }, "repairs": 0 }),
            json!({ "choices": [{ "message": { "content": "{}" } }] })
        ));
}

mod llm_over_anthropic {
    use super::json;

    crate::connector_conformance!(crate::builtin::Llm, |kit| kit
        .provider(crate::provider::builtin::Anthropic, "/")
        .http_action(
            "chat",
            |_| json!({ "prompt": "How are you?" }),
            json!({ "content": [{ "type": "text", "text": "Well." }], "stop_reason": "end_turn" })
        )
        .http_action(
            "chat",
            |_| json!({ "prompt": "How are you?", "stream": true }),
            json!({ "content": [{ "type": "text", "text": "Well." }] })
        )
        .http_action(
            "json",
            |_| json!({ "prompt": "How are you?", "schema": { "type": "object" }, "repairs": 0 }),
            json!({ "content": [{ "type": "tool_use", "id": "t1", "name": "answer", "input": {} }] })
        ));
}
