//! `automate serve` as a process of its own, for tests that look at everything it writes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take until it says where it listens.
const START: Duration = Duration::from_secs(60);
/// How long it may take to drain.
const DRAIN: Duration = Duration::from_secs(30);

/// A running server. It ends with the value.
pub(super) struct Serving {
    child: Child,
    pub(super) address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Serving {
    /// Starts a command that serves, writing `serve.out` and `serve.log` into a folder, and waits for
    /// the line with its address.
    pub(super) fn start(mut command: Command, folder: &Path) -> Self {
        let (out, log) = (folder.join("serve.out"), folder.join("serve.log"));
        command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
        let mut serving = Self { child: command.spawn().unwrap(), address: String::new() };
        let begun = Instant::now();
        loop {
            let said = std::fs::read_to_string(&out).unwrap();
            // Only a whole line: half of an address would be another one.
            if let Some((line, _)) = said.split_once('\n') {
                let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
                serving.address = address.unwrap_or_else(|| panic!("no address in `{line}`")).to_owned();
                return serving;
            }
            let log = || tail(&std::fs::read_to_string(&log).unwrap());
            if let Some(status) = serving.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", log());
            }
            assert!(begun.elapsed() < START, "the server is not ready after {START:?}:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status and body of a GET.
    pub(super) fn get(&self, target: &str) -> (u16, String) {
        self.ask(target, "")
    }

    /// The same with a token.
    pub(super) fn get_as(&self, target: &str, token: &str) -> (u16, String) {
        self.ask(target, &format!("authorization: Bearer {token}\r\n"))
    }

    fn ask(&self, target: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap_or_else(|| panic!("{text}")).parse().unwrap();
        (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Waits until the server says that it is ready.
    pub(super) fn ready(&self) {
        let begun = Instant::now();
        loop {
            let (status, body) = self.get("/readyz");
            if status == 200 {
                return;
            }
            assert!(begun.elapsed() < START, "not ready after {START:?}: {status} {body}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends SIGTERM and waits for the end, which must be a good one.
    pub(super) fn stop(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let begun = Instant::now();
        while begun.elapsed() < DRAIN {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0), "a server that is asked to stop drains and ends well");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server has not drained within {DRAIN:?}");
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
