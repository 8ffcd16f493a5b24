//! `automate migrate`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, JsonFlag, output};

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
}

#[derive(Debug, Clone, Subcommand)]
enum MigrateCommand {
    /// Applies what is pending (the default)
    Up,
    /// Takes the last migrations back; the data in their tables is lost
    Down {
        /// How many
        #[arg(long, default_value_t = 1, value_name = "N")]
        steps: u32,
        /// Confirms that the data may go
        #[arg(long)]
        yes: bool,
    },
    /// Lists the migrations; exit code 1 where one is pending
    Status(JsonFlag),
}

/// Migrates.
pub(crate) async fn run(context: Context, args: MigrateArgs) -> Result<(), CliError> {
    let database = crate::app::connect(context.config()).await?;
    match args.command.unwrap_or(MigrateCommand::Up) {
        MigrateCommand::Up => {
            let spinner = output::spinner("migrating".into());
            let applied = database.migrate_up(None).await?;
            spinner.finish_and_clear();
            for name in &applied {
                output::line(format!("applied {name}"));
            }
            if applied.is_empty() {
                output::line("nothing to do: every migration is applied");
            }
        }
        MigrateCommand::Down { steps, yes } => {
            if !yes {
                return Err(CliError::usage("taking migrations back deletes the data in their tables")
                    .hint("say so with --yes, after a backup"));
            }
            let gone = database.migrate_down(steps).await?;
            for name in &gone {
                output::line(format!("took back {name}"));
            }
            if gone.is_empty() {
                output::line("nothing to do: no migration is applied");
            }
        }
        MigrateCommand::Status(flag) => {
            let states = database.migration_status().await?;
            if flag.json {
                let list: Vec<_> = states.iter().map(|s| json!({ "name": s.name, "applied": s.applied })).collect();
                output::json(&list)?;
            } else {
                let rows: Vec<Vec<String>> = states
                    .iter()
                    .map(|s| vec![s.name.clone(), if s.applied { "applied" } else { "pending" }.to_owned()])
                    .collect();
                output::line(output::table(&["MIGRATION", "STATE"], &rows));
            }
            if states.iter().any(|s| !s.applied) {
                return Err(CliError::failed("migrations are pending").hint("run `automate migrate up`"));
            }
        }
    }
    Ok(())
}
