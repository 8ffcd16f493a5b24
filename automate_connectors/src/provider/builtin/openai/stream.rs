//! An answer that comes as `chat.completion.chunk` objects.

use automate_core::limits::LLM_TOOLS;
use serde_json::Value;

use super::answer::{finish_reason, settled, tokens};
use super::meaning;
use crate::base::Result;
use crate::base::sse::SseStream;
use crate::provider::builtin::upstream::{arguments, cut, nonsense, stream_error};
use crate::provider::{ChatAnswer, ChatSink, FinishReason, Tokens, ToolCall};

/// What ends the stream.
const DONE: &str = "[DONE]";

/// A call of a tool, its arguments still growing.
#[derive(Default)]
struct Growing {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Default)]
struct Gathered {
    text: String,
    refused: bool,
    calls: Vec<Growing>,
    finish: Option<FinishReason>,
    model: String,
    tokens: Option<Tokens>,
}

/// Reads a stream to its end. Everything it holds is bounded by the bytes of the response.
pub(super) async fn read(what: &str, mut events: SseStream, sink: &dyn ChatSink) -> Result<ChatAnswer> {
    let mut gathered = Gathered::default();
    let mut done = false;
    while let Some(event) = events.next_event().await? {
        if event.data.trim() == DONE {
            done = true;
            break;
        }
        let chunk: Value = serde_json::from_str(&event.data).map_err(|_| nonsense(what))?;
        gathered.take(what, &chunk, sink)?;
    }
    // Not every server says `[DONE]`; without it, the reason for the end must have come.
    if !done && gathered.finish.is_none() {
        return Err(cut(what));
    }
    gathered.answer()
}

impl Gathered {
    fn take(&mut self, what: &str, chunk: &Value, sink: &dyn ChatSink) -> Result<()> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Err(stream_error(what, error, meaning));
        }
        if self.model.is_empty()
            && let Some(model) = chunk["model"].as_str()
        {
            model.clone_into(&mut self.model);
        }
        // Once at the end, or with every chunk, growing.
        self.tokens = tokens(&chunk["usage"]).or(self.tokens);
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        if let Some(piece) = delta["content"].as_str().filter(|piece| !piece.is_empty()) {
            sink.text(piece);
            self.text.push_str(piece);
        }
        if let Some(piece) = delta["refusal"].as_str().filter(|piece| !piece.is_empty()) {
            self.refused = true;
            self.text.push_str(piece);
        }
        for part in delta["tool_calls"].as_array().into_iter().flatten() {
            self.grow(part);
        }
        if let Some(word) = choice["finish_reason"].as_str() {
            self.finish = Some(finish_reason(Some(word)));
        }
        Ok(())
    }

    fn grow(&mut self, part: &Value) {
        let next = u64::try_from(self.calls.len()).unwrap_or(u64::MAX);
        let index = part["index"].as_u64().unwrap_or(next);
        if !self.calls.iter().any(|call| call.index == index) {
            if self.calls.len() >= LLM_TOOLS {
                return;
            }
            self.calls.push(Growing { index, ..Growing::default() });
        }
        let Some(call) = self.calls.iter_mut().find(|call| call.index == index) else { return };
        for (text, field) in [(&mut call.id, &part["id"]), (&mut call.name, &part["function"]["name"])] {
            // Whole the first time; some servers repeat it.
            if let Some(value) = field.as_str().filter(|_| text.is_empty()) {
                value.clone_into(text);
            }
        }
        call.arguments.push_str(part["function"]["arguments"].as_str().unwrap_or_default());
    }

    fn answer(self) -> Result<ChatAnswer> {
        let finish = self.finish.unwrap_or(FinishReason::Stop);
        let mut tool_calls = Vec::new();
        for Growing { id, name, arguments: text, .. } in self.calls {
            let arguments = arguments(&name, &text, finish)?;
            tool_calls.push(ToolCall { id, name, arguments });
        }
        Ok(ChatAnswer {
            text: self.text,
            finish_reason: settled(finish, self.refused, !tool_calls.is_empty()),
            tool_calls,
            model: self.model,
            tokens: self.tokens,
        })
    }
}
