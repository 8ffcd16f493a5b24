//! Which failures are the same one: the code and the message without what differs from one time to
//! the next, so that a thousand dead letters can be looked at as three groups.

use sha2::{Digest, Sha256};

/// Bytes of a message that are looked at; what is alike so far is taken for the same.
const MESSAGE_BYTES: usize = 1_000;
/// Hexadecimal digits of a fingerprint's id.
const ID_CHARS: usize = 16;
/// Characters from which a word of letters and digits is taken for an id.
const TOKEN_CHARS: usize = 16;
/// Hexadecimal digits from which a word is taken for a hash.
const HASH_CHARS: usize = 8;
/// Bytes of a UUID as text.
const UUID_BYTES: usize = 36;

/// What failures of one kind have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// Names it in addresses: 16 hexadecimal digits, the same in every process and version of the
    /// message's ids.
    pub id: String,
    /// The code of the failure; empty where there is none.
    pub code: String,
    /// The message with `<id>`, `<hash>` and `<n>` in place of what differs.
    pub template: String,
}

impl Fingerprint {
    /// The fingerprint of a failure.
    #[must_use]
    pub fn of(code: &str, message: &str) -> Self {
        let template = template(message);
        let mut hash = Sha256::new();
        hash.update(code.as_bytes());
        hash.update([0]);
        hash.update(template.as_bytes());
        let mut id = hex::encode(hash.finalize());
        id.truncate(ID_CHARS);
        Self { id, code: code.to_owned(), template }
    }

    /// Whether a text can be the id of a fingerprint.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        text.len() == ID_CHARS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

/// A message without what differs from one time to the next: ids, hashes and numbers. The number
/// behind `HTTP` or `status` stays: a 404 is not a 503.
#[must_use]
pub fn template(message: &str) -> String {
    let end = (0..=MESSAGE_BYTES.min(message.len())).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    let mut rest = &message[..end];
    let mut made = String::with_capacity(rest.len());
    let mut before = "";
    while let Some(first) = rest.chars().next() {
        if starts_with_uuid(rest) {
            made.push_str("<id>");
            rest = &rest[UUID_BYTES..];
            before = "";
            continue;
        }
        if !first.is_ascii_alphanumeric() {
            made.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (word, behind) = rest.split_at(length);
        push_word(&mut made, word, before);
        (before, rest) = (word, behind);
    }
    made
}

fn starts_with_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    bytes.len() >= UUID_BYTES
        && bytes.iter().take(UUID_BYTES).enumerate().all(fits)
        && !bytes.get(UUID_BYTES).is_some_and(u8::is_ascii_alphanumeric)
}

fn push_word(made: &mut String, word: &str, before: &str) {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        made.push_str(word);
    } else if digits == word.len() {
        let is_status = word.len() == 3 && ["http", "status"].iter().any(|w| before.eq_ignore_ascii_case(w));
        made.push_str(if is_status { word } else { "<n>" });
    } else if word.len() >= HASH_CHARS && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        made.push_str("<hash>");
    } else if word.len() >= TOKEN_CHARS {
        made.push_str("<id>");
    } else {
        // `order17`, `30s`: the letters stay.
        let mut in_number = false;
        for character in word.chars() {
            match (character.is_ascii_digit(), in_number) {
                (true, true) => {}
                (true, false) => made.push_str("<n>"),
                (false, _) => made.push(character),
            }
            in_number = character.is_ascii_digit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_time_to_time_is_left_out() {
        let same = [
            (
                "order 17 of 0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b was not found",
                "order 4711 of 0190A5B2-7C3D-7E4F-8A9B-0C1D2E3F4A5C was not found",
            ),
            ("took 30s at 10.0.0.1:5432", "took 5s at 10.0.12.7:5433"),
            ("commit 3f8a9b0c1d is gone", "commit 00f8a9b0c2e is gone"),
            ("charge ch_1MqLiJ2eZvKYlo2C refused", "charge ch_9XqLiJ2eZvKYlo2D refused"),
            ("at 2026-11-21T18:05:10Z", "at 2026-11-22T08:15:00Z"),
        ];
        for (one, other) in same {
            assert_eq!(template(one), template(other));
            assert_eq!(Fingerprint::of("X", one), Fingerprint::of("X", other));
        }
        assert_eq!(template(same[0].0), "order <n> of <id> was not found");
        assert_eq!(template("took 30s"), "took <n>s");
    }

    #[test]
    fn what_means_something_stays() {
        let differ = |one: &str, other: &str| assert_ne!(template(one), template(other), "{one}");
        differ("HTTP 404", "HTTP 503");
        differ("answered with status 429", "answered with status 500");
        differ("no such host `a`", "no such host `b`");
        assert_ne!(Fingerprint::of("A", "x").id, Fingerprint::of("B", "x").id);
        // The border between code and message cannot be moved.
        assert_ne!(Fingerprint::of("AB", "C").id, Fingerprint::of("A", "BC").id);
        assert_eq!(template("deadbeef and facade are words"), "deadbeef and facade are words");
    }

    #[test]
    fn every_text_has_a_fingerprint() {
        for text in ["", "é", "ä1ö2", "12345678-", &"é".repeat(2_000), &"1".repeat(5_000), "\0\n"] {
            let made = Fingerprint::of("", text);
            assert!(Fingerprint::is_id(&made.id), "{text}");
        }
        assert!(template(&"é1 ".repeat(2_000)).len() < 3 * MESSAGE_BYTES);
        for bad in ["", "requeue", "0123456789ABCDEF", "0123456789abcdef0"] {
            assert!(!Fingerprint::is_id(bad), "{bad}");
        }
    }
}
