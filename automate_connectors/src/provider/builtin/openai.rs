//! `openai`: the chat completions of OpenAI
//! (<https://platform.openai.com/docs/api-reference/chat>), which many servers speak.

mod answer;
mod stream;

use async_trait::async_trait;
use automate_core::error::ErrorCode;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::upstream::{is_event_stream, method_url, status_error};
use crate::base::http::{HttpRequest, HttpResponse};
use crate::base::sse::SseStream;
use crate::base::{ConnectorError, Result};
use crate::provider::{
    Capability, ChatAnswer, ChatRequest, ChatSink, Message, MessageRole, Provider, ProviderContext, ToolChoice,
};

/// Where it is, where `base_url` does not say otherwise.
const BASE_URL: &str = "https://api.openai.com/v1";

/// The provider `openai`, and every server of its wire format by `base_url`.
pub struct OpenAi;

#[async_trait]
impl Provider for OpenAi {
    fn key(&self) -> &'static str {
        "openai"
    }

    fn display_name(&self) -> &'static str {
        "OpenAI and compatible"
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[Capability::Chat, Capability::Streaming, Capability::Tools, Capability::Json]
    }

    fn config_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "api_key": { "type": "string", "writeOnly": true, "description": "Key; needed unless base_url is set" },
                "base_url": { "type": "string", "description": "Address up to and including `/v1`" },
                "organization": { "type": "string" },
                "project": { "type": "string" },
                "json_mode": {
                    "enum": ["schema", "object", "none"],
                    "description": "How the server is told that JSON is wanted; `schema` where absent"
                },
                "max_tokens_field": {
                    "enum": ["max_tokens", "max_completion_tokens"],
                    "description": "What the bound on tokens is called; the newer name where `base_url` is absent"
                }
            },
            "additionalProperties": false
        })
    }

    fn normalize_error(&self, what: &str, response: &HttpResponse, now: DateTime<Utc>) -> ConnectorError {
        status_error(what, response, now, meaning)
    }

    async fn chat(&self, ctx: &ProviderContext, request: &ChatRequest) -> Result<ChatAnswer> {
        let request = self.request(ctx, request, false)?;
        let what = format!("POST {}", crate::base::http::shown_url(&request.url));
        let response = ctx.send(request).await?;
        if !response.status.is_success() {
            return Err(self.normalize_error(&what, &response, ctx.now()));
        }
        answer::read(&what, &response)
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
            // A server that does not stream answers as if it had not been asked to.
            let answer = answer::read(&what, &response.read().await?)?;
            sink.text(&answer.text);
            return Ok(answer);
        }
        stream::read(&what, SseStream::new(response), sink).await
    }
}

impl OpenAi {
    fn request(&self, ctx: &ProviderContext, request: &ChatRequest, stream: bool) -> Result<HttpRequest> {
        let url = method_url(ctx, BASE_URL, "chat/completions")?;
        let credentials = ctx.credentials();
        let mut out = ctx.post(url, &body(ctx, request, stream));
        // Servers of one's own often want no key; OpenAI always does.
        let key = match credentials.get("base_url") {
            Some(_) => credentials.get("api_key"),
            None => Some(credentials.require("api_key")?),
        };
        if let Some(key) = key {
            out = out.bearer(key)?;
        }
        for (field, name) in [("organization", "openai-organization"), ("project", "openai-project")] {
            if let Some(value) = credentials.get(field) {
                let value = http::HeaderValue::from_str(value).map_err(|_| {
                    ConnectorError::config_invalid(format!("`{field}` has characters that a header cannot carry"))
                })?;
                out = out.header(http::HeaderName::from_static(name), value);
            }
        }
        Ok(out)
    }
}

fn body(ctx: &ProviderContext, request: &ChatRequest, stream: bool) -> Value {
    let credentials = ctx.credentials();
    let mut body = Map::new();
    body.insert("model".to_owned(), request.model.clone().into());
    body.insert("messages".to_owned(), request.messages.iter().map(message).collect());
    if let Some(degree) = request.temperature {
        body.insert("temperature".to_owned(), degree.into());
    }
    if let Some(most) = request.max_tokens {
        // Newer models of OpenAI refuse the older name, which is the one that other servers know.
        let newer = if credentials.get("base_url").is_some() { "max_tokens" } else { "max_completion_tokens" };
        body.insert(credentials.get("max_tokens_field").unwrap_or(newer).to_owned(), most.into());
    }
    if !request.stop.is_empty() {
        body.insert("stop".to_owned(), request.stop.clone().into());
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            } })
        });
        body.insert("tools".to_owned(), tools.collect());
        let choice = match &request.tool_choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
        };
        body.insert("tool_choice".to_owned(), choice);
    }
    if let Some(wanted) = &request.json {
        let format = match credentials.get("json_mode").unwrap_or("schema") {
            "object" => Some(json!({ "type": "json_object" })),
            "none" => None,
            _ => Some(json!({
                "type": "json_schema", "json_schema": { "name": wanted.name, "schema": wanted.schema },
            })),
        };
        body.extend(format.map(|format| ("response_format".to_owned(), format)));
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    Value::Object(body)
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        MessageRole::System => "system",
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
        MessageRole::Tool => "tool",
    };
    let mut out = json!({ "role": role, "content": message.content });
    if !message.tool_calls.is_empty() {
        out["tool_calls"] = message
            .tool_calls
            .iter()
            .map(|call| {
                json!({ "id": call.id, "type": "function", "function": {
                    "name": call.name, "arguments": call.arguments.to_string(),
                } })
            })
            .collect();
        if message.content.is_empty() {
            out["content"] = Value::Null;
        }
    }
    if let Some(id) = &message.tool_call_id {
        out["tool_call_id"] = id.clone().into();
    }
    out
}

/// What `type` and `code` of an error say beyond its status
/// (<https://platform.openai.com/docs/guides/error-codes>).
fn meaning(word: &str) -> Option<(ErrorCode, bool)> {
    Some(match word {
        // 429 as well, and waiting does not help.
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" => (ErrorCode::RateLimited, false),
        "rate_limit_exceeded" => (ErrorCode::RateLimited, true),
        "context_length_exceeded" | "string_above_max_length" => (ErrorCode::LimitExceeded, false),
        "model_not_found" => (ErrorCode::NotFound, false),
        "invalid_api_key" => (ErrorCode::AuthFailed, false),
        "server_error" => (ErrorCode::Upstream5xx, true),
        _ => return None,
    })
}
