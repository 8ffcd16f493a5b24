//! A service that tells everybody everything it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

/// `/echo` answers 200, `/flaky` 503 to the first request of each `x-run` and then 200, `/refuse`
/// 400; each with the whole request in the body, in several encodings, and in the headers.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<String>>,
}

impl Upstream {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(String::new()));
        let (all, flaky) = (Arc::clone(&seen), Arc::new(Mutex::new(BTreeMap::<String, u32>::new())));
        // Ends with the process of the test, as its connections do.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, flaky) = (Arc::clone(&all), Arc::clone(&flaky));
                // A client that goes away is of no interest here.
                std::thread::spawn(move || drop(answer(stream, &seen, &flaky)));
            }
        });
        Self { address, seen }
    }

    /// Everything that was received, as it came.
    pub(super) fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<String>, flaky: &Mutex<BTreeMap<String, u32>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let headers: BTreeMap<String, String> = head
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let line = head.first().cloned().unwrap_or_default();
    seen.lock().unwrap().push_str(&format!("{}\n{body}\n", head.join("\n")));

    let run = headers.get("x-run").cloned().unwrap_or_default();
    let status = if line.contains(" /refuse") {
        "400 Bad Request"
    } else if line.contains(" /flaky") && first(&mut flaky.lock().unwrap(), run) {
        "503 Service Unavailable"
    } else {
        "200 OK"
    };
    let authorization = headers.get("authorization").cloned().unwrap_or_default();
    // Once: what was encoded twice is beyond what is promised.
    let bearer = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let parsed: Value = serde_json::from_str(&body).unwrap_or_default();
    let token = parsed["token"].as_str().unwrap_or_default();
    let base64 = base64::engine::general_purpose::STANDARD;
    let told = json!({
        "line": line,
        "headers": headers,
        "body": body,
        "parsed": parsed,
        "hex": [hex::encode(bearer), hex::encode_upper(bearer), hex::encode(token)],
        "base64": [
            base64.encode(bearer), base64.encode(format!("a{bearer}")), base64.encode(format!("ab{bearer}")),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token),
        ],
        "reversed": [bearer.chars().rev().collect::<String>(), token.chars().rev().collect::<String>()],
        "gzip": [base64.encode(gzip(bearer)), base64.encode(gzip(&format!("{{\"token\": \"{token}\"}}")))],
    })
    .to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         x-you-said: {authorization}\r\n\r\n{told}",
        told.len()
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn first(counts: &mut BTreeMap<String, u32>, run: String) -> bool {
    let count = counts.entry(run).or_default();
    *count += 1;
    *count == 1
}
