//! A whole answer.

use automate_core::limits::LLM_TOOLS;
use serde_json::Value;

use crate::base::Result;
use crate::base::http::HttpResponse;
use crate::provider::builtin::upstream::{arguments, nonsense};
use crate::provider::{ChatAnswer, FinishReason, Tokens, ToolCall};

/// Reads a `chat.completion` object.
pub(super) fn read(what: &str, response: &HttpResponse) -> Result<ChatAnswer> {
    let body = response.json()?;
    let choice = &body["choices"][0];
    let message = choice["message"].as_object().ok_or_else(|| nonsense(what))?;
    let refusal = message.get("refusal").and_then(Value::as_str);
    let content = message.get("content").and_then(Value::as_str);
    let mut calls = Vec::new();
    let finish = finish_reason(choice["finish_reason"].as_str());
    for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().take(LLM_TOOLS) {
        let name = call["function"]["name"].as_str().ok_or_else(|| nonsense(what))?;
        let text = &call["function"]["arguments"];
        calls.push(ToolCall {
            id: call["id"].as_str().unwrap_or_default().to_owned(),
            name: name.to_owned(),
            // A few servers send the object itself.
            arguments: match text.as_str() {
                Some(text) => arguments(name, text, finish)?,
                None => text.clone(),
            },
        });
    }
    Ok(ChatAnswer {
        text: content.or(refusal).unwrap_or_default().to_owned(),
        finish_reason: settled(finish, refusal.is_some() && content.is_none(), !calls.is_empty()),
        tool_calls: calls,
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        tokens: tokens(&body["usage"]),
    })
}

/// Servers differ in what they say of answers that call tools or refuse.
pub(super) fn settled(finish: FinishReason, refused: bool, calls: bool) -> FinishReason {
    match finish {
        FinishReason::Stop | FinishReason::Other if refused => FinishReason::ContentFilter,
        FinishReason::Stop | FinishReason::Other if calls => FinishReason::ToolCalls,
        other => other,
    }
}

pub(super) fn finish_reason(word: Option<&str>) -> FinishReason {
    match word {
        Some("stop") | None => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Other,
    }
}

/// The `usage` object, where there is one.
pub(super) fn tokens(usage: &Value) -> Option<Tokens> {
    Some(Tokens {
        input: usage["prompt_tokens"].as_u64()?,
        output: usage["completion_tokens"].as_u64().unwrap_or(0),
        cached_input: usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0),
    })
}
