//! `echo`: answers with what it was asked, without a network. For tests and for trying things out.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::base::Result;
use crate::provider::{
    Capability, ChatAnswer, ChatRequest, ChatSink, FinishReason, MessageRole, Provider, ProviderContext, Tokens,
    ToolCall, ToolChoice,
};

/// What it calls its model where nobody names one.
const MODEL: &str = "echo-1";
/// Levels of a schema that an answer is made for.
const DEPTH: usize = 16;

/// The provider `echo`. Deterministic: the text of the last message comes back; with tools, and a
/// choice of one of them, a call of it with `{}`; with a schema, the least value of its shape. Each
/// word is a token.
pub struct Echo;

#[async_trait]
impl Provider for Echo {
    fn key(&self) -> &'static str {
        "echo"
    }

    fn display_name(&self) -> &'static str {
        "Echo (for tests)"
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[Capability::Chat, Capability::Streaming, Capability::Tools, Capability::Json]
    }

    fn config_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "answer": { "type": "string", "description": "The text of every answer" } },
            "additionalProperties": false
        })
    }

    fn default_model(&self) -> Option<&'static str> {
        Some(MODEL)
    }

    async fn chat(&self, ctx: &ProviderContext, request: &ChatRequest) -> Result<ChatAnswer> {
        let words = |text: &str| u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX);
        let input = request.messages.iter().map(|message| words(&message.content)).sum();
        let tool = match &request.tool_choice {
            ToolChoice::Named(name) => request.tools.iter().find(|tool| tool.name == *name),
            ToolChoice::Required => request.tools.first(),
            ToolChoice::Auto | ToolChoice::None => None,
        };
        let asked = request.messages.iter().rev().find(|message| message.role != MessageRole::System);
        let text = match (tool, ctx.credentials().get("answer"), &request.json) {
            (Some(_), _, _) => String::new(),
            (None, Some(answer), _) => answer.to_owned(),
            (None, None, Some(wanted)) => least(&wanted.schema, DEPTH).to_string(),
            (None, None, None) => asked.map(|message| message.content.clone()).unwrap_or_default(),
        };
        let most = usize::try_from(request.max_tokens.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let whole = text.split_whitespace().count() <= most;
        let text = if whole { text } else { text.split_whitespace().take(most).collect::<Vec<_>>().join(" ") };
        let tool_calls: Vec<ToolCall> = tool
            .map(|tool| ToolCall { id: "call_1".to_owned(), name: tool.name.clone(), arguments: json!({}) })
            .into_iter()
            .collect();
        let finish_reason = match (tool, whole) {
            (Some(_), _) => FinishReason::ToolCalls,
            (None, true) => FinishReason::Stop,
            (None, false) => FinishReason::Length,
        };
        let tokens = Some(Tokens { input, output: words(&text), cached_input: 0 });
        Ok(ChatAnswer { text, tool_calls, finish_reason, model: request.model.clone(), tokens })
    }

    async fn chat_streaming(
        &self,
        ctx: &ProviderContext,
        request: &ChatRequest,
        sink: &dyn ChatSink,
    ) -> Result<ChatAnswer> {
        let answer = self.chat(ctx, request).await?;
        answer.text.split_inclusive(' ').for_each(|piece| sink.text(piece));
        Ok(answer)
    }
}

/// The least value of a schema's shape: constants, first choices, required properties. It does not
/// know every keyword; what it makes is checked like every answer.
fn least(schema: &Value, depth: usize) -> Value {
    if let Some(constant) = schema.get("const").or_else(|| schema["enum"].get(0)).or_else(|| schema.get("default")) {
        return constant.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("null");
    match kind {
        "object" if depth > 0 => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let properties: Map<String, Value> =
                required.map(|name| (name.to_owned(), least(&schema["properties"][name], depth - 1))).collect();
            Value::Object(properties)
        }
        "array" if depth > 0 => {
            let count = schema["minItems"].as_u64().unwrap_or(0).min(100);
            (0..count).map(|_| least(&schema["items"], depth - 1)).collect()
        }
        "object" => json!({}),
        "array" => json!([]),
        "string" => {
            let count = usize::try_from(schema["minLength"].as_u64().unwrap_or(0).min(1_000)).unwrap_or(0);
            Value::String("x".repeat(count))
        }
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
        "boolean" => json!(false),
        _ => Value::Null,
    }
}
