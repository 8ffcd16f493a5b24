//! The gate that every JSON text from outside passes before a value is built of it.
//!
//! One pass over the bytes, without recursion. It takes what RFC 8259 calls JSON and refuses,
//! beyond that, what readers disagree about or what the system could not keep as it came:
//! duplicate keys, `\u0000`, lone surrogates, numbers that would be rounded, and more nesting or
//! keys than [`limits`] allow. What passes is parsed by `serde_json` to the same value on every
//! node and stored byte for byte.

use std::borrow::Cow;

use crate::limits;
use serde_json::Value;

/// Why a text was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct GateError {
    /// What is wrong.
    pub kind: GateErrorKind,
    /// The offset in the text, from 0.
    pub offset: usize,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GateErrorKind {
    /// Not UTF-8.
    #[error("the body is not valid UTF-8")]
    Utf8,
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    Syntax(&'static str),
    /// Nested deeper than [`limits::JSON_DEPTH`].
    #[error("the JSON is nested deeper than {} levels", limits::JSON_DEPTH)]
    TooDeep,
    /// More keys than [`limits::JSON_KEYS`] over all objects.
    #[error("the JSON has more than {} keys", limits::JSON_KEYS)]
    TooManyKeys,
    /// An object has a key twice.
    #[error("an object has a duplicate key")]
    DuplicateKey,
    /// A string holds the character NUL, which databases cannot keep.
    #[error("a string holds the character NUL")]
    Nul,
    /// A `\u` escape is half of a surrogate pair.
    #[error("a string holds a lone surrogate")]
    LoneSurrogate,
    /// A number is outside 64-bit integers, or no double has its decimal value.
    #[error("a number cannot be kept exactly; send it as a string")]
    NumberNotExact,
}

impl GateErrorKind {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Utf8 => "INVALID_UTF8",
            Self::Syntax(_) => "INVALID_JSON",
            Self::TooDeep => "JSON_TOO_DEEP",
            Self::TooManyKeys => "JSON_TOO_MANY_KEYS",
            Self::DuplicateKey => "JSON_DUPLICATE_KEY",
            Self::Nul => "JSON_NUL",
            Self::LoneSurrogate => "JSON_LONE_SURROGATE",
            Self::NumberNotExact => "JSON_NUMBER_NOT_EXACT",
        }
    }
}

/// Checks a text and parses it; answers with the text as a string too.
pub fn parse(body: &[u8]) -> Result<(&str, Value), GateError> {
    let text = check(body)?;
    let value = serde_json::from_str(text).map_err(|_| GateError {
        // The gate is at least as strict as the parser; should they ever differ, the parser wins.
        kind: GateErrorKind::Syntax("it cannot be parsed"),
        offset: 0,
    })?;
    Ok((text, value))
}

/// Checks a text without building a value.
pub fn check(body: &[u8]) -> Result<&str, GateError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| GateError { kind: GateErrorKind::Utf8, offset: error.valid_up_to() })?;
    let mut gate = Gate { bytes: body, at: 0, frames: Vec::new(), keys: Vec::new(), key_count: 0 };
    match gate.run() {
        Ok(()) => Ok(text),
        Err(kind) => Err(GateError { kind, offset: gate.at }),
    }
}

/// An open array or object.
enum Frame {
    Array,
    /// `first_key` is where the object's keys begin in [`Gate::keys`].
    Object {
        first_key: usize,
    },
}

struct Gate<'a> {
    bytes: &'a [u8],
    at: usize,
    frames: Vec<Frame>,
    /// The keys of all open objects, unescaped; a closed object's keys are cut off.
    keys: Vec<Cow<'a, [u8]>>,
    key_count: usize,
}

use GateErrorKind::{DuplicateKey, LoneSurrogate, Nul, NumberNotExact, Syntax, TooDeep, TooManyKeys};

impl<'a> Gate<'a> {
    fn run(&mut self) -> Result<(), GateErrorKind> {
        if self.bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(Syntax("it begins with a byte order mark"));
        }
        loop {
            if self.open_or_scalar()? {
                continue;
            }
            loop {
                self.skip_space();
                match self.frames.last() {
                    None if self.at == self.bytes.len() => return Ok(()),
                    None => return Err(Syntax("something follows the value")),
                    Some(Frame::Array) => match self.peek() {
                        Some(b',') => {
                            self.at += 1;
                            break;
                        }
                        Some(b']') => self.close()?,
                        Some(_) => return Err(Syntax("expected `,` or `]`")),
                        None => return Err(Syntax("it ends early")),
                    },
                    Some(Frame::Object { .. }) => match self.peek() {
                        Some(b',') => {
                            self.at += 1;
                            self.key()?;
                            break;
                        }
                        Some(b'}') => self.close()?,
                        Some(_) => return Err(Syntax("expected `,` or `}`")),
                        None => return Err(Syntax("it ends early")),
                    },
                }
            }
        }
    }

    /// Reads what begins a value. `true` where a value must follow: an array or object was opened
    /// that is not empty.
    fn open_or_scalar(&mut self) -> Result<bool, GateErrorKind> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => {
                self.open(Frame::Object { first_key: self.keys.len() })?;
                if self.peek() == Some(b'}') {
                    self.close()?;
                    return Ok(false);
                }
                self.key()?;
                Ok(true)
            }
            Some(b'[') => {
                self.open(Frame::Array)?;
                if self.peek() == Some(b']') {
                    self.close()?;
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.literal(b"true").map(|()| false),
            Some(b'f') => self.literal(b"false").map(|()| false),
            Some(b'n') => self.literal(b"null").map(|()| false),
            Some(_) => Err(Syntax("expected a value")),
            None if self.frames.is_empty() => Err(Syntax("it is empty")),
            None => Err(Syntax("it ends early")),
        }
    }

    fn open(&mut self, frame: Frame) -> Result<(), GateErrorKind> {
        if self.frames.len() == limits::JSON_DEPTH {
            return Err(TooDeep);
        }
        self.frames.push(frame);
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn close(&mut self) -> Result<(), GateErrorKind> {
        self.at += 1;
        if let Some(Frame::Object { first_key }) = self.frames.pop() {
            let keys = &mut self.keys[first_key..];
            if has_duplicate(keys) {
                return Err(DuplicateKey);
            }
            self.keys.truncate(first_key);
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), GateErrorKind> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(Syntax("expected a key"));
        }
        self.key_count += 1;
        if self.key_count > limits::JSON_KEYS {
            return Err(TooManyKeys);
        }
        let start = self.at;
        let escaped = self.string()?;
        let bytes = self.bytes;
        let key = if escaped {
            let unescaped: String =
                serde_json::from_slice(&bytes[start..self.at]).map_err(|_| Syntax("a key cannot be parsed"))?;
            Cow::Owned(unescaped.into_bytes())
        } else {
            Cow::Borrowed(&bytes[start + 1..self.at - 1])
        };
        self.keys.push(key);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Syntax("expected `:`"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string with its quotes; `true` where it has escapes.
    fn string(&mut self) -> Result<bool, GateErrorKind> {
        self.at += 1;
        let mut escaped = false;
        loop {
            while self.bytes.get(self.at).is_some_and(|byte| PLAIN[usize::from(*byte)]) {
                self.at += 1;
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0) => return Err(Nul),
                Some(_) => return Err(Syntax("a control character in a string must be escaped")),
                None => return Err(Syntax("a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), GateErrorKind> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let unit = self.hex4(self.at + 2)?;
                match unit {
                    0 => Err(Nul),
                    0xD800..=0xDBFF => {
                        if self.bytes.get(self.at + 6..self.at + 8) != Some(b"\\u") {
                            return Err(LoneSurrogate);
                        }
                        if !(0xDC00..=0xDFFF).contains(&self.hex4(self.at + 8)?) {
                            return Err(LoneSurrogate);
                        }
                        self.at += 12;
                        Ok(())
                    }
                    0xDC00..=0xDFFF => Err(LoneSurrogate),
                    _ => {
                        self.at += 6;
                        Ok(())
                    }
                }
            }
            Some(_) => Err(Syntax("a string has an unknown escape")),
            None => Err(Syntax("a string does not end")),
        }
    }

    fn hex4(&self, from: usize) -> Result<u32, GateErrorKind> {
        let digits = self.bytes.get(from..from + 4).ok_or(Syntax("a string does not end"))?;
        let mut unit = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or(Syntax("a `\\u` escape needs four hex digits"))?;
            unit = unit * 16 + value;
        }
        Ok(unit)
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), GateErrorKind> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Syntax("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), GateErrorKind> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(Syntax("a number needs a digit")),
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let bytes = self.bytes;
        let text = &bytes[start..self.at];
        let exact = if whole { integer_is_exact(text) } else { decimal_is_exact(text) };
        if exact {
            return Ok(());
        }
        self.at = start;
        Err(NumberNotExact)
    }

    fn some_digits(&mut self) -> Result<(), GateErrorKind> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(Syntax("a number needs a digit")) } else { Ok(()) }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// The bytes that a string may hold as they are, apart from those that end or escape.
static PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

/// Small objects are compared pairwise, large ones sorted: never quadratic in what a sender chooses.
fn has_duplicate(keys: &mut [Cow<'_, [u8]>]) -> bool {
    if keys.len() <= 16 {
        return keys.iter().enumerate().any(|(n, key)| keys[..n].contains(key));
    }
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// Integers are kept as `u64` or `i64`; larger ones would become doubles.
fn integer_is_exact(text: &[u8]) -> bool {
    if text.len() <= 18 {
        return true;
    }
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if text.starts_with('-') { text.parse::<i64>().is_ok() } else { text.parse::<u64>().is_ok() }
}

/// Whether the double nearest to a decimal prints as the same decimal, so that nothing is lost on
/// the way through. True of every decimal of at most 15 significant digits within the range of
/// doubles (IEEE 754, `DBL_DIG`), and of what other systems print as their shortest form.
fn decimal_is_exact(text: &[u8]) -> bool {
    let (digits, exponent) = scientific(text);
    if digits.is_empty() {
        return true;
    }
    if digits.len() <= 15 && (-290..=290).contains(&exponent) {
        return true;
    }
    if digits.len() > 17 || !(-330..=310).contains(&exponent) {
        return false;
    }
    let Some(value) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) else { return false };
    value.is_finite() && value != 0.0 && scientific(format!("{value:e}").as_bytes()) == (digits, exponent)
}

/// The significant digits of a number, without zeros at either end, and the power of ten of the
/// first of them. Empty for zero.
fn scientific(text: &[u8]) -> (Vec<u8>, i64) {
    let mut digits = Vec::with_capacity(text.len().min(32));
    let mut exponent: i64 = -1;
    let mut after_point = false;
    let mut rest = text.iter();
    for byte in rest.by_ref() {
        match byte {
            b'.' => after_point = true,
            b'e' | b'E' => break,
            b'0'..=b'9' => {
                let leading_zero = digits.is_empty() && *byte == b'0';
                if !leading_zero {
                    digits.push(*byte);
                }
                match (after_point, leading_zero) {
                    (false, false) => exponent += 1,
                    (true, true) => exponent -= 1,
                    (false, true) | (true, false) => {}
                }
            }
            _ => {}
        }
    }
    let mut power: i64 = 0;
    let mut negative = false;
    for byte in rest {
        match byte {
            b'-' => negative = true,
            b'0'..=b'9' => power = power.saturating_mul(10).saturating_add(i64::from(byte - b'0')).min(1 << 40),
            _ => {}
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let exponent = if negative { exponent - power } else { exponent + power };
    // Zero has no first digit, however it is written.
    let exponent = if digits.is_empty() { 0 } else { exponent };
    (digits, exponent)
}

#[cfg(test)]
mod tests;
