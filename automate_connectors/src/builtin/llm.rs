//! `llm.chat` and `llm.json`: language models, through the provider registry.

mod progress;

use automate_core::actions::LogLevel;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::{ActionContext, Connector, ConnectorError, Result, TypedAction};
use crate::provider::{
    ChatRequest, ChatResponse, ChatSink, JsonResponse, JsonWanted, Message, MessageRole, Tool, ToolChoice, Usage,
    as_text,
};
use progress::Progress;

/// How often a wrong answer is corrected where the step does not say.
const REPAIRS: u32 = 2;

/// Asks language models.
pub struct Llm;

impl Connector for Llm {
    fn key(&self) -> &'static str {
        "llm"
    }

    fn display_name(&self) -> &'static str {
        "Language models"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[chat::ACTION, json::ACTION]
    }
}

/// The input of `llm.chat`. Either `prompt` or `messages`.
#[derive(Deserialize, JsonSchema)]
struct Chat {
    /// The provider, by its name in the configuration; the default one where absent.
    provider: Option<String>,
    /// The model; the provider's default where absent.
    model: Option<String>,
    /// What to ask. Anything but text is written as JSON.
    #[serde(default, deserialize_with = "as_text")]
    #[schemars(with = "Option<Value>")]
    prompt: String,
    /// Instructions, which go before everything else. Anything but text is written as JSON.
    #[serde(default, deserialize_with = "as_text")]
    #[schemars(with = "Option<Value>")]
    system: String,
    /// A conversation, the oldest message first.
    #[serde(default)]
    messages: Vec<Message>,
    /// How far the answer may stray, from 0 to 2.
    temperature: Option<f64>,
    /// Tokens of the answer, at most.
    max_tokens: Option<u64>,
    /// Texts that end the answer; 4 at most.
    #[serde(default)]
    stop: Vec<String>,
    /// Tools that the model may call. The calls are in the output; nothing calls them.
    #[serde(default)]
    tools: Vec<Tool>,
    /// Whether it calls one: `auto`, `none`, `required`, or the name of the tool that it must call.
    tool_choice: Option<String>,
    /// Whether the answer is read as it is written; the log of the step tells how far it is.
    #[serde(default)]
    stream: bool,
}

/// Asks a language model. Gives its text, and the tools that it wants called.
#[crate::action(
    title = "Ask a language model",
    effect = idempotent,
    timeout = "2m",
    example = json!({ "system": "You are brief.", "prompt": "What is a lease?", "max_tokens": 200 })
)]
async fn chat(ctx: &ActionContext, input: Chat) -> Result<ChatResponse> {
    let mut request = request(&input.system, input.messages, &input.prompt)?;
    request.model = input.model.unwrap_or_default();
    request.temperature = input.temperature;
    request.max_tokens = input.max_tokens;
    request.stop = input.stop;
    request.tools = input.tools;
    request.tool_choice = input.tool_choice.as_deref().map(ToolChoice::of).unwrap_or_default();
    let progress = Progress::new(ctx);
    let sink = input.stream.then_some(&progress as &dyn ChatSink);
    let call = ctx.provider_call("llm.chat");
    let response = ctx.providers().chat(&call, input.provider.as_deref(), request, sink).await?;
    tell(ctx, &response.provider, &response.model, &response.usage);
    Ok(response)
}

/// The input of `llm.json`. Either `prompt` or `messages`.
#[derive(Deserialize, JsonSchema)]
struct Json {
    /// The JSON Schema that the answer must satisfy.
    schema: Value,
    /// How often the model is asked to correct an answer that does not, from 0 to 5; 2 where absent.
    #[serde(default = "repairs")]
    repairs: u32,
    /// The provider, by its name in the configuration; the default one where absent.
    provider: Option<String>,
    /// The model; the provider's default where absent.
    model: Option<String>,
    /// What to ask. Anything but text is written as JSON.
    #[serde(default, deserialize_with = "as_text")]
    #[schemars(with = "Option<Value>")]
    prompt: String,
    /// Instructions, which go before everything else. Anything but text is written as JSON.
    #[serde(default, deserialize_with = "as_text")]
    #[schemars(with = "Option<Value>")]
    system: String,
    /// A conversation, the oldest message first.
    #[serde(default)]
    messages: Vec<Message>,
    /// How far the answer may stray, from 0 to 2.
    temperature: Option<f64>,
    /// Tokens of the answer, at most.
    max_tokens: Option<u64>,
    /// Whether the answer is read as it is written; the log of the step tells how far it is.
    #[serde(default)]
    stream: bool,
}

fn repairs() -> u32 {
    REPAIRS
}

/// Asks a language model for JSON that satisfies a schema. An answer that does not is sent back
/// with what is wrong with it.
#[crate::action(
    title = "Ask a language model for JSON",
    effect = idempotent,
    timeout = "5m",
    example = json!({
        "prompt": "Order 17 came broken, I want my money back!",
        "schema": {
            "type": "object",
            "properties": { "topic": { "enum": ["refund", "delivery", "other"] }, "order": { "type": "integer" } },
            "required": ["topic"]
        }
    })
)]
async fn json(ctx: &ActionContext, input: Json) -> Result<JsonResponse> {
    let most = automate_core::limits::LLM_REPAIRS;
    if input.repairs > most {
        return Err(ConnectorError::invalid_input(format!("`repairs` may be {most} at most")));
    }
    let mut request = request(&input.system, input.messages, &input.prompt)?;
    request.model = input.model.unwrap_or_default();
    request.temperature = input.temperature;
    request.max_tokens = input.max_tokens;
    let progress = Progress::new(ctx);
    let sink = input.stream.then_some(&progress as &dyn ChatSink);
    let call = ctx.provider_call("llm.json");
    let wanted = JsonWanted { schema: input.schema, repairs: input.repairs };
    let response = ctx.providers().json(&call, input.provider.as_deref(), request, &wanted, sink).await?;
    tell(ctx, &response.provider, &response.model, &response.usage);
    Ok(response)
}

fn request(system: &str, messages: Vec<Message>, prompt: &str) -> Result<ChatRequest> {
    let question = match (messages.is_empty(), prompt.is_empty()) {
        (true, true) => return Err(ConnectorError::invalid_input("say what to ask, with `prompt` or with `messages`")),
        (false, false) => return Err(ConnectorError::invalid_input("give either `prompt` or `messages`, not both")),
        (false, true) => messages,
        (true, false) => vec![Message::new(MessageRole::User, prompt)],
    };
    let instructions = (!system.is_empty()).then(|| Message::new(MessageRole::System, system));
    Ok(ChatRequest::new(instructions.into_iter().chain(question).collect()))
}

/// A line in the log of the step.
fn tell(ctx: &ActionContext, provider: &str, model: &str, usage: &Usage) {
    let message = format!(
        "{provider} answered with {model}: {} tokens in, {} tokens out",
        usage.input_tokens, usage.output_tokens
    );
    ctx.log(LogLevel::Info, message, Some(json!({ "provider": provider, "model": model, "usage": usage })));
}
