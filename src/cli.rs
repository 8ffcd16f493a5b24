//! The command line: one file per command.

mod audit;
mod bench;
mod completions;
mod config;
mod connectors;
mod demo;
mod doctor;
mod error;
mod executions;
mod fixtures;
mod migrate;
mod openapi;
mod outbox;
pub(crate) mod output;
mod record;
mod run;
mod secrets;
mod serve;
mod shape;
mod timeline;
mod token;
mod users;
mod worker;
mod workflow;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use automate_core::config::{Config, LoadOptions, Loaded};
use automate_core::ids::TenantId;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

pub(crate) use error::CliError;

use crate::app::{App, Parts, Role};

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "automate",
    version,
    about = "Durable workflows: a webhook, an event or a command starts one, its steps survive crashes",
    arg_required_else_help = true,
    after_help = "First time here? `automate demo` needs no set-up.\n\
                  Configuration: automate.toml, AUTOMATE_… variables, DATABASE_URL; see `automate config show`.\n\
                  Exit codes: 0 ok, 1 failed, 2 called wrongly."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
struct Global {
    /// The configuration file [default: automate.toml, where it exists; or AUTOMATE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves webhooks, health and metrics, and works in the same process
    Serve(serve::ServeArgs),
    /// Shows the main job in one command, with no set-up
    Demo(demo::DemoArgs),
    /// Works alone, for a second process or machine
    Worker(worker::WorkerArgs),
    /// Applies, takes back or lists migrations of the database
    Migrate(migrate::MigrateArgs),
    /// Checks, imports, publishes, lists and draws workflow documents
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// Starts a workflow by hand
    Run(run::RunArgs),
    /// Lists, shows, cancels, retries and replays executions
    #[command(subcommand)]
    Executions(executions::ExecutionsCommand),
    /// Looks at the queue and repairs it
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Stores secrets; values come from stdin and are never printed
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Writes tenants, people, workflows and connections as a fixture, JSON on stdout
    Dumpdata(fixtures::DumpArgs),
    /// Loads fixtures: all of it or nothing
    Loaddata(fixtures::LoadArgs),
    /// Looks into the audit log and checks that nobody changed it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Makes a user who may do everything
    #[command(name = "createsuperuser")]
    CreateSuperuser(users::CreateSuperuserArgs),
    /// Gives a user a new password
    #[command(name = "changepassword")]
    ChangePassword(users::ChangePasswordArgs),
    /// Makes, lists and takes back API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Shows the connectors that are linked in, and their actions
    #[command(subcommand)]
    Connectors(connectors::ConnectorsCommand),
    /// Prints the OpenAPI document of the REST API; needs no database
    Openapi(openapi::OpenapiArgs),
    /// Checks the installation and says what to do
    Doctor(doctor::DoctorArgs),
    /// Shows the effective configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Measures the engine on the given database
    Bench(bench::BenchArgs),
    /// Prints completions for a shell
    Completions(completions::CompletionsArgs),
}

/// Print JSON instead of text.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JsonFlag {
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a command works with.
pub(crate) struct Context {
    /// The app that the command line stands over.
    pub(crate) app: Arc<App>,
    /// The configuration, with the command's flags over it.
    pub(crate) loaded: Loaded,
}

/// Whose rows the commands read and write.
pub(crate) const TENANT: TenantId = TenantId::DEFAULT;

impl Context {
    /// The effective configuration.
    pub(crate) fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// Opens the database and wires everything up.
    pub(crate) async fn open(&self, role: Role) -> Result<Parts, CliError> {
        Ok(self.app.build(self.config(), role).await?)
    }
}

/// Runs the command line over an app with the arguments of the process.
pub(crate) fn main(app: App) -> ExitCode {
    run(app, std::env::args_os())
}

fn run(app: App, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => 2,
            };
            // Nothing is left to do where the terminal is gone.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    match dispatch(app, cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(app: App, cli: Cli) -> Result<(), CliError> {
    if let Command::Completions(args) = &cli.command {
        return completions::run(args);
    }
    crate::app::install_crypto();
    // Before anything secret is read.
    let hardened = automate_governance::hardening::harden_process();
    let loaded = load(&cli)?;
    let runtime = runtime(loaded.config.server.workers)?;
    let context = Context { app: Arc::new(app), loaded };
    telemetry(&cli.command, context.config())?;
    if let Err(error) = hardened {
        tracing::warn!(%error, "the process goes on");
    }
    let result = runtime.block_on(perform(context, cli.command));
    // Whatever still runs is safe to leave: its lease expires and it is taken up again.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

async fn perform(context: Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve(args) => serve::run(context, args).await,
        Command::Demo(args) => demo::run(context, args).await,
        Command::Worker(args) => worker::run(context, args).await,
        Command::Migrate(args) => migrate::run(context, args).await,
        Command::Workflow(command) => workflow::run(context, command).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Executions(command) => executions::run(context, command).await,
        Command::Outbox(command) => outbox::run(context, command).await,
        Command::Secrets(command) => secrets::run(context, command).await,
        Command::Dumpdata(args) => fixtures::dump(context, args).await,
        Command::Loaddata(args) => fixtures::load(context, args).await,
        Command::Audit(command) => audit::run(context, command).await,
        Command::CreateSuperuser(args) => users::create(context, args).await,
        Command::ChangePassword(args) => users::change_password(context, args).await,
        Command::Token(command) => token::run(context, command).await,
        Command::Connectors(command) => connectors::run(&context, command),
        Command::Openapi(args) => openapi::run(&context, &args),
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Config(command) => config::run(&context, command),
        Command::Bench(args) => bench::run(context, args).await,
        Command::Completions(args) => completions::run(&args),
    }
}

/// Reads the configuration, the flags of the command over it.
fn load(cli: &Cli) -> Result<Loaded, CliError> {
    let overrides = match &cli.command {
        Command::Serve(args) => args.overrides(),
        Command::Worker(args) => args.overrides(),
        _ => Vec::new(),
    };
    let env = crate::app::environment();
    Config::load(LoadOptions { file: cli.global.config.clone(), env, overrides })
        .map_err(|e| CliError::usage(e.to_string()).hint("docs/configuration.md has every key"))
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().map_err(|e| CliError::failed(format!("cannot start the runtime: {e}")))
}

/// Long-running commands log what they do; the others only what is wrong.
fn telemetry(command: &Command, config: &Config) -> Result<(), CliError> {
    let default = match command {
        Command::Serve(_) | Command::Worker(_) => None,
        // Its failed call and its fresh key are part of the story.
        Command::Demo(_) => Some("error"),
        // The scratch database's key is of no interest.
        Command::Bench(_) => Some("warn,automate_governance::secrets=error"),
        _ => Some("warn"),
    };
    crate::app::init_telemetry(config, default).map_err(|e| CliError::failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_declared_without_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_has_help() {
        fn check(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
                let path = format!("{path} {}", sub.get_name());
                assert!(sub.get_about().is_some(), "{path} has no description");
                for arg in sub.get_arguments().filter(|a| !a.is_hide_set()) {
                    assert!(arg.get_help().is_some(), "{path} {} has no help", arg.get_id());
                }
                check(sub, &path);
            }
        }
        check(&Cli::command(), "automate");
    }

    #[test]
    fn a_wrong_call_exits_with_2_and_help_with_0() {
        let code = |args: &[&str]| format!("{:?}", run(App::new(), args.iter().map(OsString::from)));
        assert_eq!(code(&["automate", "nonsense"]), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code(&["automate", "run", "--help"]), format!("{:?}", ExitCode::SUCCESS));
    }
}
