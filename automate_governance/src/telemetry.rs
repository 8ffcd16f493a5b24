//! Logs: one line an event on stderr, without secrets and without control characters, at any level.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};

use automate_core::config::LogFormat;
use automate_core::expr::secret::Scrubber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;

use crate::redaction::{escape_line, process_scrubber};

/// What is logged where `RUST_LOG` says nothing: what happens, and of dependencies what is wrong.
pub const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,hyper_util=warn,\
                                  h2=warn,reqwest=warn,rustify=off,rustls=warn,tower_http=warn,tokio=warn";

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` does not parse.
    #[error("RUST_LOG is not a filter of tracing, such as `info,automate_core=debug`: {0}")]
    Filter(#[from] ParseError),
    /// The process logs already.
    #[error("logs are set up already: {0}")]
    Already(String),
}

/// Sends logs and panics of this process to stderr. `filter` is `RUST_LOG`, where it is set.
///
/// # Errors
/// [`TelemetryError`].
pub fn init_tracing(format: LogFormat, filter: Option<&str>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(filter.filter(|f| !f.trim().is_empty()).unwrap_or(DEFAULT_FILTER))?;
    let writer = ScrubbedWriter { scrubber: process_scrubber().clone(), open: io::stderr };
    // Without colours: an escape character in a line is then always somebody else's, and escaped.
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer);
    let result = match format {
        LogFormat::Text => base.try_init(),
        LogFormat::Json => base.json().flatten_event(true).try_init(),
    };
    result.map_err(|e| TelemetryError::Already(e.to_string()))?;
    log_panics();
    Ok(())
}

/// A panic's text may hold anything; it goes the way of all log lines instead of straight to stderr
/// (S9).
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without text");
        let at = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(at, thread = thread.name(), backtrace, "panic: {message}");
    }));
}

/// Makes a writer for each event that scrubs and escapes the whole line before it is written.
#[derive(Clone)]
struct ScrubbedWriter<F> {
    scrubber: Scrubber,
    open: F,
}

impl<'a, W: Write, F: Fn() -> W + 'a> MakeWriter<'a> for ScrubbedWriter<F> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { scrubber: self.scrubber.clone(), out: (self.open)(), text: Vec::new() }
    }
}

/// One event's line, written when it is complete: a secret that comes in two pieces is still found.
struct Line<W: Write> {
    scrubber: Scrubber,
    out: W,
    text: Vec<u8>,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.text);
        let clean = self.scrubber.scrub_str(text.strip_suffix('\n').unwrap_or(&text));
        let mut line = String::with_capacity(clean.len() + 1);
        escape_line(&clean, &mut line);
        line.push('\n');
        // There is nowhere left to say that stderr is gone.
        drop(self.out.write_all(line.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use automate_core::secrets::SecretValue;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a subscriber of either format, at trace level, writes while `f` runs.
    fn logged(scrubber: &Scrubber, format: LogFormat, f: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let out = buffer.clone();
        let writer = ScrubbedWriter { scrubber: scrubber.clone(), open: move || out.clone() };
        let base = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(writer);
        match format {
            LogFormat::Text => tracing::subscriber::with_default(base.finish(), f),
            LogFormat::Json => tracing::subscriber::with_default(base.json().flatten_event(true).finish(), f),
        }
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn s9_no_line_at_trace_level_holds_a_secret() {
        let secret = "s3cret \"quoted\"/canary";
        let scrubber = Scrubber::new();
        scrubber.add(&SecretValue::new(secret.to_owned()));
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(&scrubber, format, || {
                let _span = tracing::info_span!("call", header = secret).entered();
                tracing::trace!(value = secret, debug = ?secret, "plain {secret}");
                tracing::info!(encoded = hex::encode(secret), url = "https://h/?q=s3cret%20%22quoted%22%2Fcanary");
            });
            assert_eq!(log.lines().count(), 2, "{log}");
            assert!(!log.contains("canary") && !log.contains("s3cret"), "{log}");
            assert!(!log.contains(&hex::encode("canary")), "{log}");
            assert!(log.contains("***"), "{log}");
        }
    }

    #[test]
    fn a19_a_line_stays_one_line_without_control_or_direction_characters() {
        let evil = "a\nINFO forged\r\u{1b}[31mred\u{7}\u{9b}x\u{202e}rtl\u{2028}\u{2066}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(&Scrubber::new(), format, || tracing::info!(name = evil, "said {evil}"));
            assert_eq!(log.matches('\n').count(), 1, "{log:?}");
            assert!(log.ends_with('\n') && log.contains("forged"));
            let body = log.trim_end_matches('\n');
            assert!(
                !body.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}' | '\u{2066}')),
                "{log:?}"
            );
            if format == LogFormat::Json {
                let line: serde_json::Value = serde_json::from_str(body).unwrap();
                assert!(line["name"].as_str().unwrap().contains("\u{202e}rtl"));
            }
        }
    }

    #[test]
    fn the_default_filter_parses_and_a_bad_one_is_an_error() {
        assert!(EnvFilter::builder().parse(DEFAULT_FILTER).is_ok());
        assert!(matches!(init_tracing(LogFormat::Text, Some("a=b=c=")), Err(TelemetryError::Filter(_))));
    }
}
