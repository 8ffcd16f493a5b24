//! A whole answer.

use automate_core::limits::LLM_TOOLS;
use serde_json::Value;

use crate::base::Result;
use crate::base::http::HttpResponse;
use crate::provider::builtin::upstream::nonsense;
use crate::provider::{ChatAnswer, FinishReason, Tokens, ToolCall};

/// Reads a `message` object. The input of the `forced` tool is the text of the answer.
pub(super) fn read(what: &str, response: &HttpResponse, forced: Option<&str>) -> Result<ChatAnswer> {
    let body = response.json()?;
    let blocks = body["content"].as_array().ok_or_else(|| nonsense(what))?;
    let (mut text, mut calls) = (String::new(), Vec::new());
    for block in blocks {
        match block["type"].as_str() {
            Some("text") => text.push_str(block["text"].as_str().unwrap_or_default()),
            Some("tool_use") if calls.len() < LLM_TOOLS => calls.push(ToolCall {
                id: block["id"].as_str().unwrap_or_default().to_owned(),
                name: block["name"].as_str().unwrap_or_default().to_owned(),
                arguments: block["input"].clone(),
            }),
            // Thoughts, and what is not known yet.
            _ => {}
        }
    }
    let mut tokens = Counted::default();
    tokens.take(&body["usage"]);
    Ok(answer(
        text,
        calls,
        finish_reason(body["stop_reason"].as_str()),
        body["model"].as_str().unwrap_or_default().to_owned(),
        tokens.tokens(),
        forced,
    ))
}

/// Puts an answer together.
pub(super) fn answer(
    text: String,
    mut calls: Vec<ToolCall>,
    finish: FinishReason,
    model: String,
    tokens: Option<Tokens>,
    forced: Option<&str>,
) -> ChatAnswer {
    let answer = forced.and_then(|name| calls.iter().position(|call| call.name == name));
    let (text, finish_reason) = match answer {
        Some(at) => {
            let finish = if finish == FinishReason::ToolCalls { FinishReason::Stop } else { finish };
            let text = match calls.swap_remove(at).arguments {
                Value::String(text) => text,
                input => input.to_string(),
            };
            (text, finish)
        }
        None => (text, finish),
    };
    ChatAnswer { text, tool_calls: if forced.is_some() { Vec::new() } else { calls }, finish_reason, model, tokens }
}

pub(super) fn finish_reason(word: Option<&str>) -> FinishReason {
    match word {
        Some("end_turn" | "stop_sequence") | None => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("tool_use") => FinishReason::ToolCalls,
        Some("refusal") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Other,
    }
}

/// `usage` objects, which come in parts in a stream: later numbers replace earlier ones.
#[derive(Default)]
pub(super) struct Counted {
    input: Option<u64>,
    output: u64,
    written: u64,
    read: u64,
}

impl Counted {
    pub(super) fn take(&mut self, usage: &Value) {
        let number = |field: &str| usage[field].as_u64();
        self.input = number("input_tokens").or(self.input);
        self.output = number("output_tokens").unwrap_or(self.output);
        self.written = number("cache_creation_input_tokens").unwrap_or(self.written);
        self.read = number("cache_read_input_tokens").unwrap_or(self.read);
    }

    /// `input_tokens` leaves out what went through the cache.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        Some(Tokens {
            input: self.input?.saturating_add(self.written).saturating_add(self.read),
            output: self.output,
            cached_input: self.read,
        })
    }
}
