//! Removing the values of secrets from what comes back: outputs, errors, log lines.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::limits;
use crate::secrets::SecretValue;

/// What a value is replaced by.
pub(super) const MASK: &str = "***";
/// Values shorter than this many characters are not looked for: they would hide ordinary text.
pub(super) const SHORTEST: usize = 8;
/// Lines of a value of several lines, such as a private key, that are looked for by themselves.
const SHORTEST_LINE: usize = 16;

/// What is left as it is in a URL differs; letters and digits always are.
const KEPT_IN_URLS: [&str; 12] = [
    // RFC 3986: unreserved characters alone.
    "-._~",
    // `encodeURIComponent` and `encodeURI`.
    "-._~!'()*",
    "-_.!~*'()/:@$,;=+&",
    "-_.!~*'()/:@$,;=+&?#",
    // HTML forms.
    "-._*",
    // The filter `urlencode`, and Python's `quote`.
    "-._/",
    "-._~/",
    // What the WHATWG URL standard escapes of a value that stands in a query, in a path, in a segment
    // of it, or before the host.
    "!$%&()*+,-./:;=?@[\\]^_`{|}~",
    "!$%&'()*+,-./:;=@[\\]_|~",
    "!$&'()*+,-.:;=@[]_|~",
    "!$%&'()*+,-._~",
    "",
];

/// Replaces every known value of a secret by `***`, in the forms that it may come back in: plain,
/// URL-encoded, base64 (standard and URL alphabet, padded or not, wherever it begins inside a longer
/// text), hexadecimal, reversed, and as escaped in JSON and HTML. Clones share the values.
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
        let forms: BTreeSet<String> = values.iter().flat_map(|v| forms(v.expose_secret())).collect();
        let finder = Arc::new(AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms)?);
        self.groups.truncate(kept);
        self.groups.push(Group { values, finder });
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

/// The texts that show a value.
fn forms(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    add_forms(value, &mut forms);
    for line in value.lines().map(str::trim) {
        if line.len() >= SHORTEST_LINE && line.len() < value.len() && !line.starts_with("-----") {
            add_forms(line, &mut forms);
        }
    }
    forms.retain(|f| f.chars().count() >= SHORTEST);
    forms
}

fn add_forms(value: &str, forms: &mut Vec<String>) {
    let bytes = value.as_bytes();
    forms.push(value.to_owned());
    forms.push(value.chars().rev().collect());
    forms.push(hex::encode(bytes));
    forms.push(hex::encode_upper(bytes));
    forms.push(STANDARD.encode(bytes));
    forms.push(STANDARD_NO_PAD.encode(bytes));
    forms.push(URL_SAFE.encode(bytes));
    forms.push(URL_SAFE_NO_PAD.encode(bytes));
    for shift in 0..3 {
        forms.push(base64_core(&STANDARD_NO_PAD, bytes, shift));
        forms.push(base64_core(&URL_SAFE_NO_PAD, bytes, shift));
    }
    for kept in KEPT_IN_URLS {
        for upper in [true, false] {
            let encoded = percent_encoded(bytes, kept, upper);
            forms.push(encoded.replace("%20", "+"));
            forms.push(encoded);
        }
    }
    forms.push(bytes.iter().map(|b| format!("%{b:02X}")).collect());
    forms.push(bytes.iter().map(|b| format!("%{b:02x}")).collect());
    let json = serde_json::Value::String(value.to_owned()).to_string();
    let json = json.trim_start_matches('"');
    let json = json.strip_suffix('"').unwrap_or(json);
    for escaped in [json.to_owned(), ascii_json(json, false), ascii_json(json, true)] {
        forms.push(escaped.replace('/', "\\/"));
        forms.push(escaped);
    }
    // JSON inside JSON, as in a logged request body.
    forms.push(json.replace('\\', "\\\\").replace('"', "\\\""));
    for (quote, apostrophe) in
        [("&quot;", "&#39;"), ("&#34;", "&#x27;"), ("&quot;", "'"), ("\"", "'"), ("&#34;", "&apos;")]
    {
        let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let html = html.replace('"', quote).replace('\'', apostrophe);
        forms.push(html.replace('/', "&#x2F;"));
        forms.push(html);
    }
}

/// The characters of a base64 text that depend on these bytes alone when `shift` bytes stand before
/// them (RFC 4648: 3 bytes make 4 characters, so there are three ways to begin).
fn base64_core(engine: &impl base64::Engine, bytes: &[u8], shift: usize) -> String {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(bytes);
    let encoded = engine.encode(&padded);
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    encoded.get(from..to).unwrap_or_default().to_owned()
}

fn percent_encoded(bytes: &[u8], kept: &str, upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else if upper {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// JSON with everything beyond ASCII (and, as some libraries do, `<`, `>` and `&`) as `\uXXXX`.
fn ascii_json(json: &str, html_safe: bool) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() && !(html_safe && matches!(c, '<' | '>' | '&' | '\'')) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
