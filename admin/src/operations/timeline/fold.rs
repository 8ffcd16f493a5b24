//! Where times are on the chart: in proportion, but for stretches in which nothing ran.

use chrono::{DateTime, TimeDelta, Utc};

/// Width of everything.
pub(in super::super) const WIDTH: i64 = 1_000;
/// Where bars begin; labels stand before.
pub(in super::super) const LEFT: i64 = 230;
/// Width of a stretch that is folded.
const FOLD: i64 = 26;
/// Stretches shorter than this are never folded.
const LEAST: TimeDelta = TimeDelta::seconds(1);
/// Folds at most; the longest stretches are folded.
const FOLDS: usize = 8;

/// A stretch of time and its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Stretch {
    pub(in super::super) from: DateTime<Utc>,
    pub(in super::super) to: DateTime<Utc>,
    pub(in super::super) x: i64,
    pub(in super::super) width: i64,
    /// Nothing ran, and it is drawn narrow.
    pub(in super::super) folded: bool,
}

/// Where times are.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Scale {
    pub(in super::super) stretches: Vec<Stretch>,
}

impl Scale {
    /// A scale from a beginning to an end, of which the busy parts are told.
    pub(super) fn of(begin: DateTime<Utc>, end: DateTime<Utc>, mut busy: Vec<(DateTime<Utc>, DateTime<Utc>)>) -> Self {
        busy.sort_unstable();
        let mut gaps: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
        let mut until = begin;
        for (from, to) in busy.into_iter().chain([(end, end)]) {
            if from > until {
                gaps.push((until, from));
            }
            until = until.max(to);
        }
        let end = end.max(until);
        let idle: TimeDelta = gaps.iter().map(|(from, to)| *to - *from).sum();
        let worked = (end - begin) - idle;
        // A gap is folded where it is longer than a quarter of all that ran: drawn in proportion it
        // would take more room than it tells.
        gaps.retain(|(from, to)| *to - *from > LEAST && (*to - *from) * 4 > worked);
        gaps.sort_by_key(|(from, to)| std::cmp::Reverse(*to - *from));
        gaps.truncate(FOLDS);
        gaps.sort_unstable();
        let mut parts = Vec::new();
        let mut at = begin;
        for (from, to) in gaps {
            parts.push((at, from, false));
            parts.push((from, to, true));
            at = to;
        }
        parts.push((at, end, false));
        let plain: i64 = parts.iter().filter(|part| !part.2).map(|part| millis(part.1 - part.0)).sum::<i64>().max(1);
        let folds = i64::try_from(parts.iter().filter(|part| part.2).count()).unwrap_or(0);
        let room = WIDTH - LEFT - folds * FOLD - 10;
        let mut x = LEFT;
        let stretches = parts.into_iter().map(|(from, to, folded)| {
            let width = if folded { FOLD } else { share(room, millis(to - from), plain) };
            let stretch = Stretch { from, to, x, width, folded };
            x += width;
            stretch
        });
        Self { stretches: stretches.collect() }
    }

    /// Where a time is.
    pub(super) fn x(&self, at: DateTime<Utc>) -> i64 {
        let Some(stretch) = self.stretches.iter().find(|stretch| at <= stretch.to).or(self.stretches.last()) else {
            return LEFT;
        };
        let within = millis((at - stretch.from).max(TimeDelta::zero()));
        let whole = millis(stretch.to - stretch.from).max(1);
        stretch.x + share(stretch.width, within.min(whole), whole)
    }

    /// When the first and the last of it is.
    pub(super) fn ends(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        Some((self.stretches.first()?.from, self.stretches.last()?.to))
    }
}

fn millis(span: TimeDelta) -> i64 {
    span.num_milliseconds().max(0)
}

fn share(room: i64, part: i64, whole: i64) -> i64 {
    i64::try_from(i128::from(room) * i128::from(part) / i128::from(whole.max(1))).unwrap_or(0)
}
