//! An OpenBao server of one test, which speaks the protocol of HashiCorp Vault.
//!
//! Where its program is not there (`scripts/openbao.sh install` fetches it), a test says `SKIPPED`
//! and passes; with `AUTOMATE_TEST_REQUIRE_OPENBAO=1` it fails.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `1` makes tests fail where the program is not there.
pub const REQUIRE_VARIABLE: &str = "AUTOMATE_TEST_REQUIRE_OPENBAO";
/// The token that may do everything.
pub const ROOT_TOKEN: &str = "root-token-of-the-test";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a port is tried that somebody else took meanwhile.
const PORTS: u32 = 5;

/// A running server, unsealed, with a KV engine of version 2 at `secret`. It ends with the value.
#[derive(Debug)]
pub struct OpenBao {
    program: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    tls: bool,
    process: Option<Child>,
}

impl OpenBao {
    /// A server over plain HTTP; `None` where there is none and none is required.
    ///
    /// # Panics
    /// Where it does not start, or there is none and one is required.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::launch(false)
    }

    /// A server over TLS, under an authority of its own: [`OpenBao::ca_file`].
    ///
    /// # Panics
    /// As [`OpenBao::start`].
    #[must_use]
    pub fn start_tls() -> Option<Self> {
        Self::launch(true)
    }

    fn launch(tls: bool) -> Option<Self> {
        let program = match find() {
            Ok(program) => program,
            Err(reason) if std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1") => panic!("{reason}"),
            Err(reason) => {
                println!("SKIPPED: {reason}");
                return None;
            }
        };
        let folder = tempfile::Builder::new().prefix("automate-openbao-").tempdir().unwrap();
        let mut server = Self { program, folder, port: 0, tls, process: None };
        for _ in 0..PORTS {
            server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if server.run() {
                return Some(server);
            }
        }
        panic!("OpenBao does not start: {}", server.log());
    }

    /// Starts the process; `false` where it ended by itself, as it does where the port is taken.
    fn run(&mut self) -> bool {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.program(&["server", "-dev", "-dev-no-store-token"]);
        command
            .arg(format!("-dev-root-token-id={ROOT_TOKEN}"))
            .arg(format!("-dev-listen-address=127.0.0.1:{}", self.port))
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if self.tls {
            command.arg("-dev-tls").arg(format!("-dev-tls-cert-dir={}", self.folder.path().display()));
        }
        let mut process = command.spawn().unwrap();
        let begun = Instant::now();
        while !self.is_ready() {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            if begun.elapsed() > PATIENCE {
                drop(process.kill());
                panic!("OpenBao does not answer: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.process = Some(process);
        true
    }

    fn is_ready(&self) -> bool {
        if self.tls {
            return self.program(&["status"]).output().unwrap().status.success();
        }
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /v1/sys/health HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
            let mut text = String::new();
            stream.take(64 * 1024).read_to_string(&mut text)?;
            Ok(text)
        };
        answer().is_ok_and(|text| text.contains(" 200 "))
    }

    fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("BAO_ADDR", self.address())
            .env("BAO_TOKEN", ROOT_TOKEN)
            .env("BAO_CACERT", self.ca_file())
            .stdin(Stdio::null());
        if !self.tls {
            command.env_remove("BAO_CACERT");
        }
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.port)
    }

    /// The certificate of the authority that signed a server's over TLS.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("vault-ca.pem")
    }

    /// A folder of the test's own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command of `bao` as the operator would, and answers with what it printed.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn bao(&self, args: &[&str]) -> String {
        let output = self.program(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "bao {args:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes a policy.
    ///
    /// # Panics
    /// Where it fails.
    pub fn policy(&self, name: &str, text: &str) {
        let file = self.folder.path().join(format!("{name}.hcl"));
        std::fs::write(&file, text).unwrap();
        let _ = self.bao(&["policy", "write", name, file.to_str().unwrap()]);
    }

    /// A role of AppRole under a policy: its role id and a secret id.
    ///
    /// # Panics
    /// Where it fails.
    pub fn role(&self, name: &str, settings: &[&str]) -> (String, String) {
        if !self.bao(&["auth", "list"]).contains("approle/") {
            let _ = self.bao(&["auth", "enable", "approle"]);
        }
        let role = format!("auth/approle/role/{name}");
        let _ = self.bao(&[&["write", role.as_str()], settings].concat());
        let role_id = self.bao(&["read", "-field=role_id", &format!("{role}/role-id")]);
        let secret_id = self.bao(&["write", "-f", "-field=secret_id", &format!("{role}/secret-id")]);
        (role_id, secret_id)
    }

    /// Stops the process, as a crash would. What it held is gone: it held it in memory.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.stop();
    }
}

fn find() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/openbao.sh");
    let output = Command::new("sh").arg(script).arg("path").output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
