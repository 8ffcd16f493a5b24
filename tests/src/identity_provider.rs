//! An OpenID Connect provider of one test: npm's oidc-provider.
//!
//! Where it is not there (`scripts/identity-provider.sh install` fetches it), a test says `SKIPPED`
//! and passes; with `AUTOMATE_TEST_REQUIRE_OIDC=1` it fails.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `1` makes tests fail where it is not there.
pub const REQUIRE_VARIABLE: &str = "AUTOMATE_TEST_REQUIRE_OIDC";
/// Our secret there, whichever client we are.
pub const CLIENT_SECRET: &str = "a client secret of the test";
/// How often a port is tried that somebody else took meanwhile.
const PORTS: u32 = 5;

/// A running provider, with the clients `automate-RS256`, `automate-ES256` and `automate-EdDSA`, each
/// named after the algorithm of its ID tokens. It ends with the value.
#[derive(Debug)]
pub struct IdentityProvider {
    process: Child,
    /// Its issuer.
    pub issuer: String,
}

impl IdentityProvider {
    /// A provider that sends browsers back to an address; `None` where there is none and none is
    /// required.
    ///
    /// # Panics
    /// Where it does not start, or there is none and one is required.
    #[must_use]
    pub fn start(redirect: &str) -> Option<Self> {
        let (node, server) = match (script("node"), script("server")) {
            (Ok(node), Ok(server)) => (node, server),
            (Err(reason), _) | (_, Err(reason)) => {
                assert!(std::env::var(REQUIRE_VARIABLE).map_or(true, |value| value != "1"), "{reason}");
                println!("SKIPPED: {reason}");
                return None;
            }
        };
        for _ in 0..PORTS {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut process = Command::new(&node)
                .arg(&server)
                .args([&port.to_string(), redirect])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            if lines.any(|line| line.is_ok_and(|line| line == "ready")) {
                // What it says later must go somewhere, or it ends with a broken pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Some(Self { process, issuer: format!("http://127.0.0.1:{port}") });
            }
            drop(process.wait());
        }
        panic!("the identity provider does not start");
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn script(what: &str) -> Result<PathBuf, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/identity-provider.sh");
    let output = Command::new("sh").arg(&file).arg(what).output().map_err(|e| format!("{}: {e}", file.display()))?;
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    } else {
        Err(format!("no identity provider for tests: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
