//! `automate serve` and `automate worker` as processes of their own, to be killed, stopped and
//! started again.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::binary::Project;

/// How long a process may take until it says that it is ready.
const START: Duration = Duration::from_secs(60);
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Lines of a process's log that a failed test shows.
const TAIL: usize = 80;

/// A process that can be started more than once. It ends with the value, also when the test
/// panics; the end of its log is printed then.
#[derive(Debug)]
pub struct Process {
    project: Arc<Project>,
    name: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    child: Option<Child>,
    starts: u32,
}

impl Process {
    /// A process that is yet to be started.
    #[must_use]
    pub fn new(project: &Arc<Project>, name: &str, args: &[&str], env: &[(&str, String)]) -> Self {
        Self {
            project: Arc::clone(project),
            name: name.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            child: None,
            starts: 0,
        }
    }

    /// Its name in the test.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn out_file(&self) -> PathBuf {
        self.project.path().join(format!("{}.out", self.name))
    }

    fn log_file(&self) -> PathBuf {
        self.project.path().join(format!("{}.log", self.name))
    }

    /// Starts it and does not wait for anything. Its log goes on where the last one ended.
    ///
    /// # Panics
    /// Where it runs already or cannot be started.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let out = File::create(self.out_file()).unwrap();
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let mut command = self.project.command(&args);
        command.env("RUST_LOG", "info,automate=info");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        self.child = Some(command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().unwrap());
        self.starts += 1;
    }

    /// Starts it and waits for the line with which it says that it is ready.
    ///
    /// # Panics
    /// Where it ends instead, or takes too long.
    pub async fn start(&mut self) -> String {
        self.spawn();
        self.ready().await
    }

    /// Waits for the line with which it says that it is ready.
    ///
    /// # Panics
    /// Where it ends instead, or takes too long.
    pub async fn ready(&mut self) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.line() {
                return line;
            }
            if let Some(status) = self.ended() {
                panic!("{} ended with {status} and was never ready", self.name);
            }
            assert!(begun.elapsed() < START, "{} is not ready after {START:?}", self.name);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The line with which it says that it is ready, where it has said so.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let out = std::fs::read_to_string(self.out_file()).unwrap_or_default();
        // Only a whole line: half of an address would be another one.
        out.split_once('\n').map(|(line, _)| line.to_owned())
    }

    /// The address that a server listens on.
    ///
    /// # Panics
    /// Where it has not said so.
    #[must_use]
    pub fn address(&self) -> String {
        let line = self.line().unwrap_or_else(|| panic!("{} is not ready", self.name));
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        address.unwrap_or_else(|| panic!("no address in `{line}`")).to_owned()
    }

    /// Its process id.
    ///
    /// # Panics
    /// Where it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)).id()
    }

    /// How often it was started.
    #[must_use]
    pub const fn starts(&self) -> u32 {
        self.starts
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    /// Where it had ended by itself.
    pub fn kill(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended by itself with {status}", self.name);
        }
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Sends it a signal: `TERM`, `STOP`, `CONT`.
    ///
    /// # Panics
    /// Where it cannot be sent.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("kill").args([format!("-{signal}"), pid]).status().unwrap();
        assert!(done.success(), "{}: no SIG{signal} could be sent", self.name);
    }

    /// How it ended, where it has.
    ///
    /// # Panics
    /// Where the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().unwrap();
        if status.is_some() {
            self.child = None;
        }
        status
    }

    /// How it ended, where it does within a time.
    pub async fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.ended();
            if status.is_some() || begun.elapsed() > time {
                return status;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What it has written to stderr, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Waits for a text in its log.
    ///
    /// # Panics
    /// Where it does not come in time.
    pub async fn says(&self, text: &str, within: Duration) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < within, "{} has not said “{text}” within {within:?}", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.ended();
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            let end = ended.map(|status| format!(", had ended with {status}")).unwrap_or_default();
            eprintln!(
                "---- {} ({} starts{end}), the last {TAIL} of {} lines:\n{tail}",
                self.name,
                self.starts,
                lines.len()
            );
        }
    }
}
