//! `automate doctor`: what is wrong, and what to do about it.

mod checks;

use clap::Args;
use serde::Serialize;

use super::{CliError, Context, JsonFlag, output};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    json: JsonFlag,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// All is well.
    Ok,
    /// Worth a look.
    Warn,
    /// Must be mended.
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), todo: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), todo: Some(todo.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, found: found.into(), todo: Some(todo.into()) }
    }

    fn tell(&self) -> String {
        let mark = match self.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        let todo = self.todo.as_ref().map(|t| format!("\n{:21}do: {t}", "")).unwrap_or_default();
        format!("{mark}  {:<14} {}{todo}", self.name, self.found)
    }
}

/// Checks everything; exit code 1 where something must be mended.
pub(crate) async fn run(context: Context, args: DoctorArgs) -> Result<(), CliError> {
    let checks = checks::all(&context).await;
    if args.json.json {
        output::json(&checks)?;
    } else {
        for check in &checks {
            output::line(check.tell());
        }
    }
    if checks.iter().any(|c| c.verdict == Verdict::Fail) { Err(CliError::Reported) } else { Ok(()) }
}
