//! Removing the values of secrets from what comes back: outputs, errors, log lines.

mod forms;
mod packed;
mod stream;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use crate::limits;
use crate::secrets::SecretValue;
use forms::forms;

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
/// One scrubber serves one call; the log writer has one for the whole process.
#[derive(Clone, Default)]
pub struct Scrubber {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether anything is looked for at all, so that an empty scrubber costs one load.
    used: AtomicBool,
    state: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// Values that are not in a group yet.
    new: Vec<SecretValue>,
    /// Each about twice as large as the one after it, so that adding a value builds little again.
    groups: Vec<Group>,
}

struct Group {
    values: Vec<SecretValue>,
    finder: Arc<AhoCorasick>,
    /// Made where a text in pieces is scrubbed.
    sorted: OnceLock<Arc<[String]>>,
}

impl Group {
    fn sorted_forms(&self) -> Arc<[String]> {
        Arc::clone(self.sorted.get_or_init(|| all_forms(&self.values).into_iter().collect()))
    }
}

fn all_forms(values: &[SecretValue]) -> BTreeSet<String> {
    values.iter().flat_map(|v| forms(v.expose_secret())).collect()
}

impl Known {
    fn has(&self, value: &SecretValue) -> bool {
        let mut all = self.groups.iter().flat_map(|g| &g.values).chain(&self.new);
        all.any(|v| v.expose_secret() == value.expose_secret())
    }

    fn len(&self) -> usize {
        self.groups.iter().map(|g| g.values.len()).sum::<usize>() + self.new.len()
    }

    /// Forgets the oldest quarter.
    fn forget(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        let mut values: Vec<SecretValue> = groups.into_iter().flat_map(|g| g.values).collect();
        values.append(&mut self.new);
        values.drain(..values.len() / 4);
        self.new = values;
    }

    /// Makes a group of the new values and of the smaller groups before them.
    fn build(&mut self) -> Result<(), aho_corasick::BuildError> {
        if self.new.is_empty() {
            return Ok(());
        }
        let mut size = self.new.len();
        let mut kept = self.groups.len();
        while let Some(group) = kept.checked_sub(1).map(|i| &self.groups[i])
            && group.values.len() <= size
        {
            size += group.values.len();
            kept -= 1;
        }
        let mut values: Vec<SecretValue> = self.groups[kept..].iter().flat_map(|g| g.values.iter().cloned()).collect();
        values.extend(self.new.iter().cloned());
        let forms = all_forms(&values);
        let finder = Arc::new(AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms)?);
        self.groups.truncate(kept);
        self.groups.push(Group { values, finder, sorted: OnceLock::new() });
        self.new.clear();
        Ok(())
    }

    fn finders(&self) -> Vec<Arc<AhoCorasick>> {
        self.groups.iter().map(|g| Arc::clone(&g.finder)).collect()
    }
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
        if value.expose_secret().chars().count() < SHORTEST {
            return false;
        }
        if self.shared.state.read().unwrap_or_else(PoisonError::into_inner).has(value) {
            return true;
        }
        let mut known = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if !known.has(value) {
            if known.len() >= limits::SCRUBBED_SECRETS {
                known.forget();
            }
            known.new.push(value.clone());
        }
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
        let Some(finders) = self.finders() else { return Cow::Borrowed(MASK) };
        scrub(&finders, text)
    }

    /// Removes the values from all strings and keys of a JSON value.
    pub fn scrub_value(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match self.finders() {
            Some(finders) => scrub_in(&finders, value),
            None => *value = Value::String(MASK.to_owned()),
        }
    }

    /// The forms of each group, sorted.
    fn sorted_forms(&self) -> Vec<Arc<[String]>> {
        let known = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        known.groups.iter().map(Group::sorted_forms).collect()
    }

    /// `None` only where the forms are too many to look for, in which case nothing is let through.
    fn finders(&self) -> Option<Vec<Arc<AhoCorasick>>> {
        {
            let known = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
            if known.new.is_empty() {
                return Some(known.finders());
            }
        }
        let mut known = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        known.build().ok()?;
        Some(known.finders())
    }
}

fn scrub<'a>(finders: &[Arc<AhoCorasick>], text: &'a str) -> Cow<'a, str> {
    let mut clean = Cow::Borrowed(text);
    for finder in finders {
        if let Some(cleaner) = replaced(finder, &clean) {
            clean = Cow::Owned(cleaner);
        }
    }
    if let Some(cleaner) = packed::replaced(&clean, |text| finders.iter().any(|f| f.is_match(text))) {
        clean = Cow::Owned(cleaner);
    }
    clean
}

fn replaced(finder: &AhoCorasick, text: &str) -> Option<String> {
    let mut out = String::new();
    let mut end = 0;
    for found in finder.find_iter(text) {
        out.push_str(&text[end..found.start()]);
        out.push_str(MASK);
        end = found.end();
    }
    if end == 0 {
        return None;
    }
    out.push_str(&text[end..]);
    Some(out)
}

fn scrub_in(finders: &[Arc<AhoCorasick>], value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = scrub(finders, text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| scrub_in(finders, v)),
        Value::Object(entries) => {
            if entries.keys().any(|k| finders.iter().any(|f| f.is_match(k.as_str()))) {
                for (key, item) in std::mem::take(entries) {
                    let mut key = scrub(finders, &key).into_owned();
                    while entries.contains_key(&key) {
                        key.push('*');
                    }
                    entries.insert(key, item);
                }
            }
            entries.values_mut().for_each(|v| scrub_in(finders, v));
        }
        Value::Number(number) => {
            // A value of digits may come back as a number.
            if finders.iter().any(|f| f.is_match(&number.to_string())) {
                *value = Value::String(MASK.to_owned());
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}
