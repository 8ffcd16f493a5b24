//! What is asked of a language model and what it answers, apart from any wire format.

use automate_core::error::ErrorCode;
use automate_core::limits::{LLM_MESSAGES, LLM_PROMPT_BYTES, LLM_TOKENS, LLM_TOOLS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{ConnectorError, Result};

/// Bytes of text that are counted as one token where nobody says how many there were; four is
/// usual for English, three errs on the side of more.
const BYTES_PER_TOKEN: usize = 3;
/// Tokens that are counted for the frame of a message.
const TOKENS_PER_MESSAGE: u64 = 4;
/// Texts that end an answer.
const STOPS: usize = 4;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// Instructions.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Whose it is.
    pub role: MessageRole,
    /// What it says. Anything but text is written as JSON.
    #[serde(default, deserialize_with = "as_text")]
    #[schemars(with = "Value")]
    pub content: String,
    /// The tools that the model called, in a message of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call this is the result of, in a message of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message of a role.
    #[must_use]
    pub fn new(role: MessageRole, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`, 64 at most.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments, an object.
    #[serde(default = "any_object")]
    pub parameters: Value,
}

fn any_object() -> Value {
    serde_json::json!({ "type": "object", "properties": {} })
}

/// A call that the model wants made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// What ties its result to it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments. They come from the model: nobody has checked them.
    #[serde(default)]
    pub arguments: Value,
}

/// Whether the model may, must or must not call tools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// No tool.
    None,
    /// One at least.
    Required,
    /// This one.
    Named(String),
}

impl ToolChoice {
    /// The choice of a word: `auto`, `none`, `required`, or a tool's name.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "auto" => Self::Auto,
            "none" => Self::None,
            "required" => Self::Required,
            name => Self::Named(name.to_owned()),
        }
    }
}

/// The answer is to be JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonAnswer {
    /// What the answer is called, for wire formats that want a name.
    pub name: String,
    /// The JSON Schema that it is to satisfy.
    pub schema: Value,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The model; the entry's default where empty.
    pub model: String,
    /// The messages, the oldest first. Those of the system may stand anywhere.
    pub messages: Vec<Message>,
    /// How far the answer may stray, from 0.
    pub temperature: Option<f64>,
    /// Tokens of the answer, at most.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not.
    pub tool_choice: ToolChoice,
    /// JSON that is wanted. A provider holds the model to it as far as its wire format can; the
    /// schema is not in the messages.
    pub json: Option<JsonAnswer>,
}

impl ChatRequest {
    /// A request of these messages.
    #[must_use]
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// The same, of a model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Tokens that the request itself takes, by its length: what is reserved of a budget, and what
    /// is counted where the provider counts nothing.
    #[must_use]
    pub fn estimated_tokens(&self) -> u64 {
        let frames = TOKENS_PER_MESSAGE * u64::try_from(self.messages.len()).unwrap_or(u64::MAX);
        tokens_of(self.bytes()).saturating_add(frames)
    }

    fn bytes(&self) -> usize {
        let messages = self.messages.iter().map(|message| {
            let calls = message.tool_calls.iter().map(|call| call.name.len() + call.arguments.to_string().len());
            message.content.len() + calls.sum::<usize>()
        });
        let tools =
            self.tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len());
        let schema = self.json.iter().map(|json| json.schema.to_string().len());
        messages.chain(tools).chain(schema).sum()
    }

    /// Whether it can be asked at all.
    ///
    /// # Errors
    /// `INVALID_INPUT` or `LIMIT_EXCEEDED`.
    pub(super) fn check(&self) -> Result<()> {
        let too_much = |what: String| Err(ConnectorError::new(ErrorCode::LimitExceeded, what));
        if self.messages.iter().all(|message| message.role == MessageRole::System) {
            return Err(ConnectorError::invalid_input("there is no message to answer"));
        }
        if self.messages.len() > LLM_MESSAGES {
            return too_much(format!("there are more than {LLM_MESSAGES} messages"));
        }
        if self.tools.len() > LLM_TOOLS {
            return too_much(format!("there are more than {LLM_TOOLS} tools"));
        }
        if self.bytes() > LLM_PROMPT_BYTES {
            return too_much(format!("messages and tools have more than {LLM_PROMPT_BYTES} bytes"));
        }
        if self.stop.len() > STOPS || self.stop.iter().any(String::is_empty) {
            return Err(ConnectorError::invalid_input(format!(
                "`stop` takes {STOPS} texts at most, none of them empty"
            )));
        }
        if self.max_tokens.is_some_and(|most| !(1..=LLM_TOKENS).contains(&most)) {
            return Err(ConnectorError::invalid_input(format!("`max_tokens` must be from 1 to {LLM_TOKENS}")));
        }
        if self.temperature.is_some_and(|degree| !(0.0..=2.0).contains(&degree)) {
            return Err(ConnectorError::invalid_input("`temperature` must be from 0 to 2"));
        }
        for message in &self.messages {
            if message.role == MessageRole::Tool && message.tool_call_id.is_none() {
                return Err(ConnectorError::invalid_input("a message of the role `tool` needs `tool_call_id`"));
            }
            if message.role != MessageRole::Assistant && !message.tool_calls.is_empty() {
                return Err(ConnectorError::invalid_input("only messages of the role `assistant` have `tool_calls`"));
            }
        }
        for tool in &self.tools {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if tool.name.is_empty() || tool.name.len() > 64 || !tool.name.bytes().all(fits) {
                return Err(ConnectorError::invalid_input(
                    "the name of a tool has letters, digits, `_` and `-`, 64 at most",
                ));
            }
            if !tool.parameters.is_object() {
                return Err(ConnectorError::invalid_input(format!(
                    "the `parameters` of the tool `{}` are not a JSON Schema",
                    tool.name
                )));
            }
        }
        match &self.tool_choice {
            ToolChoice::Named(name) if self.tools.iter().all(|tool| tool.name != *name) => {
                Err(ConnectorError::invalid_input("`tool_choice` is `auto`, `none`, `required` or the name of a tool"))
            }
            ToolChoice::Required if self.tools.is_empty() => {
                Err(ConnectorError::invalid_input("`tool_choice` is `required`, and there are no tools"))
            }
            _ => Ok(()),
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was complete, or a stop text came.
    Stop,
    /// It reached the bound on tokens.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider or the model refused to go on.
    ContentFilter,
    /// Something else.
    Other,
}

/// Tokens as the provider counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Of the request, cached ones included.
    pub input: u64,
    /// Of the answer, those of thinking included.
    pub output: u64,
    /// Of the request, read from the provider's cache.
    pub cached_input: u64,
}

/// What a provider answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatAnswer {
    /// The text; empty where there are only calls of tools.
    pub text: String,
    /// The tools that are to be called, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// What it took, where the provider says so.
    pub tokens: Option<Tokens>,
}

impl ChatAnswer {
    /// Tokens of the answer, by its length.
    pub(super) fn estimated_tokens(&self) -> u64 {
        let calls = self.tool_calls.iter().map(|call| call.name.len() + call.arguments.to_string().len());
        tokens_of(self.text.len() + calls.sum::<usize>())
    }
}

fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Usage {
    /// Tokens of the request, cached ones included.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Tokens of the request that came from the provider's cache.
    pub cached_input_tokens: u64,
    /// What it cost, in millionths of the currency of the prices; `null` where the entry has no
    /// price for the model.
    pub cost_micros: Option<u64>,
    /// Whether the tokens were estimated from lengths, because the provider did not count.
    pub estimated: bool,
}

impl Usage {
    /// Both together. The cost is known where both are.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_add(other.cached_input_tokens),
            cost_micros: self.cost_micros.zip(other.cost_micros).map(|(a, b)| a.saturating_add(b)),
            estimated: self.estimated || other.estimated,
        }
    }
}

/// An answer, with what it took.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ChatResponse {
    /// The text; empty where there are only calls of tools.
    pub text: String,
    /// The tools that are to be called, in order.
    pub tool_calls: Vec<ToolCall>,
    /// What it took.
    pub usage: Usage,
    /// The entry of the registry that answered.
    pub provider: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
}

/// Text as it is, anything else as JSON, nothing as no text.
pub(crate) fn as_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}
