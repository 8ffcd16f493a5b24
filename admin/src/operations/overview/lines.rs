//! Small lines of numbers over time, with the numbers behind them. No IO.

use automate_core::limits;
use automate_store::overview::Minute;
use chrono::TimeDelta;

use super::super::words;

/// Width and height of a line, as the sheet expects them.
const SIZE: (usize, usize) = (120, 24);

/// A line and its numbers.
pub(super) struct Line {
    /// What it shows.
    pub(super) label: &'static str,
    /// The last number, in words.
    pub(super) now: String,
    /// The whole in a sentence.
    pub(super) title: String,
    /// Shapes: the content of an SVG, of numbers only.
    pub(super) shapes: String,
    /// The heads of the table.
    pub(super) heads: &'static [&'static str],
    /// Its rows: the minute, and what it had.
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// How many were accepted and failed, and how long they took, minute by minute.
pub(super) fn of(minutes: &[Minute]) -> Vec<Line> {
    vec![throughput(minutes), latency(minutes)]
}

fn clock(minute: &Minute) -> String {
    minute.at.format("%H:%M").to_string()
}

fn number(n: u64) -> String {
    let most = limits::COUNTED_PER_MINUTE;
    if n >= most { format!("{}+", words::grouped(most)) } else { words::grouped(n) }
}

fn throughput(minutes: &[Minute]) -> Line {
    let most = minutes.iter().map(|minute| minute.accepted).max().unwrap_or(0).max(1);
    let (width, height) = SIZE;
    let step = width / minutes.len().max(1);
    let mut shapes = String::new();
    for (n, minute) in minutes.iter().enumerate() {
        let bar = |count: u64| usize::try_from(count * height as u64 / most).unwrap_or(0).max(usize::from(count > 0));
        for (count, class) in [(minute.accepted, ""), (minute.failed, " class=\"bad\"")] {
            let (x, h) = (n * step, bar(count));
            if h > 0 {
                let (y, w) = (height - h, step.saturating_sub(1).max(1));
                shapes.push_str(&format!("<rect{class} x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>"));
            }
        }
    }
    // The minute that runs now is not over.
    let last = minutes.iter().rev().nth(1).map_or(0, |minute| minute.accepted);
    let (all, failed): (u64, u64) =
        minutes.iter().fold((0, 0), |(all, failed), minute| (all + minute.accepted, failed + minute.failed));
    Line {
        label: "Executions a minute",
        now: number(last),
        title: format!(
            "Executions a minute over {} min: {} accepted, {} of them failed; {} at most",
            minutes.len(),
            words::grouped(all),
            words::grouped(failed),
            number(most)
        ),
        shapes,
        heads: &["Accepted", "Failed"],
        rows: minutes.iter().map(|m| (clock(m), vec![number(m.accepted), number(m.failed)])).collect(),
    }
}

fn latency(minutes: &[Minute]) -> Line {
    let (width, height) = SIZE;
    let step = width / minutes.len().max(1);
    let most = minutes.iter().filter_map(|minute| minute.took).map(|(_, slow)| slow).max().unwrap_or(0).max(1);
    let mut shapes = String::new();
    let mut points: Vec<String> = Vec::new();
    let mut draw = |points: &mut Vec<String>| {
        match points.as_slice() {
            [] => {}
            [one] => {
                let (x, y) = one.split_once(',').unwrap_or_default();
                shapes.push_str(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"2\" height=\"2\"/>"));
            }
            several => shapes.push_str(&format!("<polyline points=\"{}\"/>", several.join(" "))),
        }
        points.clear();
    };
    for (n, minute) in minutes.iter().enumerate() {
        match minute.took {
            Some((_, slow)) => {
                let y = (height as i64 - 2) - slow * (height as i64 - 4) / most;
                points.push(format!("{},{y}", n * step + step / 2));
            }
            None => draw(&mut points),
        }
    }
    draw(&mut points);
    let words = |ms: i64| words::duration(TimeDelta::try_milliseconds(ms).unwrap_or_default());
    let of = |took: Option<(i64, i64)>| {
        took.map_or_else(|| vec!["–".to_owned(), "–".to_owned()], |(middle, slow)| vec![words(middle), words(slow)])
    };
    let last = minutes.iter().rev().find_map(|minute| minute.took);
    Line {
        label: "Time to the end",
        now: last.map_or_else(|| "–".to_owned(), |(_, slow)| words(slow)),
        title: match last {
            Some(_) => format!("Time from acceptance to the end, 19 of 20 were faster: {} at most", words(most)),
            None => "No execution has ended in this time".to_owned(),
        },
        shapes,
        heads: &["Half were faster than", "19 of 20 were faster than"],
        rows: minutes.iter().map(|m| (clock(m), of(m.took))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    #[test]
    fn lines_keep_to_their_box_and_have_a_row_for_each_minute() {
        let at: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().unwrap();
        let minutes: Vec<Minute> = (0..30)
            .map(|n| Minute {
                at: at + TimeDelta::minutes(n),
                accepted: u64::try_from(n).unwrap() * 100,
                failed: 3,
                took: (n != 7).then_some((n, n * 2_000)),
            })
            .collect();
        let lines = of(&minutes);
        assert_eq!(lines.len(), 2);
        for line in &lines {
            assert_eq!(line.rows.len(), 30);
            assert!(!line.shapes.contains("=\"-"), "{}", line.shapes);
        }
        assert_eq!(lines[1].shapes.matches("<polyline").count(), 2, "a gap is no line");
        assert_eq!(lines[0].rows[29].1[0], "2\u{202f}000+");
        assert_eq!(of(&[]).len(), 2);
    }
}
