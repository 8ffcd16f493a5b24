//! A sender of webhooks that does what Standard Webhooks asks of one: it signs every attempt anew
//! and repeats a delivery, under the same id, until it gets a 2xx.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use automate_connectors::verify;
use automate_core::document::definition::VerifyScheme;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// The secret that deliveries are signed with.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// The pause between two attempts, whatever the server asks for.
const PAUSE: Duration = Duration::from_millis(40);
/// How long one delivery is repeated.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where servers listen at the moment.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Arc<Mutex<BTreeMap<String, String>>>);

impl Addresses {
    /// A server listens.
    ///
    /// # Panics
    /// Where a holder panicked.
    pub fn set(&self, name: &str, address: &str) {
        self.0.lock().unwrap().insert(name.to_owned(), address.to_owned());
    }

    /// A server is gone.
    ///
    /// # Panics
    /// Where a holder panicked.
    pub fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    fn pick(&self, turn: usize) -> Option<String> {
        let all = self.0.lock().unwrap();
        all.values().nth(turn % all.len().max(1)).cloned()
    }
}

/// An answer to an attempt.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The stable code of a problem, or nothing.
    #[must_use]
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// What became of the deliveries.
#[derive(Debug, Default)]
pub struct Told {
    /// The executions that each delivery was told, by its number.
    pub accepted: BTreeMap<u64, BTreeSet<String>>,
    /// How many attempts were made.
    pub attempts: u64,
    /// How many attempts were answered with which status; 0 is none.
    pub statuses: BTreeMap<u16, u64>,
}

/// Sends deliveries `0..`, as many as it is allowed, over several connections.
#[derive(Debug, Clone)]
pub struct Sender {
    path: String,
    addresses: Addresses,
    told: Arc<Mutex<Told>>,
    room: Arc<Semaphore>,
}

impl Sender {
    /// A sender to a path, with as many connections at once.
    #[must_use]
    pub fn new(path: &str, addresses: &Addresses, connections: usize) -> Self {
        Self {
            path: path.to_owned(),
            addresses: addresses.clone(),
            told: Arc::default(),
            room: Arc::new(Semaphore::new(connections)),
        }
    }

    /// Begins to send the deliveries of a range; each goes on until it is accepted.
    #[must_use]
    pub fn send(&self, numbers: std::ops::Range<u64>) -> tokio::task::JoinSet<()> {
        let mut tasks = tokio::task::JoinSet::new();
        for number in numbers {
            let sender = self.clone();
            tasks.spawn(async move { sender.deliver(number).await });
        }
        tasks
    }

    /// What has become of the deliveries so far.
    ///
    /// # Panics
    /// Where a sending task panicked.
    pub fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.lock().unwrap())
    }

    /// How many deliveries were accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.told(|told| told.accepted.len())
    }

    async fn deliver(&self, number: u64) {
        let begun = Instant::now();
        let mut turn = usize::try_from(number).unwrap_or_default();
        let mut last = None;
        while begun.elapsed() < PATIENCE {
            let permit = self.room.acquire().await.unwrap();
            let Some(address) = self.addresses.pick(turn) else {
                drop(permit);
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let answer = attempt(&address, &self.path, number).await;
            drop(permit);
            if self.took(number, answer.as_ref()) {
                return;
            }
            if let Some(answer) = &answer {
                assert!(answer.status >= 500, "delivery {number} was refused for good: {answer:?}");
            }
            last = answer.or(last);
            turn += 1;
            tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
        }
        panic!("delivery {number} was not accepted within {PATIENCE:?}; the last answer was {last:?}");
    }

    fn took(&self, number: u64, answer: Option<&Answer>) -> bool {
        let mut told = self.told.lock().unwrap();
        told.attempts += 1;
        *told.statuses.entry(answer.map_or(0, |answer| answer.status)).or_default() += 1;
        let Some(answer) = answer.filter(|answer| answer.status == 202) else { return false };
        // A body that was cut off tells no ids; the delivery is repeated to learn them.
        let Ok(body) = serde_json::from_str::<Value>(&answer.body) else { return false };
        let ids = body["execution_ids"].as_array().cloned().unwrap_or_default();
        let of_delivery = told.accepted.entry(number).or_default();
        of_delivery.extend(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)));
        true
    }
}

/// One attempt of a delivery; `None` where the connection gave no answer.
///
/// # Panics
/// Where the secret cannot sign.
pub async fn attempt(address: &str, path: &str, number: u64) -> Option<Answer> {
    let id = format!("msg_{number}");
    let body = format!("{{\"n\": {number}}}");
    let now = automate_core::clock::now();
    let mut head = format!("POST /hooks/default/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    for (name, value) in verify::sign(VerifyScheme::Standard, SECRET, None, &id, now, body.as_bytes()).unwrap() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    exchange(address, &format!("{head}\r\n{body}")).await
}

/// A GET; `None` where the connection gave no answer.
pub async fn get(address: &str, path: &str) -> Option<Answer> {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await
}

async fn exchange(address: &str, request: &str) -> Option<Answer> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        parse(&String::from_utf8_lossy(&answer))
    };
    tokio::time::timeout(ATTEMPT, talk).await.ok().flatten()
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.get(9..12)?.parse().ok()?;
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Answer { status, headers: lines.filter_map(pair).collect(), body: body.to_owned() })
}
