//! Removing the values of secrets from what comes back: outputs, errors, log lines.

mod forms;
mod known;
mod packed;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde_json::Value;

use crate::secrets::SecretValue;
use known::Known;

pub use stream::ScrubStream;

/// What a value is replaced by.
pub(super) const MASK: &str = "***";
/// Values shorter than this many characters are not looked for: they would hide ordinary text.
pub(super) const SHORTEST: usize = 8;

/// Replaces every known value of a secret by `***`, in the forms that it may come back in: plain,
/// URL-encoded, base64 (standard and URL alphabet, padded or not, wherever it begins inside a longer
/// text), hexadecimal, reversed, as escaped in JSON and HTML, and inside base64 of what gzip made.
/// Clones share the values. For text that comes in pieces: [`Scrubber::stream`].
///
/// It knows keyed hashes of the forms, not the values: the memory of a process that has a scrubber
/// shows no secret for that.
///
/// One scrubber serves one call; the log writer has one for the whole process.
#[derive(Clone, Default)]
pub struct Scrubber {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether anything is looked for at all, so that an empty scrubber costs one load.
    used: AtomicBool,
    known: RwLock<Known>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").field("empty", &self.is_empty()).finish_non_exhaustive()
    }
}

impl Scrubber {
    /// A scrubber that knows no value yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for this value from now on. `false` where it is too short to be looked for safely;
    /// the caller says so to the operator.
    pub fn add(&self, value: &SecretValue) -> bool {
        let text = value.expose_secret();
        if text.chars().count() < SHORTEST {
            return false;
        }
        if self.known().has(text) {
            return true;
        }
        self.shared.known.write().unwrap_or_else(PoisonError::into_inner).add(text);
        self.shared.used.store(true, Ordering::Release);
        true
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.shared.used.load(Ordering::Acquire)
    }

    /// Scrubs a text that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> ScrubStream {
        ScrubStream::new(self.clone())
    }

    /// The text without the values.
    #[must_use]
    pub fn scrub_str<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.is_empty() || self.is_empty() {
            return Cow::Borrowed(text);
        }
        scrub(&self.known(), text)
    }

    /// Removes the values from all strings and keys of a JSON value.
    pub fn scrub_value(&self, value: &mut Value) {
        if !self.is_empty() {
            scrub_in(&self.known(), value);
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.shared.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scrub<'a>(known: &Known, text: &'a str) -> Cow<'a, str> {
    let clean = match known.replaced(text) {
        Some(clean) => Cow::Owned(clean),
        None => Cow::Borrowed(text),
    };
    match packed::replaced(&clean, |text| known.is_in(text)) {
        Some(cleaner) => Cow::Owned(cleaner),
        None => clean,
    }
}

fn scrub_in(known: &Known, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = scrub(known, text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| scrub_in(known, v)),
        Value::Object(entries) => {
            if entries.keys().any(|k| known.is_in(k)) {
                for (key, item) in std::mem::take(entries) {
                    let mut key = scrub(known, &key).into_owned();
                    while entries.contains_key(&key) {
                        key.push('*');
                    }
                    entries.insert(key, item);
                }
            }
            entries.values_mut().for_each(|v| scrub_in(known, v));
        }
        Value::Number(number) => {
            // A value of digits may come back as a number.
            if known.is_in(&number.to_string()) {
                *value = Value::String(MASK.to_owned());
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}
