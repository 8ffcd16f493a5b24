//! `automate config`.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, JsonFlag, output};

/// Subcommands of `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows every key with its effective value and where it comes from; secrets are masked
    Show(JsonFlag),
}

/// Shows the configuration.
pub(crate) fn run(context: &Context, command: ConfigCommand) -> Result<(), CliError> {
    let ConfigCommand::Show(flag) = command;
    let lines = context.loaded.effective();
    if flag.json {
        let list: Vec<_> =
            lines.iter().map(|l| json!({ "key": l.key, "value": l.value, "source": l.source.to_string() })).collect();
        return output::json(&list);
    }
    let rows: Vec<Vec<String>> = lines.into_iter().map(|l| vec![l.key, l.value, l.source.to_string()]).collect();
    output::line(output::table(&["KEY", "VALUE", "SOURCE"], &rows));
    Ok(())
}
