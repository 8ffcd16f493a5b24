//! Whether the time of a refusal tells how much of a signature was right.

use std::time::Instant;

use automate_connectors::verify::{DEFAULT_TOLERANCE, Signed, sign, verify};
use automate_core::document::definition::VerifyScheme;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::site::SECRET;

const BODY: &[u8] = br#"{"id": "evt_1", "amount": 100}"#;

/// Calls of each kind in one look.
const SAMPLES: usize = 10_000;
/// The part of them that is kept, the fastest: what else the machine did is in the others.
const KEPT: usize = SAMPLES * 3 / 4;
/// Looks; one that finds nothing is enough, because a difference that is there is there each time.
const LOOKS: u32 = 8;

/// The fastest of the times that a call took, in nanoseconds.
struct Times(Vec<f64>);

impl Times {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        all.truncate(KEPT);
        Self(all)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The square of the mean's standard error.
    #[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
    fn error(&self) -> f64 {
        let (mean, count) = (self.mean(), self.0.len() as f64);
        self.0.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn headers(pairs: &[(String, String)]) -> HeaderMap {
    pairs.iter().map(|(k, v)| (k.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v).unwrap())).collect()
}

/// The signature with one character changed, so that it is still one of its form.
fn wrong_at(pairs: &[(String, String)], from_the_end: bool) -> Vec<(String, String)> {
    let mut pairs = pairs.to_vec();
    let (_, value) = pairs.iter_mut().find(|(name, _)| name.contains("signature")).unwrap();
    let start = value.find(['=', ',']).unwrap() + 1;
    // Not the very last one of base64, which is padding or holds bits that do not count.
    let at = if from_the_end { value.len() - 4 } else { start };
    let other = if value.as_bytes()[at] == b'1' { "2" } else { "1" };
    value.replace_range(at..=at, other);
    pairs
}

/// Welch's t (B. L. Welch, Biometrika 34, 1947) of a signature that is wrong in its first byte against
/// one that is wrong in one of its last.
///
/// The bound of 4.5 is that of leakage assessments (TVLA). Where machines are busy, code is not
/// optimised and nothing but the whole call can be timed, a difference of less than a hundredth of the
/// call is let pass as well; a comparison that stopped at the first difference would save less than
/// that. What this test is for is coarser: a refusal that comes before the hash is made, or that
/// takes another way.
#[test]
fn w18_the_time_of_a_refusal_does_not_tell_how_much_was_right() {
    for scheme in [VerifyScheme::Github, VerifyScheme::Standard] {
        let good = sign(scheme, SECRET, None, "msg_1", now(), BODY).unwrap();
        let kinds = [headers(&wrong_at(&good, false)), headers(&wrong_at(&good, true))];
        for headers in &kinds {
            let refused = verify(scheme, &Signed { headers, body: BODY }, &[SECRET], None, DEFAULT_TOLERANCE, now());
            assert!(refused.is_err());
        }
        let mut told = Vec::new();
        let same = (0..LOOKS).any(|_| {
            let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
            for n in 0..SAMPLES * 2 {
                // In turns, and the turns swapped, so that neither kind is always the second.
                let kind = (n + n / 2) % 2;
                let request = Signed { headers: &kinds[kind], body: BODY };
                let begun = Instant::now();
                let _ = std::hint::black_box(verify(scheme, &request, &[SECRET], None, DEFAULT_TOLERANCE, now()));
                times[kind].push(begun.elapsed().as_secs_f64() * 1e9);
            }
            let [first, last] = times.map(Times::of);
            let difference = (first.mean() - last.mean()).abs();
            let t = difference / (first.error() + last.error()).sqrt();
            told.push(format!("t = {t:.2}, {difference:.1} ns of {:.0} ns", first.mean()));
            t < 4.5 || difference < first.mean() / 100.0
        });
        assert!(same, "{scheme:?}: {told:#?}");
    }
}
