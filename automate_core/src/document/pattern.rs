//! Names that documents are made of, and the patterns that events are matched with.

use crate::limits;

/// Whether a text may be a workflow's slug: `[a-z0-9][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 63 && !text.starts_with('-') && !text.is_empty() && text.bytes().all(inner)
}

/// Whether a text may be a step's id, usable as `steps.ID`: `[A-Za-z_][A-Za-z0-9_]{0,62}`.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let first = text.bytes().next();
    text.len() <= 63
        && first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a text may be the path of a webhook: `[A-Za-z0-9._~/-]{1,200}`, made of segments that
/// are neither empty nor `.` nor `..`.
#[must_use]
pub fn is_webhook_path(text: &str) -> bool {
    text.len() <= limits::TRIGGER_NAME_BYTES
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'/' | b'-'))
        && text.split('/').all(|segment| !matches!(segment, "" | "." | "..") && !segment.contains(".."))
}

/// Whether a text may be the type of an event: segments of `[A-Za-z0-9_-]` with dots between.
#[must_use]
pub fn is_event_type(text: &str) -> bool {
    text.len() <= limits::TRIGGER_NAME_BYTES
        && text
            .split('.')
            .all(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')))
}

/// Whether a text may be the name of a signal: as [`is_event_type`], 63 characters at most.
#[must_use]
pub fn is_signal_name(text: &str) -> bool {
    text.len() <= 63 && is_event_type(text)
}

/// Whether a text may be a pattern of event types: as [`is_event_type`], with `*` for any
/// characters but a dot and `**` for any at all.
#[must_use]
pub fn is_event_pattern(text: &str) -> bool {
    !text.contains("***") && is_event_type(&text.replace('*', "x"))
}

/// Whether an event's type matches a pattern. Takes time in the product of the two lengths.
#[must_use]
pub fn matches(pattern: &str, event_type: &str) -> bool {
    if pattern.len() > limits::TRIGGER_NAME_BYTES || event_type.len() > limits::TRIGGER_NAME_BYTES {
        return false;
    }
    let text = event_type.as_bytes();
    // reached[i]: the pattern so far can match the first i bytes.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'*' {
            for i in (0..text.len()).rev() {
                reached[i + 1] = reached[i] && text[i] == first;
            }
            reached[0] = false;
            rest = tail;
            continue;
        }
        let any = tail.first() == Some(&b'*');
        for i in 0..text.len() {
            reached[i + 1] |= reached[i] && (any || text[i] != b'.');
        }
        rest = if any { &tail[1..] } else { tail };
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_stays_in_its_segment_and_two_do_not() {
        for (pattern, event, expected) in [
            ("order.*", "order.paid", true),
            ("order.*", "order.paid.late", false),
            ("order.*", "orders.paid", false),
            ("order.**", "order.paid.late", true),
            ("**", "a.b.c", true),
            ("*", "a", true),
            ("*", "a.b", false),
            ("*.paid", "order.paid", true),
            ("ord*.p*d", "order.paid", true),
            ("**.failed", "core.workflow.failed", true),
            ("order.paid", "order.paid", true),
            ("order.paid", "order.pai", false),
            ("order.paid", "Order.paid", false),
        ] {
            assert_eq!(matches(pattern, event), expected, "{pattern} on {event}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(100);
        assert!(!matches(&pattern, &"a".repeat(99)));
        assert!(matches(&pattern, &"a".repeat(200)));
    }

    #[test]
    fn names_have_their_alphabets() {
        assert!(is_slug("order-alert") && is_slug("0") && is_slug(&"a".repeat(63)));
        assert!(!is_slug("") && !is_slug("-a") && !is_slug("Order") && !is_slug("a_b") && !is_slug(&"a".repeat(64)));
        assert!(is_identifier("_a1") && !is_identifier("1a") && !is_identifier("a-b") && !is_identifier(""));
        assert!(!is_identifier(&"a".repeat(64)) && !is_identifier("é"));
        assert!(is_webhook_path("orders/v1.2~x") && !is_webhook_path("/orders") && !is_webhook_path("a//b"));
        assert!(!is_webhook_path("a/../b") && !is_webhook_path("") && !is_webhook_path("a%2fb"));
        assert!(is_event_pattern("order.*") && is_event_pattern("**") && !is_event_pattern("a.***"));
        assert!(!is_event_pattern("a..b") && !is_event_pattern("") && !is_event_pattern("a b"));
    }
}
