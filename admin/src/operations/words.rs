//! Durations, numbers and places as pages say them.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use automate_core::engine::Effects;
use automate_core::limits;
use automate_core::store::DRAFT;

/// `320 ms`, `4.2 s`, `1m 04s`, `2h 05m`, `3d 04h`.
pub(crate) fn duration(span: TimeDelta) -> String {
    let ms = span.num_milliseconds().max(0);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m {:02}s", ms / 60_000, ms / 1_000 % 60),
        3_600_000..86_400_000 => format!("{}h {:02}m", ms / 3_600_000, ms / 60_000 % 60),
        _ => format!("{}d {:02}h", ms / 86_400_000, ms / 3_600_000 % 24),
    }
}

/// How long something took, or takes so far.
pub(crate) fn took(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> String {
    from.zip(to).map_or_else(|| "–".to_owned(), |(from, to)| duration(to - from))
}

/// A number that was counted up to a bound: `1 234`, `10k+`.
pub(crate) fn capped(n: u64) -> String {
    if n > limits::COUNTED_SHOWN { format!("{}k+", limits::COUNTED_SHOWN / 1_000) } else { grouped(n) }
}

/// `1 234 567`, with narrow spaces that do not break.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 step`, `2 steps`, `3 entries`.
pub(crate) fn many(n: impl std::fmt::Display, noun: &str) -> String {
    let n = n.to_string();
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if n == "1" => format!("{n} {noun}"),
        Some(stem) => format!("{n} {stem}ies"),
        None => format!("{n} {noun}s"),
    }
}

/// The same as the subject of a sentence: `1 step is`, `2 steps are`.
pub(crate) fn are(n: impl std::fmt::Display, noun: &str) -> String {
    let subject = many(n, noun);
    if subject.starts_with("1 ") { format!("{subject} is") } else { format!("{subject} are") }
}

/// The first characters of a text.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most).chain(['…']).collect() }
}

/// What an execution runs: `version 3`, or `draft`.
pub(crate) fn version(number: i32) -> String {
    if number == DRAFT { "draft".to_owned() } else { format!("version {number}") }
}

/// What made an execution start, as it is stored, in words: `webhook orders`, `test`, `replay`.
pub(crate) fn started_by(trigger: &str) -> String {
    let trigger: serde_json::Value = serde_json::from_str(trigger).unwrap_or_default();
    let text = |name: &str| trigger.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    match text("kind") {
        "manual" => match text("source") {
            "" => "by hand".to_owned(),
            source => format!("by hand, {source}"),
        },
        kind => format!("{kind} {}", text("key")).trim_end().to_owned(),
    }
}

/// Whether an execution is a test, also one that repeats a test: its steps change nothing outside.
pub(crate) fn is_test(trigger: &str, version: i32) -> bool {
    Effects::of_execution(trigger, version).is_test()
}

/// Where an execution's page is.
pub(crate) fn execution(id: impl std::fmt::Display) -> String {
    format!("/admin/executions/{id}/")
}

/// Where an execution's page is, where there is one.
pub(crate) fn maybe_execution(id: Option<Uuid>) -> Option<(String, String)> {
    id.map(|id| (id.to_string(), execution(id)))
}

/// Where a workflow's page is. A workflow may be called like a model, whose pages have the same place.
pub(crate) fn workflow(slug: &str) -> String {
    super::workflows::url_of(slug)
}

/// Where a search for executions is.
pub(crate) fn search(q: &str) -> String {
    format!("/admin/executions/{}", crate::http::Fields::of(vec![("q".to_owned(), q.to_owned())]).to_query())
}

/// A slug or a code as a term's value.
pub(crate) fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_numbers_read_well() {
        let of = |ms| duration(TimeDelta::milliseconds(ms));
        assert_eq!([of(-5), of(999), of(4_200)], ["0 ms", "999 ms", "4.2 s"]);
        assert_eq!([of(64_000), of(7_500_000), of(273_600_000)], ["1m 04s", "2h 05m", "3d 04h"]);
        assert_eq!([capped(10_001), capped(0)], ["10k+", "0"]);
        assert_eq!([many(1, "step"), many(0, "step"), many("10k+", "entry")], ["1 step", "0 steps", "10k+ entries"]);
        assert_eq!([many(1, "day"), many(30, "day")], ["1 day", "30 days"]);
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(workflow("trigger"), "/admin/workflows/=trigger/");
    }

    #[test]
    fn what_started_an_execution_is_said_in_words() {
        assert_eq!(started_by(r#"{"kind":"webhook","key":"orders"}"#), "webhook orders");
        assert_eq!(started_by(r#"{"kind":"manual","source":"api"}"#), "by hand, api");
        assert_eq!(started_by("nonsense"), "");
        assert!(is_test(r#"{"kind":"test","effects":"off"}"#, 1));
        assert!(is_test(r#"{"kind":"replay","effects":"off"}"#, 1), "what repeats a test is one");
        assert!(is_test(r#"{"kind":"replay"}"#, DRAFT));
        assert!(!is_test(r#"{"kind":"manual"}"#, 1));
    }
}
