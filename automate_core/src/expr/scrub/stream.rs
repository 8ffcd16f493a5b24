//! Scrubbing text that comes in pieces: the answer of a model, the output of a long call.

use zeroize::Zeroizing;

use super::{Scrubber, scrub};

/// Scrubs a text that comes in pieces. What might be the beginning of a value is held back until it
/// is known whether it is, so that no reader sees the first half of one. What gzip made is not looked
/// into.
#[derive(Debug)]
pub struct ScrubStream {
    scrubber: Scrubber,
    held: Zeroizing<String>,
}

impl ScrubStream {
    pub(super) fn new(scrubber: Scrubber) -> Self {
        Self { scrubber, held: Zeroizing::default() }
    }

    /// Takes a piece and gives what can be shown by now.
    #[must_use]
    pub fn push(&mut self, piece: &str) -> String {
        if self.held.is_empty() && self.scrubber.is_empty() {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        let known = self.scrubber.known();
        let cut = known.settled(&self.held);
        let clean = scrub(&known, &self.held[..cut]).into_owned();
        self.held.drain(..cut);
        clean
    }

    /// The rest, at the end of the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.scrubber.scrub_str(&self.held).into_owned()
    }
}
