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
pub const MASK: &str = "***";
/// Values shorter than this many characters are not looked for: they would hide ordinary text.
pub const SHORTEST: usize = 8;
/// Lines of a value of several lines, such as a private key, that are looked for by themselves.
const SHORTEST_LINE: usize = 16;

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
    values: Vec<SecretValue>,
    /// Built when it is first needed after a change.
    finder: Option<Arc<AhoCorasick>>,
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
        let is = |v: &SecretValue| v.expose_secret() == value.expose_secret();
        if self.shared.state.read().unwrap_or_else(PoisonError::into_inner).values.iter().any(is) {
            return true;
        }
        let mut known = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if !known.values.iter().any(is) {
            if known.values.len() >= limits::SCRUBBED_SECRETS {
                known.values.remove(0);
            }
            known.values.push(value.clone());
            known.finder = None;
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
        let Some(finder) = self.finder() else { return Cow::Borrowed(MASK) };
        scrub(&finder, text)
    }

    /// Removes the values from all strings and keys of a JSON value.
    pub fn scrub_value(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match self.finder() {
            Some(finder) => scrub_in(&finder, value),
            None => *value = Value::String(MASK.to_owned()),
        }
    }

    /// `None` only where the forms are too many to look for, in which case nothing is let through.
    fn finder(&self) -> Option<Arc<AhoCorasick>> {
        if let Some(finder) = &self.shared.state.read().unwrap_or_else(PoisonError::into_inner).finder {
            return Some(Arc::clone(finder));
        }
        let mut known = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if known.finder.is_none() {
            let forms: BTreeSet<String> = known.values.iter().flat_map(|v| forms(v.expose_secret())).collect();
            let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms);
            known.finder = built.ok().map(Arc::new);
        }
        known.finder.clone()
    }
}

fn scrub<'a>(finder: &AhoCorasick, text: &'a str) -> Cow<'a, str> {
    let mut out = String::new();
    let mut end = 0;
    for found in finder.find_iter(text) {
        out.push_str(&text[end..found.start()]);
        out.push_str(MASK);
        end = found.end();
    }
    if end == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[end..]);
    Cow::Owned(out)
}

fn scrub_in(finder: &AhoCorasick, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = scrub(finder, text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| scrub_in(finder, v)),
        Value::Object(entries) => {
            if entries.keys().any(|k| finder.is_match(k.as_str())) {
                for (key, item) in std::mem::take(entries) {
                    let mut key = scrub(finder, &key).into_owned();
                    while entries.contains_key(&key) {
                        key.push('*');
                    }
                    entries.insert(key, item);
                }
            }
            entries.values_mut().for_each(|v| scrub_in(finder, v));
        }
        Value::Number(number) => {
            // A value of digits may come back as a number.
            if finder.is_match(&number.to_string()) {
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
    // What `encodeURIComponent`, HTML forms and strict encoders leave as it is differs.
    for kept in ["-._~", "-._~!'()*", "-._*", "-_.!~*'()/:@$,;=+&", ""] {
        for upper in [true, false] {
            let encoded = percent_encoded(bytes, kept, upper);
            forms.push(encoded.replace("%20", "+"));
            forms.push(encoded);
        }
    }
    let json = serde_json::Value::String(value.to_owned()).to_string();
    let json = json.trim_start_matches('"');
    let json = json.strip_suffix('"').unwrap_or(json);
    forms.push(json.to_owned());
    forms.push(json.replace('/', "\\/"));
    forms.push(ascii_json(json, false));
    forms.push(ascii_json(json, true));
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
