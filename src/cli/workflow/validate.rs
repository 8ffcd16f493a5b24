//! `automate workflow validate`.

use std::path::PathBuf;

use automate_core::document::{Diagnostic, Severity};
use clap::Args;
use serde_json::json;

use super::super::{CliError, Context, JsonFlag, output};
use super::files;

/// Arguments of `workflow validate`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Files or directories; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Prints every finding; exit code 1 where one refuses publication.
pub(crate) fn run(context: &Context, args: &ValidateArgs) -> Result<(), CliError> {
    let mut errors = 0;
    let mut reports = Vec::new();
    for file in files::read(&args.paths)? {
        let found: Vec<Diagnostic> = match context.app.check(&file.source) {
            Ok((_, warnings)) => warnings,
            Err(findings) => findings,
        };
        let wrong = found.iter().filter(|d| d.severity == Severity::Error).count();
        errors += wrong;
        if args.json.json {
            reports.push(json!({ "file": file.name, "valid": wrong == 0, "diagnostics": found }));
            continue;
        }
        if !found.is_empty() {
            output::line(files::findings(&file.name, &found));
        }
        if wrong == 0 {
            output::line(format!("{}: ok", file.name));
        }
    }
    if args.json.json {
        output::json(&reports)?;
    }
    match errors {
        0 => Ok(()),
        _ if args.json.json => Err(CliError::Reported),
        1 => Err(CliError::failed("1 error")),
        n => Err(CliError::failed(format!("{n} errors"))),
    }
}
