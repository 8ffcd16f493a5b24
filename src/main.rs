//! The one binary: the command line over an app with what is linked in.

use std::process::ExitCode;

fn main() -> ExitCode {
    automate::App::new().run()
}
