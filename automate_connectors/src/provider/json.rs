//! JSON by a schema: asked for, checked, and asked for again with what is wrong.

use automate_core::error::ErrorCode;
use automate_core::limits::{LLM_REPAIRS, LLM_SCHEMA_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::ChatSink;
use super::chat::{ChatRequest, ChatResponse, FinishReason, JsonAnswer, Message, MessageRole, Usage};
use super::context::ProviderCall;
use super::registry::ProviderRegistry;
use crate::base::{ConnectorError, Result};
use crate::schema::{Breaches, Schema};

/// What the answer is called, for wire formats that want a name.
const NAME: &str = "answer";

/// Which JSON is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonWanted {
    /// The JSON Schema (draft 2020-12) that the answer must satisfy.
    pub schema: Value,
    /// How often the model is asked to correct an answer that does not; [`LLM_REPAIRS`] at most.
    pub repairs: u32,
}

/// JSON that satisfies its schema.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct JsonResponse {
    /// The value.
    pub value: Value,
    /// What it took, repairs included.
    pub usage: Usage,
    /// How often the model was asked to correct its answer.
    pub repairs: u32,
    /// The entry of the registry that answered.
    pub provider: String,
    /// The model that answered, as the provider names it.
    pub model: String,
}

/// What is wrong with an answer.
enum Fault {
    NotJson(String),
    Breaks(Breaches),
}

impl ProviderRegistry {
    /// As [`Self::chat`], for JSON that satisfies a schema. An answer that is not JSON or breaks
    /// the schema is sent back with the errors, as often as wanted; each time is a call of its
    /// own, charged to the budget like every other.
    ///
    /// # Errors
    /// As [`Self::chat`]; `INVALID_OUTPUT` where the last answer is wrong as well, `LIMIT_EXCEEDED`
    /// where it was cut at the bound on tokens.
    pub async fn json(
        &self,
        call: &ProviderCall,
        provider: Option<&str>,
        request: ChatRequest,
        wanted: &JsonWanted,
        sink: Option<&dyn ChatSink>,
    ) -> Result<JsonResponse> {
        let text = wanted.schema.to_string();
        if text.len() > LLM_SCHEMA_BYTES {
            let message = format!("the schema has more than {LLM_SCHEMA_BYTES} bytes");
            return Err(ConnectorError::new(ErrorCode::LimitExceeded, message));
        }
        let schema = Schema::compile(&wanted.schema)
            .map_err(|reason| ConnectorError::invalid_input(format!("`schema` is not a JSON Schema: {reason}")))?;
        if !request.tools.is_empty() {
            return Err(ConnectorError::invalid_input("JSON by a schema cannot be had together with tools"));
        }
        let mut request = request;
        request.messages.insert(0, Message::new(MessageRole::System, instruction(&text)));
        request.json = Some(JsonAnswer { name: NAME.to_owned(), schema: wanted.schema.clone() });
        let most = wanted.repairs.min(LLM_REPAIRS);
        let question = request.messages.len();
        let mut usage: Option<Usage> = None;
        for repairs in 0..=most {
            let mut call = call.clone();
            // Another question, so another key: the other side must not answer the first one again.
            if repairs > 0 {
                call.idempotency_key = call.idempotency_key.map(|key| format!("{key}:{repairs}"));
            }
            let answer = self.chat(&call, provider, request.clone(), sink).await?;
            let total = usage.map_or(answer.usage, |before| before.plus(answer.usage));
            usage = Some(total);
            if let Some(error) = refusal(&answer, total) {
                return Err(error);
            }
            let fault = match checked(&answer.text, &schema) {
                Ok(value) => {
                    let ChatResponse { provider, model, .. } = answer;
                    return Ok(JsonResponse { value, usage: total, repairs, provider, model });
                }
                Err(fault) => fault,
            };
            if repairs == most {
                return Err(fault.error(repairs, total));
            }
            // Only the last answer: those before it are corrected already, or will be again.
            request.messages.truncate(question);
            if !answer.text.trim().is_empty() {
                request.messages.push(Message::new(MessageRole::Assistant, answer.text));
            }
            request.messages.push(Message::new(MessageRole::User, fault.correction()));
        }
        Err(ConnectorError::internal("no answer was asked for"))
    }
}

fn instruction(schema: &str) -> String {
    format!(
        "Answer with JSON only, without any text around it and without a code block. The JSON must satisfy this \
         JSON Schema:\n{schema}"
    )
}

/// An answer that a correction cannot help.
fn refusal(answer: &ChatResponse, usage: Usage) -> Option<ConnectorError> {
    let (code, message) = match answer.finish_reason {
        FinishReason::Length => {
            (ErrorCode::LimitExceeded, "the answer was cut at the bound on tokens; raise `max_tokens` or want less")
        }
        FinishReason::ContentFilter => (ErrorCode::InvalidOutput, "the model or its provider refused to answer"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => return None,
    };
    Some(ConnectorError::new(code, message).with_details(json!({ "usage": usage })))
}

/// The JSON of an answer.
fn checked(text: &str, schema: &Schema) -> std::result::Result<Value, Fault> {
    let value = extract(text)?;
    schema.check(&value).map_err(Fault::Breaks)?;
    Ok(value)
}

/// JSON as models write it although they were asked not to: after their thoughts, in a code block,
/// or with words around it.
fn extract(text: &str) -> std::result::Result<Value, Fault> {
    let text = text.trim();
    let text = match text.strip_prefix("<think>").and_then(|rest| rest.split_once("</think>")) {
        Some((_, rest)) => rest.trim(),
        None => text,
    };
    let whole = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let first = text.find(['{', '[']).and_then(|at| text.get(at..));
    let inside = first.and_then(|rest| serde_json::Deserializer::from_str(rest).into_iter::<Value>().next());
    match inside {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(Fault::NotJson(error.to_string())),
        None if text.is_empty() => Err(Fault::NotJson("it is empty".to_owned())),
        None => Err(Fault::NotJson(whole.to_string())),
    }
}

impl Fault {
    /// For the model.
    fn correction(&self) -> String {
        let what = match self {
            Self::NotJson(reason) => format!("is not JSON: {reason}"),
            Self::Breaks(breaches) => format!("does not satisfy the schema: {}", breaches.text()),
        };
        format!("Your answer {what}. Answer again with the whole corrected JSON and nothing else.")
    }

    /// For people.
    fn error(&self, repairs: u32, usage: Usage) -> ConnectorError {
        let (what, mut details) = match self {
            Self::NotJson(reason) => (format!("is not JSON: {reason}"), json!({})),
            Self::Breaks(breaches) => (format!("does not satisfy the schema: {}", breaches.text()), breaches.details()),
        };
        details["repairs"] = repairs.into();
        details["usage"] = json!(usage);
        ConnectorError::new(
            ErrorCode::InvalidOutput,
            format!("the answer of the model {what}; corrected {repairs} times"),
        )
        .with_details(details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_where_models_put_it() {
        for text in [
            "{\"a\":1}",
            " {\"a\": 1} \n",
            "```json\n{\"a\":1}\n```",
            "Here you are: {\"a\":1} Anything else?",
            "<think>{\"a\": 2}? No.</think>\n{\"a\":1}",
        ] {
            assert_eq!(extract(text).ok(), Some(json!({ "a": 1 })), "{text}");
        }
        assert_eq!(extract("\"text\"").ok(), Some(json!("text")));
        for text in ["", "no", "{\"a\":", "{a: 1}", "{\"a\":1e999}"] {
            assert!(extract(text).is_err(), "{text}");
        }
        assert!(extract(&"[".repeat(100_000)).is_err());
    }
}
