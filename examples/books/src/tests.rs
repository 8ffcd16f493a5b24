//! The ten lines, over HTTP.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use automate::api::v1::AuthError;
use automate::core::access::{Actor, EVERYTHING, Principal};
use automate::core::audit::Origin;
use automate::core::ids::TenantId;
use automate::governance::identity::{Client, Credentials, LogIn, NewUser, Password};
use automate::store::resource::Writer;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;

mod filters;
mod guarded;
mod import;

/// Knows one librarian, by a token.
struct Librarian;

#[async_trait]
impl Authenticator for Librarian {
    async fn authenticate(&self, headers: &HeaderMap, _: Option<IpAddr>, _: bool) -> Result<Principal, AuthError> {
        match headers.get("authorization") {
            Some(token) if token == "Bearer aut_librarian" => Ok(Principal {
                permissions: BTreeSet::from([EVERYTHING.to_owned()]),
                is_superuser: false,
                ..Principal::operator(Actor::cli("librarian"), TenantId::DEFAULT)
            }),
            Some(_) => Err(AuthError::Invalid),
            None => Err(AuthError::Missing),
        }
    }
}

struct Library {
    address: SocketAddr,
    parts: Parts,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<Result<(), AppError>>,
    _folder: tempfile::TempDir,
}

impl Library {
    async fn open() -> Self {
        Self::of(app()).await
    }

    async fn of(app: App) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}", folder.path().join("automate.db").display());
        config.data_dir = folder.path().to_owned();
        let parts = app.authenticator(Librarian).build(&config, Role::Accept).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (parts, stop) = (parts.clone(), stop.clone());
            async move { parts.serve(listener, &config, Role::Accept, stop).await }
        });
        Self { address, parts, stop, serving, _folder: folder }
    }

    async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
        self.parts.close().await;
    }

    /// The cookie of somebody who has logged in to the admin.
    async fn cookie(&self) -> String {
        let identity = &self.parts.identity;
        let principal = Principal::operator(Actor::cli("librarian"), TenantId::DEFAULT);
        let (email, password) = ("ada@example.com".to_owned(), "a long walk by the sea".to_owned());
        let user = NewUser {
            email: email.clone(),
            password: Some(Password::new(password.clone())),
            tenant: Some(TenantId::DEFAULT),
            is_staff: true,
            is_superuser: true,
            ..NewUser::default()
        };
        identity.create_user(Writer { principal, origin: Origin::default() }, user).await.unwrap();
        let credentials = Credentials { email, password: Password::new(password), code: None, next: None };
        let client = Client { address: self.address.ip(), origin: Origin::default() };
        match identity.log_in(credentials, &client, None).await.unwrap() {
            LogIn::Done(done) => done.session.set_cookie.split(';').next().unwrap().to_owned(),
            LogIn::SecondFactor { .. } => panic!("nobody set a second factor up"),
        }
    }

    async fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> (u16, String, Value) {
        let headers = format!("authorization: Bearer aut_librarian\r\ncontent-type: application/json\r\n{headers}");
        let (head, body) = self.send(method, target, &headers, body).await;
        let status = head[9..12].parse().unwrap();
        (status, head.to_lowercase(), serde_json::from_str(&body).unwrap_or_default())
    }

    /// The head and the body of the answer.
    async fn send(&self, method: &str, target: &str, headers: &str, body: impl AsRef<[u8]>) -> (String, String) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let (body, length) = (body.as_ref(), body.as_ref().len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: library\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// Adds a book over REST; answers its id.
    async fn add(&self, title: &str, author: &str, pages: i64) -> String {
        let body = json!({ "title": title, "author": author, "pages": pages }).to_string();
        let (status, _, row) = self.ask("POST", "/api/v1/books", "", &body).await;
        assert_eq!(status, 201, "{row}");
        row["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, target: &str) -> Value {
        let (status, _, body) = self.ask("GET", target, "", "").await;
        assert_eq!(status, 200, "{target}: {body}");
        body
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_lines_serve_a_table_of_ones_own() {
    let library = Library::open().await;
    for (title, author, pages) in
        [("Dune", "Frank Herbert", 612), ("Momo", "Michael Ende", 269), ("Emma", "Jane Austen", 474)]
    {
        let body = json!({ "title": title, "author": author, "pages": pages }).to_string();
        let (status, head, row) = library.ask("POST", "/api/v1/books", "", &body).await;
        assert_eq!((status, &row["title"]), (201, &json!(title)), "{row}");
        assert!(head.contains(&format!("location: /api/v1/books/{}", row["id"].as_str().unwrap())), "{head}");
    }
    let titles = |page: Value| -> Vec<String> {
        page["results"].as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles(library.get("/api/v1/books?ordering=title").await), ["Dune", "Emma", "Momo"]);
    assert_eq!(titles(library.get("/api/v1/books?pages__lt=500&ordering=-pages").await), ["Emma", "Momo"]);
    assert_eq!(titles(library.get("/api/v1/books?search=ende").await), ["Momo"]);
    let first = library.get("/api/v1/books?ordering=title&limit=2").await;
    let next = format!("/api/v1/books?ordering=title&limit=2&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(titles(library.get(&next).await), ["Momo"]);

    let momo =
        library.get("/api/v1/books?author=Michael%20Ende").await["results"][0]["id"].as_str().unwrap().to_owned();
    let target = format!("/api/v1/books/{momo}");
    let (status, head, row) = library.ask("PATCH", &target, "if-match: \"1\"\r\n", r#"{"pages":304}"#).await;
    assert_eq!((status, &row["pages"]), (200, &json!(304)), "{row}");
    assert!(head.contains("etag: \"2\""), "{head}");
    assert_eq!(library.ask("PATCH", &target, "if-match: \"1\"\r\n", r#"{"pages":1}"#).await.0, 412);
    assert_eq!(
        library.ask("POST", "/api/v1/books", "", r#"{"title":"A","author":"B","pages":1,"id":"x"}"#).await.0,
        400
    );
    assert_eq!(library.ask("DELETE", &target, "", "").await.0, 204);
    assert_eq!(library.ask("GET", &target, "", "").await.0, 404);
    let document = library.get("/api/v1/openapi.json").await;
    assert!(document["paths"]["/api/v1/books/{id}"]["patch"].is_object());
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_an_export_holds_no_formula_and_numbers_are_numbers() {
    const FORMULAS: [&str; 5] = ["=1+1", "+SUM(A1)", "-2+3", "@now", "=HYPERLINK(\"https://evil.example\",\"x\")"];
    let library = Library::open().await;
    for title in FORMULAS {
        library.add(title, "Ada, Countess", -7).await;
    }
    let cookie = format!("cookie: {}\r\n", library.cookie().await);
    let (head, file) = library.send("GET", "/admin/books/book/export/?format=csv", &cookie, "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("attachment"), "{head}\n{file}");
    for title in FORMULAS {
        let cell = title.replace('"', "\"\"");
        assert!(file.contains(&format!("'{cell}")), "{title} in {file}");
        assert!(!file.lines().any(|line| line.split(',').any(|cell| cell.trim_matches('"') == title)), "{file}");
    }
    assert!(file.contains("\"Ada, Countess\"") && file.contains("-7") && !file.contains("'-7"), "{file}");
    library.close().await;
}
