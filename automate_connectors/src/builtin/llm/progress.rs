//! How far a streamed answer is, in the log of its step.

use std::sync::{Mutex, PoisonError};

use automate_core::actions::LogLevel;
use automate_core::limits::LLM_PROGRESS_LINES;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::base::ActionContext;
use crate::provider::ChatSink;

/// The time between two lines.
const APART: TimeDelta = TimeDelta::seconds(2);

/// Tells of lengths only: pieces of the text could hold pieces of a secret, which nothing would
/// recognise. The text is the output of the step.
pub(super) struct Progress<'a> {
    ctx: &'a ActionContext,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    characters: usize,
    lines: u32,
    told_at: Option<DateTime<Utc>>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(ctx: &'a ActionContext) -> Self {
        Self { ctx, state: Mutex::default() }
    }
}

impl ChatSink for Progress<'_> {
    fn text(&self, piece: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.characters = state.characters.saturating_add(piece.chars().count());
        let now = self.ctx.now();
        let due = state.told_at.is_none_or(|told| now - told >= APART);
        if due && state.lines < LLM_PROGRESS_LINES {
            state.told_at = Some(now);
            state.lines += 1;
            let characters = state.characters;
            drop(state);
            let message = format!("the answer has {characters} characters so far");
            self.ctx.log(LogLevel::Debug, message, Some(json!({ "characters": characters })));
        }
    }
}
