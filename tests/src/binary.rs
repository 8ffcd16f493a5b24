//! The built `automate`, run as a user would run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Names the binary where it does not lie beside the tests.
pub const BIN_VARIABLE: &str = "AUTOMATE_TEST_BIN";

/// The binary of this build: `target/<profile>/automate`, two folders above the running test.
///
/// # Panics
/// Where it has not been built; says how to.
#[must_use]
pub fn automate() -> PathBuf {
    if let Some(path) = std::env::var_os(BIN_VARIABLE) {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("automate");
    assert!(
        path.is_file(),
        "{} is not there: run `cargo build --bin automate` first, or name the binary with {BIN_VARIABLE}",
        path.display()
    );
    path
}

/// A folder of its own with a database, and the binary run in it with nothing of the caller's
/// environment that configures it.
#[derive(Debug)]
pub struct Project {
    folder: tempfile::TempDir,
    database_url: String,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said on stderr.
    pub err: String,
}

impl Answer {
    /// What a command answered that was started by hand.
    ///
    /// # Panics
    /// Where it printed something else than UTF-8.
    #[must_use]
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, after a look at the exit code.
    ///
    /// # Panics
    /// Where the exit code is another.
    #[must_use]
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// What was printed, as JSON.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON ({e}):\n{}\n{}", self.out, self.err))
    }
}

impl Project {
    /// A project on a database.
    ///
    /// # Panics
    /// Where its folder cannot be made.
    #[must_use]
    pub fn new(database_url: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database_url: database_url.to_owned() }
    }

    /// A project on an embedded database of its own, which is not there yet.
    #[must_use]
    pub fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite://{}", folder.path().join("data/automate.db").display());
        Self { folder, database_url }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and answers with its path, relative to the folder.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        name.to_owned()
    }

    /// A command that is yet to be started.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(automate());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|n| n.starts_with("AUTOMATE_") || n == "RUST_LOG") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(self.path())
            .env("DATABASE_URL", &self.database_url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Answer {
        Answer::of(self.command(args).output().unwrap())
    }

    /// Runs a command with a text on its stdin.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn run_with_stdin(&self, args: &[&str], text: &str) -> Answer {
        use std::io::Write;
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read its stdin to the end is no fault of the test.
        drop(child.stdin.take().unwrap().write_all(text.as_bytes()));
        Answer::of(child.wait_with_output().unwrap())
    }
}
