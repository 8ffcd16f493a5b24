//! One question and its answer: credentials, policy, budget, the provider itself, redaction.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use automate_core::error::{ErrorCode, StepError};
use automate_core::limits::{LLM_OUTPUT_TOKENS, LLM_TOKENS};
use automate_core::secrets::SecretValue;

use super::budget::Spend;
use super::chat::{ChatAnswer, ChatRequest, ChatResponse, Tokens, Usage};
use super::config::REFERENCE;
use super::context::{Credentials, ProviderCall, ProviderContext};
use super::registry::{Entry, ProviderRegistry};
use super::{Capability, ChatSink};
use crate::base::{ConnectorError, Outbound, Result, Scrubber};

impl ProviderRegistry {
    /// Asks a provider: the named one, else the one of [`Self::resolve_for`]. The text of the
    /// answer is given to the sink as it comes, where there is one.
    ///
    /// # Errors
    /// What the provider fails with; `CONFIG_INVALID` where there is no such provider or it is set
    /// up wrongly, `INVALID_INPUT` and `LIMIT_EXCEEDED` for requests that cannot be asked,
    /// `FORBIDDEN` for models that may not be, `BUDGET_EXCEEDED`, `SECRET_UNAVAILABLE`, and
    /// `CANCELLED`. Credentials of the provider are in none of them.
    pub async fn chat(
        &self,
        call: &ProviderCall,
        provider: Option<&str>,
        mut request: ChatRequest,
        sink: Option<&dyn ChatSink>,
    ) -> Result<ChatResponse> {
        let needs: &[Capability] =
            if request.tools.is_empty() { &[Capability::Chat] } else { &[Capability::Chat, Capability::Tools] };
        let entry = self.entry(provider, needs)?;
        request.check()?;
        admit(entry, &mut request)?;
        let (ctx, scrubber) = self.context(entry, call).await?;
        let estimate = estimate(entry, &request);
        let reservation = self.budget.reserve(call.tenant_id, estimate).await?;
        let asked = ask(entry, &ctx, &request, sink);
        let outcome = tokio::select! {
            biased;
            outcome = asked => outcome,
            () = call.cancel.cancelled() => Err(ConnectorError::new(ErrorCode::Cancelled, "the call was cancelled")),
        };
        match outcome {
            Ok(answer) => {
                let usage = usage(entry, &request, &answer);
                let actual = Spend {
                    input_tokens: usage.input_tokens,
                    output_tokens: usage.output_tokens,
                    cost_micros: usage.cost_micros,
                };
                // The answer is there and paid for. Where this fails the estimate stays charged.
                drop(self.budget.settle(reservation, actual).await);
                Ok(response(entry, answer, usage, &scrubber))
            }
            Err(error) => {
                if !may_have_cost(&ctx, &error) {
                    drop(self.budget.settle(reservation, Spend { cost_micros: Some(0), ..Spend::default() }).await);
                }
                let mut error = StepError::from(error);
                scrubber.error(&mut error);
                Err(error.into())
            }
        }
    }

    /// The context of one call, and what takes its credentials out of things.
    async fn context(&self, entry: &Entry, call: &ProviderCall) -> Result<(ProviderContext, Scrubber)> {
        let mut fields = BTreeMap::new();
        let mut hidden = Vec::new();
        for (field, text) in &entry.settings.fields {
            let value = match text.strip_prefix(REFERENCE) {
                Some(key) => self
                    .secrets
                    .resolve(call.tenant_id, key)
                    .await
                    .map_err(|error| ConnectorError::new(ErrorCode::SecretUnavailable, error.to_string()))?,
                None => SecretValue::new(text.clone()),
            };
            if entry.settings.hidden.contains(field) {
                hidden.push(value.clone());
            }
            fields.insert(field.clone(), value);
        }
        let outbound = Outbound {
            connector: entry.name.clone(),
            effect: call.effect,
            http: self.http.clone(),
            breakers: self.breakers.clone(),
            clock: self.clock.clone(),
            tenant_id: call.tenant_id,
            correlation_id: call.correlation_id.clone(),
            deadline: call.deadline,
            sent: call.sent.clone(),
        };
        let ctx = ProviderContext {
            outbound,
            purpose: call.purpose.clone(),
            idempotency_key: call.idempotency_key.clone(),
            cancel: call.cancel.clone(),
            credentials: Credentials::new(&entry.name, fields),
            policy: entry.settings.policy.clone(),
            budget: self.budget.clone(),
            answered: AtomicBool::new(false),
        };
        Ok((ctx, Scrubber::new(hidden)))
    }
}

async fn ask(
    entry: &Entry,
    ctx: &ProviderContext,
    request: &ChatRequest,
    sink: Option<&dyn ChatSink>,
) -> Result<ChatAnswer> {
    match sink {
        Some(sink) if entry.can(Capability::Streaming) => entry.provider.chat_streaming(ctx, request, sink).await,
        Some(sink) => {
            let answer = entry.provider.chat(ctx, request).await?;
            sink.text(&answer.text);
            Ok(answer)
        }
        None => entry.provider.chat(ctx, request).await,
    }
}

/// Sets the model, and holds the request against the policy of the entry.
fn admit(entry: &Entry, request: &mut ChatRequest) -> Result<()> {
    let name = &entry.name;
    if request.model.is_empty() {
        let default = entry.default_model().ok_or_else(|| {
            ConnectorError::config_invalid(format!(
                "name a `model`, or give the provider `{name}` a `default_model` in [providers.{name}]"
            ))
        })?;
        default.clone_into(&mut request.model);
    }
    let policy = &entry.settings.policy;
    if let Some(models) = &policy.models
        && !models.contains(&request.model)
    {
        let allowed = models.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(ConnectorError::new(
            ErrorCode::Forbidden,
            format!("the provider `{name}` may not be asked for the model `{}`; allowed are: {allowed}", request.model),
        ));
    }
    if let Some(most) = policy.max_output_tokens {
        if request.max_tokens.is_some_and(|asked| asked > most) {
            return Err(ConnectorError::invalid_input(format!(
                "`max_tokens` may be {most} at most with the provider `{name}`"
            )));
        }
        request.max_tokens.get_or_insert(most);
    }
    Ok(())
}

fn estimate(entry: &Entry, request: &ChatRequest) -> Spend {
    let tokens = Tokens {
        input: request.estimated_tokens(),
        output: request.max_tokens.unwrap_or(LLM_OUTPUT_TOKENS).min(LLM_TOKENS),
        cached_input: 0,
    };
    Spend {
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cost_micros: entry.settings.price(&request.model).map(|price| price.cost(tokens)),
    }
}

fn usage(entry: &Entry, request: &ChatRequest, answer: &ChatAnswer) -> Usage {
    let counted = answer.tokens.unwrap_or_else(|| Tokens {
        input: request.estimated_tokens(),
        output: answer.estimated_tokens(),
        cached_input: 0,
    });
    // The numbers come from outside.
    let tokens = Tokens {
        input: counted.input.min(LLM_TOKENS),
        output: counted.output.min(LLM_TOKENS),
        cached_input: counted.cached_input.min(counted.input).min(LLM_TOKENS),
    };
    Usage {
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cached_input_tokens: tokens.cached_input,
        cost_micros: entry.settings.price(&request.model).map(|price| price.cost(tokens)),
        estimated: answer.tokens.is_none(),
    }
}

fn response(entry: &Entry, answer: ChatAnswer, usage: Usage, scrubber: &Scrubber) -> ChatResponse {
    let ChatAnswer { mut text, mut tool_calls, finish_reason, mut model, tokens: _ } = answer;
    if !scrubber.is_empty() {
        scrubber.text(&mut text);
        scrubber.text(&mut model);
        for call in &mut tool_calls {
            scrubber.text(&mut call.id);
            scrubber.text(&mut call.name);
            scrubber.value(&mut call.arguments);
        }
    }
    ChatResponse { text, tool_calls, usage, provider: entry.name.clone(), model, finish_reason }
}

/// Whether the model may have worked although there is no answer. Charged rather than forgotten
/// where nobody knows.
fn may_have_cost(ctx: &ProviderContext, error: &ConnectorError) -> bool {
    if ctx.answered.load(Ordering::Relaxed) {
        return true;
    }
    let not_sent = error.details().and_then(|details| details.get("sent")).and_then(serde_json::Value::as_bool);
    match error.code() {
        ErrorCode::Timeout | ErrorCode::TransientNetwork | ErrorCode::OutcomeUnknown | ErrorCode::Cancelled => {
            not_sent != Some(false)
        }
        // Not said by the other side, so that it may have worked.
        ErrorCode::LimitExceeded | ErrorCode::Internal => not_sent != Some(false),
        _ => false,
    }
}
