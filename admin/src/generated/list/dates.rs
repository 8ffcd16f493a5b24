//! Days, months and years of whoever looks, as half-open ranges of UTC.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// From a moment, up to and without another; without a bound where there is none.
pub(crate) type Range = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// A day as addresses have it: `2026-01-31`.
pub(crate) fn day(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    ((1..=9_998).contains(&day.year()) && text.len() == 10).then_some(day)
}

/// The first moment of a day in a zone. Where the clocks go forward at midnight the day begins later.
pub(crate) fn begins(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN);
    // No zone leaves out more than a day, at the date line.
    (0..=48).find_map(|half_hours| {
        let local = midnight + chrono::TimeDelta::minutes(30 * half_hours);
        zone.from_local_datetime(&local).earliest().map(|time| time.with_timezone(&Utc))
    })
}

/// The first moment after a day.
pub(crate) fn ends(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    begins(day.checked_add_days(Days::new(1))?, zone)
}

/// A span of time that a filter offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bucket {
    Today,
    Week,
    Month,
    Year,
}

impl Bucket {
    pub(crate) const ALL: [Self; 4] = [Self::Today, Self::Week, Self::Month, Self::Year];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Week => "7d",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Week => "past 7 days",
            Self::Month => "this month",
            Self::Year => "this year",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == text)
    }

    /// What it is at a moment, in a zone.
    pub(crate) fn range(self, now: DateTime<Utc>, zone: Tz) -> Range {
        let today = now.with_timezone(&zone).date_naive();
        let (first, end) = match self {
            Self::Today => (Some(today), today.checked_add_days(Days::new(1))),
            // Today and the six days before it.
            Self::Week => (today.checked_sub_days(Days::new(6)), today.checked_add_days(Days::new(1))),
            Self::Month => {
                let first = today.with_day(1);
                (first, first.and_then(|first| first.checked_add_months(Months::new(1))))
            }
            Self::Year => {
                let first = NaiveDate::from_ymd_opt(today.year(), 1, 1);
                (first, NaiveDate::from_ymd_opt(today.year() + 1, 1, 1))
            }
        };
        let moment = |day: Option<NaiveDate>| day.and_then(|day| begins(day, zone));
        (moment(first), moment(end))
    }
}

/// How far one has drilled down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drill {
    Year(i32),
    Month(i32, u32),
    Day(NaiveDate),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Drill {
    /// As addresses have it: `2026`, `2026-01`, `2026-01-31`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // chrono takes signs, too.
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') || text.starts_with('-') {
            return None;
        }
        match text.len() {
            4 => Some(Self::Year(day(&format!("{text}-01-01"))?.year())),
            7 => {
                let first = day(&format!("{text}-01"))?;
                Some(Self::Month(first.year(), first.month()))
            }
            10 => Some(Self::Day(day(text)?)),
            _ => None,
        }
    }

    /// As addresses have it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Year(year) => format!("{year:04}"),
            Self::Month(year, month) => format!("{year:04}-{month:02}"),
            Self::Day(day) => day.format("%Y-%m-%d").to_string(),
        }
    }

    /// As people read it.
    pub(crate) fn label(self) -> String {
        let month = |month: u32| MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or_default();
        match self {
            Self::Year(year) => year.to_string(),
            Self::Month(year, m) => format!("{} {year}", month(m)),
            Self::Day(day) => format!("{} {} {}", day.day(), month(day.month()), day.year()),
        }
    }

    /// What lies one level above; none above years.
    pub(crate) fn above(self) -> Option<Self> {
        match self {
            Self::Year(_) => None,
            Self::Month(year, _) => Some(Self::Year(year)),
            Self::Day(day) => Some(Self::Month(day.year(), day.month())),
        }
    }

    fn days(self) -> Option<(NaiveDate, NaiveDate)> {
        Some(match self {
            Self::Year(year) => (NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year + 1, 1, 1)?),
            Self::Month(year, month) => {
                let first = NaiveDate::from_ymd_opt(year, month, 1)?;
                (first, first.checked_add_months(Months::new(1))?)
            }
            Self::Day(day) => (day, day.checked_add_days(Days::new(1))?),
        })
    }

    /// The time that it is.
    pub(crate) fn range(self, zone: Tz) -> Range {
        self.days().map_or((None, None), |(first, end)| (begins(first, zone), begins(end, zone)))
    }

    /// What lies one level below, between two moments: months of a year, days of a month. Of no
    /// level: years.
    pub(crate) fn below(drill: Option<Self>, oldest: DateTime<Utc>, newest: DateTime<Utc>, zone: Tz) -> Vec<Self> {
        let (first, last) = (oldest.with_timezone(&zone).date_naive(), newest.with_timezone(&zone).date_naive());
        let all: Vec<Self> = match drill {
            // No more than fit on a page, the newest of them.
            None => (first.year().max(last.year() - 30)..=last.year()).map(Self::Year).collect(),
            Some(Self::Year(year)) => (1..=12).map(|month| Self::Month(year, month)).collect(),
            Some(Self::Month(year, month)) => {
                (1..=31).filter_map(|day| NaiveDate::from_ymd_opt(year, month, day)).map(Self::Day).collect()
            }
            Some(Self::Day(_)) => Vec::new(),
        };
        let holds = |one: &Self| one.days().is_some_and(|(from, to)| from <= last && first < to);
        all.into_iter().filter(holds).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_of_whoever_looks_is_a_half_open_range_of_utc() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let (from, to) = Bucket::Today.range(at("2026-11-20T23:30:00Z"), zone);
        assert_eq!((from, to), (Some(at("2026-11-20T23:00:00Z")), Some(at("2026-11-21T23:00:00Z"))));
        // The day on which the clocks go forward has 23 hours.
        let spring = day("2026-03-29").unwrap();
        assert_eq!(begins(spring, zone), Some(at("2026-03-28T23:00:00Z")));
        assert_eq!(ends(spring, zone), Some(at("2026-03-29T22:00:00Z")));
        // Where they do so at midnight, the day begins at one.
        let zone: Tz = "America/Asuncion".parse().unwrap();
        assert_eq!(begins(day("2023-10-01").unwrap(), zone), Some(at("2023-10-01T04:00:00Z")));
    }

    #[test]
    fn one_drills_down_from_years_to_days() {
        let (old, new) = (at("2025-12-31T12:00:00Z"), at("2026-02-03T12:00:00Z"));
        let texts = |drill: Option<&str>| -> Vec<String> {
            let below = Drill::below(drill.and_then(Drill::parse), old, new, Tz::UTC);
            below.into_iter().map(Drill::text).collect()
        };
        assert_eq!(texts(None), ["2025", "2026"]);
        assert_eq!(texts(Some("2026")), ["2026-01", "2026-02"]);
        assert_eq!(texts(Some("2026-02")), ["2026-02-01", "2026-02-02", "2026-02-03"]);
        assert!(texts(Some("2026-02-03")).is_empty());
        for wrong in ["26", "2026-13", "2026-02-30", "0000", "+026", "2026-2-03"] {
            assert_eq!(Drill::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Drill::parse("2026-02-03").and_then(Drill::above), Drill::parse("2026-02"));
    }
}
