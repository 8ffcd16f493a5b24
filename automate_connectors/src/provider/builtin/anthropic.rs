//! `anthropic`: the Messages API of Anthropic (<https://docs.anthropic.com/en/api/messages>).

mod answer;
mod stream;

use async_trait::async_trait;
use automate_core::error::ErrorCode;
use automate_core::limits::LLM_OUTPUT_TOKENS;
use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::HeaderName;
use serde_json::{Map, Value, json};

use super::upstream::{is_event_stream, method_url, status_error};
use crate::base::http::{HttpRequest, HttpResponse, shown_url};
use crate::base::sse::SseStream;
use crate::base::{ConnectorError, Result};
use crate::provider::{
    Capability, ChatAnswer, ChatRequest, ChatSink, JsonAnswer, Message, MessageRole, Provider, ProviderContext,
    ToolChoice,
};

/// Where it is, where `base_url` does not say otherwise.
const BASE_URL: &str = "https://api.anthropic.com";
/// The version of the wire format that this speaks.
const VERSION: &str = "2023-06-01";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The provider `anthropic`.
pub struct Anthropic;

#[async_trait]
impl Provider for Anthropic {
    fn key(&self) -> &'static str {
        "anthropic"
    }

    fn display_name(&self) -> &'static str {
        "Anthropic"
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[Capability::Chat, Capability::Streaming, Capability::Tools, Capability::Json]
    }

    fn config_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "api_key": { "type": "string", "writeOnly": true, "description": "Key" },
                "base_url": { "type": "string", "description": "Address up to, but without, `/v1`" },
                "version": { "type": "string", "description": "`anthropic-version`; 2023-06-01 where absent" }
            },
            "additionalProperties": false
        })
    }

    fn normalize_error(&self, what: &str, response: &HttpResponse, now: DateTime<Utc>) -> ConnectorError {
        status_error(what, response, now, meaning)
    }

    async fn chat(&self, ctx: &ProviderContext, request: &ChatRequest) -> Result<ChatAnswer> {
        let out = self.request(ctx, request, false)?;
        let what = format!("POST {}", shown_url(&out.url));
        let response = ctx.send(out).await?;
        if !response.status.is_success() {
            return Err(self.normalize_error(&what, &response, ctx.now()));
        }
        answer::read(&what, &response, forced(request))
    }

    async fn chat_streaming(
        &self,
        ctx: &ProviderContext,
        request: &ChatRequest,
        sink: &dyn ChatSink,
    ) -> Result<ChatAnswer> {
        let response = ctx.send_streaming(self.request(ctx, request, true)?).await?;
        let what = response.what().to_owned();
        if !response.status().is_success() {
            return Err(self.normalize_error(&what, &response.read().await?, ctx.now()));
        }
        if !is_event_stream(response.headers()) {
            let answer = answer::read(&what, &response.read().await?, forced(request))?;
            sink.text(&answer.text);
            return Ok(answer);
        }
        stream::read(&what, SseStream::new(response), forced(request), sink).await
    }
}

impl Anthropic {
    fn request(&self, ctx: &ProviderContext, request: &ChatRequest, stream: bool) -> Result<HttpRequest> {
        let url = method_url(ctx, BASE_URL, "v1/messages")?;
        let header = |field: &str, value: &str| {
            HeaderValue::from_str(value).map_err(|_| {
                ConnectorError::config_invalid(format!("`{field}` has characters that a header cannot carry"))
            })
        };
        let key = header("api_key", ctx.credentials().require("api_key")?)?;
        let version = header("version", ctx.credentials().get("version").unwrap_or(VERSION))?;
        Ok(ctx.post(url, &body(request, stream)).sensitive_header(API_KEY, key).header(API_VERSION, version))
    }
}

/// The name of the tool that the answer is to be the input of, where JSON of an object is wanted:
/// the wire format holds the model to a tool's schema, and to nothing else.
fn forced(request: &ChatRequest) -> Option<&str> {
    let JsonAnswer { name, schema } = request.json.as_ref()?;
    (schema["type"] == "object").then_some(name.as_str())
}

fn body(request: &ChatRequest, stream: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), request.model.clone().into());
    // The wire format wants a bound.
    body.insert("max_tokens".to_owned(), request.max_tokens.unwrap_or(LLM_OUTPUT_TOKENS).into());
    let system: Vec<&str> = request
        .messages
        .iter()
        .filter(|message| message.role == MessageRole::System && !message.content.is_empty())
        .map(|message| message.content.as_str())
        .collect();
    if !system.is_empty() {
        body.insert("system".to_owned(), system.join("\n\n").into());
    }
    body.insert("messages".to_owned(), messages(&request.messages));
    if let Some(degree) = request.temperature {
        body.insert("temperature".to_owned(), degree.into());
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".to_owned(), request.stop.clone().into());
    }
    let tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters }))
        .collect();
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
        let choice = match &request.tool_choice {
            ToolChoice::Auto => json!({ "type": "auto" }),
            ToolChoice::None => json!({ "type": "none" }),
            ToolChoice::Required => json!({ "type": "any" }),
            ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
        };
        body.insert("tool_choice".to_owned(), choice);
    } else if let (Some(name), Some(wanted)) = (forced(request), &request.json) {
        let tool = json!({ "name": name, "description": "Takes the answer.", "input_schema": wanted.schema });
        body.insert("tools".to_owned(), json!([tool]));
        body.insert("tool_choice".to_owned(), json!({ "type": "tool", "name": name }));
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    Value::Object(body)
}

/// Messages as blocks. Results of tools belong to the user, and what follows one another of the
/// same role is one message: the results of several calls must not stand apart.
fn messages(messages: &[Message]) -> Value {
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = match message.role {
            MessageRole::System => continue,
            MessageRole::User => ("user", text_blocks(message)),
            MessageRole::Assistant => {
                let mut blocks = text_blocks(message);
                blocks.extend(message.tool_calls.iter().map(
                    |call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments }),
                ));
                ("assistant", blocks)
            }
            MessageRole::Tool => {
                let id = message.tool_call_id.as_deref().unwrap_or_default();
                ("user", vec![json!({ "type": "tool_result", "tool_use_id": id, "content": message.content })])
            }
        };
        match out.last_mut() {
            Some((last, all)) if *last == role => all.extend(blocks),
            _ => out.push((role, blocks)),
        }
    }
    out.into_iter()
        .filter(|(_, blocks)| !blocks.is_empty())
        .map(|(role, blocks)| json!({ "role": role, "content": blocks }))
        .collect()
}

/// The wire format refuses empty text.
fn text_blocks(message: &Message) -> Vec<Value> {
    if message.content.is_empty() { Vec::new() } else { vec![json!({ "type": "text", "text": message.content })] }
}

/// What the `type` of an error says (<https://docs.anthropic.com/en/api/errors>).
fn meaning(word: &str) -> Option<(ErrorCode, bool)> {
    Some(match word {
        "authentication_error" => (ErrorCode::AuthFailed, false),
        "permission_error" | "billing_error" => (ErrorCode::Forbidden, false),
        "not_found_error" => (ErrorCode::NotFound, false),
        "request_too_large" => (ErrorCode::LimitExceeded, false),
        "invalid_request_error" => (ErrorCode::InvalidInput, false),
        "rate_limit_error" => (ErrorCode::RateLimited, true),
        "timeout_error" => (ErrorCode::Timeout, true),
        "api_error" | "overloaded_error" => (ErrorCode::Upstream5xx, true),
        _ => return None,
    })
}
