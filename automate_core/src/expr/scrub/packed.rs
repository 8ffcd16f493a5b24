//! Values inside what gzip made, written in base64 (RFC 1952, RFC 4648): a body in a log line, a field
//! of a queue's message.

use std::io::Read as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::GzDecoder;

use super::MASK;
use crate::limits;

/// How base64 of gzip begins, in either alphabet: the magic number and the one method there is.
const BEGINNING: &str = "H4sI";

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The text with a mask for each packed piece in which `is_match` finds something; `None` where there
/// is none. At most [`limits::SCRUBBED_PACKED_BYTES`] of each piece are unpacked, and of all pieces
/// together four times as many.
pub(super) fn replaced(text: &str, is_match: impl Fn(&str) -> bool) -> Option<String> {
    let mut out = String::new();
    let (mut end, mut from) = (0, 0);
    let mut budget = 4 * limits::SCRUBBED_PACKED_BYTES;
    while let Some(at) = text[from..].find(BEGINNING).map(|i| from + i) {
        let length = text[at..].bytes().take_while(|b| is_digit(*b)).count();
        from = at + length;
        let unpacked = unpacked(&text[at..from], budget.min(limits::SCRUBBED_PACKED_BYTES));
        budget -= unpacked.len();
        // What is unpacked may be text, or have text in it.
        if is_match(&String::from_utf8_lossy(&unpacked)) {
            out.push_str(&text[end..at]);
            out.push_str(MASK);
            end = from;
        }
        if budget == 0 {
            break;
        }
    }
    if end == 0 {
        return None;
    }
    out.push_str(&text[end..]);
    Some(out)
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// As much as can be unpacked; a piece that was cut off gives what it has.
fn unpacked(packed: &str, limit: usize) -> Vec<u8> {
    let digits = packed.trim_end_matches('=');
    // A remainder of one digit is no byte; it may belong to the text after it.
    let whole = if digits.len() % 4 == 1 { digits.len() - 1 } else { digits.len() };
    let engine = if digits.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let Ok(bytes) = engine.decode(&digits[..whole]) else { return Vec::new() };
    let mut found = Vec::new();
    // Damage at the end is of no interest: what came before it has been read.
    drop(GzDecoder::new(bytes.as_slice()).take(limit as u64).read_to_end(&mut found));
    found
}
