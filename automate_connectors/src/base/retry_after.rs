//! `Retry-After` (RFC 9110, section 10.2.3): seconds, or one of the three forms of an HTTP date.

use std::time::Duration;

use automate_core::limits::MAX_RETRY_AFTER;
use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderMap;

/// The shortest wait that is honoured: a date in the past or zero must not make a tight loop.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long the response asks to wait, between one second and
/// [`MAX_RETRY_AFTER`]; `None` where it does not say or says
/// something that is not a time.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        http_date(text)?.signed_duration_since(now).to_std().unwrap_or(Duration::ZERO)
    };
    Some(asked.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER))
}

/// An HTTP date: IMF-fixdate, RFC 850 or asctime (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, now: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", text.parse().unwrap());
        retry_after(&headers, now.parse().unwrap()).map(|d| d.as_secs())
    }

    #[test]
    fn o14_seconds_and_dates_are_read_and_clamped() {
        let now = "1994-11-06T08:49:07Z";
        assert_eq!(asked("120", now), Some(120));
        assert_eq!(asked("0", now), Some(1));
        assert_eq!(asked("1000000000", now), Some(3600));
        assert_eq!(asked("99999999999999999999999", now), Some(3600));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(asked(date, now), Some(30), "{date}");
        }
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT", "2020-01-01T00:00:00Z"), Some(1));
        assert_eq!(asked("Fri, 31 Dec 9999 23:59:59 GMT", now), Some(3600));
        for nonsense in ["-5", "soon", "", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(asked(nonsense, now), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now.parse().unwrap()), None);
    }
}
