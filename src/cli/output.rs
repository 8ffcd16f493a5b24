//! Printing: tables, JSON, durations, findings. Everything goes through [`line`] and [`note`], so
//! that a reader that goes away (`automate … | head`) ends the program quietly.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use automate_core::document::{Diagnostic, Severity};
use chrono::{DateTime, TimeDelta, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::CliError;

/// Prints a line on stdout. Ends the program where nobody reads any more.
pub(crate) fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    if written.is_err_and(|e| e.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// Prints a line on stdout that nobody may be there to read any more: a server goes on without.
pub(crate) fn offer(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints a line on stderr; nothing can be done where that fails.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Prints a value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
    line(text);
    Ok(())
}

/// Asks a person for a yes. Only where stdin is a terminal.
pub(crate) fn confirmed(question: &str) -> bool {
    drop(write!(std::io::stderr().lock(), "{question} [y/N] "));
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) => matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"),
        Err(_) => false,
    }
}

/// Whether somebody is there who can be asked.
#[must_use]
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal()
}

/// Lays rows out under their headings, columns two spaces apart, the last one not padded.
#[must_use]
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lay = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![lay(&mut headings.iter().copied())];
    lines.extend(rows.iter().map(|row| lay(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// One finding as compilers print them: `file:line:col: error CODE path: message (suggestion)`.
#[must_use]
pub(crate) fn diagnostic(file: &str, finding: &Diagnostic) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let path = if finding.path.is_empty() { "/" } else { &finding.path };
    let mut text =
        format!("{file}:{}:{}: {severity} {} {path}: {}", finding.line, finding.column, finding.code, finding.message);
    if let Some(suggestion) = &finding.suggestion {
        text.push_str(&format!(" ({suggestion})"));
    }
    text
}

/// A length of time for people: `3 ms`, `1.24 s`, `2 min 5 s`, `3 h 2 min`, `4 d 1 h`.
#[must_use]
pub(crate) fn length(time: Duration) -> String {
    let ms = time.as_millis();
    let s = time.as_secs();
    match s {
        0 => format!("{ms} ms"),
        1..=59 => format!("{:.2} s", time.as_secs_f64()),
        60..=3_599 => format!("{} min {} s", s / 60, s % 60),
        3_600..=86_399 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// The length between two times; none where the second is earlier.
#[must_use]
pub(crate) fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
    (to - from).max(TimeDelta::zero()).to_std().unwrap_or_default()
}

/// A time for people, in UTC.
#[must_use]
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Bytes for people.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    const STEPS: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)];
    STEPS.iter().find(|(_, size)| count >= *size).map_or_else(
        || format!("{count} B"),
        |(unit, size)| {
            #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
            let amount = count as f64 / *size as f64;
            format!("{amount:.1} {unit}")
        },
    )
}

/// A text on one line, cut at that many characters.
#[must_use]
pub(crate) fn cut(text: &str, most: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= most {
        return flat;
    }
    let mut short: String = flat.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A bar for work of a known length; shows nothing where stderr is no terminal.
#[must_use]
pub(crate) fn progress(total: u64, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(what)
}

/// A sign of life for work of unknown length; shows nothing where stderr is no terminal.
#[must_use]
pub(crate) fn spinner(what: String) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_spaces() {
        let text = table(&["ID", "STATE"], &[vec!["a".into(), "ok".into()], vec!["longer".into(), "é".into()]]);
        assert_eq!(text, "ID      STATE\na       ok\nlonger  é");
    }

    #[test]
    fn lengths_read_well() {
        let texts: Vec<String> = [3, 1_240, 125_000, 10_920_000, 349_200_000]
            .map(|ms| length(Duration::from_millis(ms)))
            .into_iter()
            .collect();
        assert_eq!(texts, ["3 ms", "1.24 s", "2 min 5 s", "3 h 2 min", "4 d 1 h"]);
    }

    #[test]
    fn a_cut_text_stays_on_one_line_and_keeps_whole_characters() {
        assert_eq!(cut("a\nb", 10), "a b");
        assert_eq!(cut("ééééé", 3), "éé…");
    }

    #[test]
    fn a_finding_names_file_line_code_and_path() {
        let finding = Diagnostic {
            path: "/steps/2/uses".into(),
            line: 12,
            column: 5,
            code: "UNKNOWN_ACTION".into(),
            message: "there is no action `http.reqest`".into(),
            suggestion: Some("did you mean `http.request`?".into()),
            severity: Severity::Error,
        };
        assert_eq!(
            diagnostic("a.yaml", &finding),
            "a.yaml:12:5: error UNKNOWN_ACTION /steps/2/uses: there is no action `http.reqest` (did you mean `http.request`?)"
        );
    }
}
