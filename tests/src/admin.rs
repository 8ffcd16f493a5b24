//! The admin of a real server, used as a browser does without scripts: a cookie jar, pages, forms.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::binary::Project;
use crate::postgres::TestDatabase;
use crate::processes::Process;

mod crawl;
pub mod markup;
mod people;
mod rows;
mod stream;
pub mod tables;

pub use people::{Tenant, operator};
pub use rows::{Rows, SECRET, payload_of};
pub use stream::{Event, Stream};

/// The password of everybody whom the tests make.
pub const PASSWORD: &str = "a long walk by the sea";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A server with its admin, on the database of a test.
#[derive(Debug)]
pub struct Site {
    /// The folder that commands run in.
    pub project: Arc<Project>,
    /// The server.
    pub process: Process,
    /// The database.
    pub database: TestDatabase,
    address: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A browser without scripts.
#[derive(Debug, Clone)]
pub struct Browser {
    address: String,
    cookies: Vec<(String, String)>,
    csrf: String,
}

impl Site {
    /// Starts the server, with a superuser `ada@example.com`.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start(database: TestDatabase) -> Self {
        let site = Self::start_without_users(database).await;
        site.make_superuser("ada@example.com");
        site
    }

    /// Starts the server, and nobody is there.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_without_users(database: TestDatabase) -> Self {
        let project = Arc::new(Project::new(&database.url));
        let mut process = Process::new(&project, "serve", &["serve", "--bind", "127.0.0.1:0"], &[]);
        process.start().await;
        let address = process.address().trim_end_matches('/').to_owned();
        Self { database, project, process, address }
    }

    /// Kills the server (SIGKILL) and starts it again, with more arguments: `--no-worker`. Browsers
    /// find it by [`Browser::follow`].
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_again(&mut self, more: &[&str]) {
        self.process.kill();
        let args = [&["serve", "--bind", "127.0.0.1:0"], more].concat();
        let name = format!("serve{}", more.concat());
        self.process = Process::new(&self.project, &name, &args, &[]);
        self.process.start().await;
        self.address = self.process.address().trim_end_matches('/').to_owned();
    }

    /// Makes a superuser with [`PASSWORD`].
    ///
    /// # Panics
    /// Where that fails.
    pub fn make_superuser(&self, email: &str) {
        let args = ["createsuperuser", "--email", email, "--password-stdin"];
        drop(self.project.run_with_stdin(&args, PASSWORD).exits(0));
    }

    /// Imports and publishes a document.
    ///
    /// # Panics
    /// Where that fails.
    pub fn publish(&self, name: &str, document: &str) {
        let file = self.project.write(&format!("{name}.yaml"), document);
        drop(self.project.run(&["workflow", "import", &file, "--publish"]).exits(0));
    }

    /// Where it listens: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A browser that nobody has logged in with.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser { address: self.address.clone(), cookies: Vec::new(), csrf: String::new() }
    }

    /// A browser in which the superuser has logged in.
    ///
    /// # Panics
    /// Where they are not let in.
    #[must_use]
    pub fn log_in(&self) -> Browser {
        self.log_in_as("ada@example.com")
    }

    /// A browser in which somebody with [`PASSWORD`] has logged in.
    ///
    /// # Panics
    /// Where they are not let in.
    #[must_use]
    pub fn log_in_as(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let page = browser.post("/admin/login/", &[("email", email), ("password", PASSWORD)]);
        assert_eq!(page.status, 303, "{email} is not let in: {}", page.body);
        // Any page has the token that forms carry.
        assert_eq!(browser.get("/admin/me/").status, 200);
        browser
    }
}

impl Page {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where a redirect leads.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.body);
        self.header("location").unwrap_or_else(|| panic!("303 without a place"))
    }

    /// The same, after a look at the status.
    ///
    /// # Panics
    /// Where the status is another.
    #[must_use]
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Whether a text stands in it.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// How often a text stands in it.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.body.matches(text).count()
    }

    /// The value of the first hidden field of a name.
    #[must_use]
    pub fn hidden(&self, name: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next().map(unescaped)
    }

    /// The addresses of all links.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        self.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(unescaped).collect()
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&")
        .replace("&amp;", "&")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
}

impl Browser {
    /// Opens an address.
    pub fn get(&mut self, target: &str) -> Page {
        self.send("GET", target, &[], None)
    }

    /// Sends a form, with the token of the last page.
    pub fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.csrf.clone();
        let mut all: Vec<(&str, &str)> = fields.to_vec();
        if !csrf.is_empty() {
            all.push(("csrf", &csrf));
        }
        self.post_bare(target, &all)
    }

    /// Sends a form with nothing but its fields.
    pub fn post_bare(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", target, &[("content-type", "application/x-www-form-urlencoded")], Some(&body))
    }

    /// Goes on where the server is now.
    pub fn follow(&mut self, site: &Site) {
        site.address().clone_into(&mut self.address);
    }

    /// Sends a form, and opens the page that it leads to.
    pub fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.post(target, fields);
        if page.status == 303 { self.get(page.location()) } else { page }
    }

    /// Sends anything.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Page {
        let mut stream = self.ask(method, target, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let page = parsed(&bytes);
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            self.cookies.retain(|(known, _)| known != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value));
            }
        }
        if let Some(csrf) = page.hidden("csrf") {
            self.csrf = csrf;
        }
        page
    }
}

impl Browser {
    /// Sends a request; the answer is yet to be read.
    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head.push_str(&format!("cookie: {}\r\n", pairs.join("; ")));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{head}\r\n{}", body.unwrap_or_default()).as_bytes()).unwrap();
        stream
    }
}

fn parsed(bytes: &[u8]) -> Page {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len().saturating_sub(4));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {head}"));
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = &bytes[(end + 4).min(bytes.len())..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunked(body) } else { body.to_vec() };
    Page { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&bytes[..end]).ok().and_then(|hex| usize::from_str_radix(hex.trim(), 16).ok());
        let Some(length) = length.filter(|length| *length > 0) else { break };
        let start = end + 2;
        body.extend_from_slice(&bytes[start..(start + length).min(bytes.len())]);
        bytes = &bytes[(start + length + 2).min(bytes.len())..];
    }
    body
}
