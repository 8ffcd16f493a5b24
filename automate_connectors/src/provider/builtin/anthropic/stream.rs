//! An answer that comes as events (<https://docs.anthropic.com/en/docs/build-with-claude/streaming>).

use automate_core::limits::LLM_TOOLS;
use serde_json::Value;

use super::answer::{Counted, answer, finish_reason};
use super::meaning;
use crate::base::Result;
use crate::base::sse::SseStream;
use crate::provider::builtin::upstream::{arguments, cut, nonsense, stream_error};
use crate::provider::{ChatAnswer, ChatSink, FinishReason, ToolCall};

/// A call of a tool, its input still growing.
struct Growing {
    index: u64,
    id: String,
    name: String,
    input: String,
}

/// Reads a stream to its end. Everything it holds is bounded by the bytes of the response.
pub(super) async fn read(
    what: &str,
    mut events: SseStream,
    forced: Option<&str>,
    sink: &dyn ChatSink,
) -> Result<ChatAnswer> {
    let (mut text, mut model, mut finish) = (String::new(), String::new(), FinishReason::Stop);
    let mut growing: Vec<Growing> = Vec::new();
    let mut counted = Counted::default();
    let mut done = false;
    while let Some(event) = events.next_event().await? {
        let data: Value = serde_json::from_str(&event.data).map_err(|_| nonsense(what))?;
        match data["type"].as_str() {
            Some("message_start") => {
                data["message"]["model"].as_str().unwrap_or_default().clone_into(&mut model);
                counted.take(&data["message"]["usage"]);
            }
            Some("content_block_start") if data["content_block"]["type"] == "tool_use" => {
                let block = &data["content_block"];
                if growing.len() < LLM_TOOLS {
                    growing.push(Growing {
                        index: data["index"].as_u64().unwrap_or_default(),
                        id: block["id"].as_str().unwrap_or_default().to_owned(),
                        name: block["name"].as_str().unwrap_or_default().to_owned(),
                        input: String::new(),
                    });
                }
            }
            Some("content_block_delta") => {
                let delta = &data["delta"];
                match delta["type"].as_str() {
                    Some("text_delta") => {
                        let piece = delta["text"].as_str().unwrap_or_default();
                        sink.text(piece);
                        text.push_str(piece);
                    }
                    Some("input_json_delta") => {
                        let index = data["index"].as_u64().unwrap_or_default();
                        let piece = delta["partial_json"].as_str().unwrap_or_default();
                        if let Some(call) = growing.iter_mut().find(|call| call.index == index) {
                            call.input.push_str(piece);
                            if forced.is_some() {
                                sink.text(piece);
                            }
                        }
                    }
                    // Thoughts and their signatures.
                    _ => {}
                }
            }
            Some("message_delta") => {
                if let Some(word) = data["delta"]["stop_reason"].as_str() {
                    finish = finish_reason(Some(word));
                }
                counted.take(&data["usage"]);
            }
            Some("message_stop") => {
                done = true;
                break;
            }
            Some("error") => return Err(stream_error(what, &data["error"], meaning)),
            // `ping`, the ends of blocks, and what is not known yet.
            _ => {}
        }
    }
    if !done {
        return Err(cut(what));
    }
    let mut calls = Vec::new();
    for Growing { id, name, input, .. } in growing {
        let arguments = match forced {
            // The answer itself, as it was written: whoever wanted it checks it.
            Some(wanted) if wanted == name => Value::String(input),
            _ => arguments(&name, &input, finish)?,
        };
        calls.push(ToolCall { id, name, arguments });
    }
    Ok(answer(text, calls, finish, model, counted.tokens(), forced))
}
