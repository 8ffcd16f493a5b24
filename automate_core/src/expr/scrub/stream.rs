//! Scrubbing text that comes in pieces: the answer of a model, the output of a long call.

use std::sync::Arc;

use aho_corasick::AhoCorasick;

use super::{MASK, Scrubber, scrub};

/// Scrubs a text that comes in pieces. What might be the beginning of a value is held back until it
/// is known whether it is, so that no reader sees the first half of one.
#[derive(Debug)]
pub struct ScrubStream {
    scrubber: Scrubber,
    held: String,
}

impl ScrubStream {
    pub(super) const fn new(scrubber: Scrubber) -> Self {
        Self { scrubber, held: String::new() }
    }

    /// Takes a piece and gives what can be shown by now.
    #[must_use]
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        if self.scrubber.is_empty() {
            return std::mem::take(&mut self.held);
        }
        let Some(finders) = self.scrubber.finders() else {
            self.held.clear();
            return MASK.to_owned();
        };
        let cut = settled(&self.held, &finders, &self.scrubber.sorted_forms());
        let clean = scrub(&finders, &self.held[..cut]).into_owned();
        self.held.drain(..cut);
        clean
    }

    /// The rest, at the end of the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.scrubber.scrub_str(&self.held).into_owned()
    }
}

/// How much of the text cannot change any more, whatever follows.
fn settled(text: &str, finders: &[Arc<AhoCorasick>], groups: &[Arc<[String]>]) -> usize {
    let mut cut = groups.iter().map(|forms| unfinished(text, forms)).min().unwrap_or(text.len());
    // A value that is complete goes as a whole, even where another may begin in it.
    loop {
        let across = finders.iter().flat_map(|f| f.find_iter(text)).find(|m| m.start() < cut && cut < m.end());
        match across {
            Some(found) => cut = found.end(),
            None => return cut,
        }
    }
}

/// Where the first beginning of a form stands that the text ends within; its end where none does.
fn unfinished(text: &str, forms: &[String]) -> usize {
    let longest = forms.iter().map(String::len).max().unwrap_or(0);
    let mut first = [false; 256];
    forms.iter().filter_map(|f| f.bytes().next()).for_each(|byte| first[usize::from(byte)] = true);
    let from = text.len().saturating_sub(longest.saturating_sub(1));
    let bytes = text.as_bytes();
    (from..text.len())
        .filter(|at| first[usize::from(bytes[*at])] && text.is_char_boundary(*at))
        .find(|at| begins_a_longer(&text[*at..], forms))
        .unwrap_or(text.len())
}

/// Whether some form is longer than a text and begins with it. `forms` is sorted.
fn begins_a_longer(text: &str, forms: &[String]) -> bool {
    let at = forms.partition_point(|form| form.as_str() <= text);
    forms.get(at).is_some_and(|form| form.starts_with(text))
}
