//! `automate completions`.

use clap::{Args, CommandFactory, ValueEnum};

use super::{Cli, CliError, output};

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "bash: automate completions bash > ~/.local/share/bash-completion/completions/automate\n\
                        zsh:  automate completions zsh > \"${fpath[1]}/_automate\"\n\
                        fish: automate completions fish > ~/.config/fish/completions/automate.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "automate", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
