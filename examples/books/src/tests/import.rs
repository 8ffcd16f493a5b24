//! Files that are imported.

use super::*;

const IMPORT: &str = "/admin/books/book/import/";
const BETWEEN: &str = "----a-line-between";

/// Somebody at the page for imports.
struct Importer {
    library: Library,
    headers: String,
    csrf: String,
}

impl Importer {
    async fn open() -> Self {
        let library = Library::open().await;
        let cookie = format!("cookie: {}\r\n", library.cookie().await);
        let (_, page) = library.send("GET", IMPORT, &cookie, "").await;
        assert!(page.contains("enctype=\"multipart/form-data\"") && page.contains("type=\"file\""), "{page}");
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let headers = format!("{cookie}content-type: multipart/form-data; boundary={BETWEEN}\r\n");
        Self { csrf: csrf.to_owned(), library, headers }
    }

    /// A form with a file.
    fn form(&self, fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
        let mut form = Vec::new();
        for (name, value) in fields.iter().chain(&[("csrf", self.csrf.as_str())]) {
            let field = format!("--{BETWEEN}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            form.extend_from_slice(field.as_bytes());
        }
        let name = if file.is_empty() { "" } else { "books.csv" };
        let head = format!(
            "--{BETWEEN}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: text/csv\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(file);
        form.extend_from_slice(format!("\r\n--{BETWEEN}--\r\n").as_bytes());
        form
    }

    /// The status, and the page.
    async fn send(&self, fields: &[(&str, &str)], file: &[u8]) -> (u16, String) {
        let (head, page) = self.library.send("POST", IMPORT, &self.headers, self.form(fields, file)).await;
        (head[9..12].parse().unwrap(), page)
    }

    async fn books(&self) -> usize {
        self.library.get("/api/v1/books").await["results"].as_array().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_imported_as_a_text_is() {
    let importer = Importer::open().await;
    let file = "\u{feff}Title;Author;Pages\r\n\"Die, Wolke\";Gudrun Pausewang;160\r\nMomo;Michael Ende;many\r\n";
    let (status, page) = importer.send(&[("step", "map"), ("csv", "")], file.as_bytes()).await;
    assert!(status == 200 && page.contains("Say which column") && page.contains("Gudrun Pausewang"), "{page}");
    // What the steps behind it carry is the text.
    let matched = [("csv", file), ("column-0", "title"), ("column-1", "author"), ("column-2", "pages")];
    let (status, page) = importer.send(&[&[("step", "preview")], &matched[..]].concat(), b"").await;
    assert!(status == 200 && page.contains("Import 1 books"), "{page}");
    assert_eq!(importer.books().await, 0, "a preview stores nothing");
    let (status, page) = importer.send(&[&[("step", "run")], &matched[..]].concat(), b"").await;
    assert!(status == 200 && page.contains("Download the rows that failed"), "{page}");
    let book = importer.library.get("/api/v1/books").await["results"][0].clone();
    assert_eq!((&book["title"], &book["pages"]), (&json!("Die, Wolke"), &json!(160)));
    // A text without a file goes the same way, also from a form of old.
    let headers = importer
        .headers
        .replace(&format!("multipart/form-data; boundary={BETWEEN}"), "application/x-www-form-urlencoded");
    let form = format!("step=map&csrf={}&csv=title%0ADune", importer.csrf);
    let (_, page) = importer.library.send("POST", IMPORT, &headers, form).await;
    assert!(page.contains("Say which column"), "{page}");
    importer.library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_is_refused_with_what_to_do() {
    let importer = Importer::open().await;
    let step = [("step", "map"), ("csv", "")];
    let long = vec![b'a'; 4 * 1024 * 1024 + 1];
    for (file, status, says) in [
        (&b"title,pages\nM\xfcller,3\n"[..], 422, "line 2 is not UTF-8"),
        (&b"PK\x03\x04\x14\0"[..], 422, "save it as CSV"),
        (&b"title\n1,2\n"[..], 422, "line 2 has 2 fields"),
        (&b""[..], 422, "there is nothing in it"),
        (&long[..], 413, "more than 4 MiB"),
    ] {
        let (found, page) = importer.send(&step, file).await;
        assert!(found == status && page.contains(says), "{says}: {found} {page}");
        assert!(page.contains("id=\"errors\"") && page.contains("type=\"file\""), "it can be sent again");
    }
    let (status, page) = importer.send(&[("step", "map"), ("csv", "title\nDune")], b"title\nMomo").await;
    assert!(status == 422 && page.contains("send one of them"), "{page}");
    importer.library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_else_has_sent_is_not_looked_at() {
    let importer = Importer::open().await;
    let (library, fields) = (&importer.library, [("step", "run"), ("csv", ""), ("column-0", "title")]);
    let form = importer.form(&fields, b"title\nDune\n");
    let proofless = String::from_utf8(form.clone()).unwrap().replace(&importer.csrf, "zebra");
    let elsewhere = format!("{}origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n", importer.headers);
    for (headers, form) in [(&importer.headers, proofless.into_bytes()), (&elsewhere, form.clone())] {
        let (head, _) = library.send("POST", IMPORT, headers, form).await;
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    }
    // Only the page for imports takes files; what is cut off is no form.
    let (head, _) = library.send("POST", "/admin/books/book/add/", &importer.headers, &form).await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    let (head, _) = library.send("POST", IMPORT, &importer.headers, &form[..form.len() / 2]).await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert_eq!(importer.books().await, 0);
    importer.library.close().await;
}
