//! The chain of backends, with a cache.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use automate_core::expr::secret::Scrubber;
use automate_core::ids::TenantId;
use automate_core::secrets::{
    BackendHealth, Purpose, SecretError, SecretRef, SecretResolver, SecretValue, SecretsBackend,
};
use automate_core::{clock, limits};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::reads::{LogReads, ReadOutcome, SecretRead, SecretReads};

/// Counts changes of secrets in this process; clones count together.
#[derive(Debug, Clone, Default)]
pub struct SecretChanges(Arc<AtomicU64>);

impl SecretChanges {
    /// Says that something has changed.
    pub fn bump(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Asks backends in order; `backend/KEY` asks one of them alone, `KEY?version=N` those that keep
/// versions. What it resolves, the scrubber of the logs looks for from then on.
///
/// A backend that cannot answer ends the search: going on would let a lower one stand in for it
/// unnoticed. Only values are kept: what was not found, or could not be read, is asked for again.
pub struct SecretChain {
    backends: Vec<Arc<dyn SecretsBackend>>,
    cache_for: Duration,
    changes: SecretChanges,
    scrubber: Scrubber,
    reads: Arc<dyn SecretReads>,
    cache: Arc<Mutex<Cache>>,
    flights: Mutex<HashMap<(Entry, u64), Flight>>,
}

/// A tenant, and a reference as it was written.
type Entry = (TenantId, String);

/// A question that is being asked: who comes meanwhile waits for the same answer.
type Flight = Arc<OnceCell<Result<Answer, SecretError>>>;

/// A value, and the backend that had it.
#[derive(Clone)]
struct Answer {
    value: SecretValue,
    backend: Arc<str>,
}

/// Somebody who waits for a flight. Whoever leaves first, also by being dropped, ends it for those
/// who come later.
struct Aboard<'a> {
    chain: &'a SecretChain,
    place: (Entry, u64),
    flight: Flight,
}

impl Drop for Aboard<'_> {
    fn drop(&mut self) {
        let mut flights = self.chain.flights();
        if flights.get(&self.place).is_some_and(|current| Arc::ptr_eq(current, &self.flight)) {
            flights.remove(&self.place);
        }
    }
}

#[derive(Default)]
struct Cache {
    /// The count of changes that the entries belong to.
    seen: u64,
    entries: HashMap<Entry, (Answer, Instant)>,
    /// Whether a task is there that drops what has expired.
    swept: bool,
}

/// Drops what has expired, for as long as there is something: a value that nobody asks for any more
/// must not stay in memory for as long as the process lives.
async fn sweep(cache: Weak<Mutex<Cache>>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(cache) = cache.upgrade() else { return };
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        cache.entries.retain(|_, (_, until)| *until > now);
        if cache.entries.is_empty() {
            // What was large once need not stay so.
            cache.entries.shrink_to_fit();
            cache.swept = false;
            return;
        }
    }
}

impl SecretChain {
    /// A chain that keeps values for a while; zero asks the backends each time. `changes` is that of
    /// the [`DatabaseBackend`](super::DatabaseBackend) in the chain, where there is one.
    #[must_use]
    pub fn new(backends: Vec<Arc<dyn SecretsBackend>>, cache_for: Duration, changes: SecretChanges) -> Self {
        Self {
            backends,
            cache_for,
            changes,
            scrubber: crate::redaction::process_scrubber().clone(),
            reads: Arc::new(LogReads),
            cache: Arc::default(),
            flights: Mutex::default(),
        }
    }

    /// The same, telling each reading to `reads` instead of the log.
    #[must_use]
    pub fn with_reads(mut self, reads: Arc<dyn SecretReads>) -> Self {
        self.reads = reads;
        self
    }

    /// The names of the backends, in order.
    #[must_use]
    pub fn backends(&self) -> Vec<String> {
        self.backends.iter().map(|backend| backend.name().to_owned()).collect()
    }

    /// How each backend is, in order.
    pub async fn health(&self) -> Vec<(String, BackendHealth)> {
        let mut all = Vec::with_capacity(self.backends.len());
        for backend in &self.backends {
            let health = tokio::time::timeout(limits::DATABASE_TIMEOUT, backend.health()).await;
            let health = health.unwrap_or_else(|_| {
                BackendHealth::Fail(
                    format!("no answer within {:?}", limits::DATABASE_TIMEOUT),
                    "see whether it is up, and reachable from here".to_owned(),
                )
            });
            all.push((backend.name().to_owned(), health));
        }
        all
    }

    fn cached(&self, entry: &Entry, now: Instant) -> Option<Answer> {
        let cache = self.fresh_cache();
        cache.entries.get(entry).filter(|(_, until)| *until > now).map(|(answer, _)| answer.clone())
    }

    /// `as_of` is the count of changes before the backend was asked: a value that was read before a
    /// change must not be kept after it.
    fn keep(&self, entry: Entry, answer: &Answer, now: Instant, as_of: u64) {
        let mut cache = self.fresh_cache();
        if self.cache_for.is_zero() || cache.seen != as_of {
            return;
        }
        if cache.entries.len() >= limits::SECRET_CACHE {
            cache.entries.retain(|_, (_, until)| *until > now);
            if cache.entries.len() >= limits::SECRET_CACHE {
                cache.entries.clear();
            }
        }
        cache.entries.insert(entry, (answer.clone(), now + self.cache_for));
        if !cache.swept {
            cache.swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.cache), self.cache_for));
        }
    }

    fn fresh_cache(&self) -> MutexGuard<'_, Cache> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.changes.count();
        if cache.seen != count {
            cache.entries.clear();
            cache.seen = count;
        }
        cache
    }

    /// Asks once for all who want the same at the same time: an expired value that a thousand steps
    /// need is one question to the backend.
    async fn ask_together(&self, entry: &Entry, reference: &SecretRef<'_>) -> Result<Answer, SecretError> {
        let now = Instant::now();
        let as_of = self.changes.count();
        if self.cache_for.is_zero() {
            return self.ask(entry.0, reference).await;
        }
        // What began before a change is not joined after it.
        let place = (entry.clone(), as_of);
        let flight = Arc::clone(self.flights().entry(place.clone()).or_default());
        let aboard = Aboard { chain: self, place, flight };
        let answer = aboard.flight.get_or_init(|| self.ask(entry.0, reference)).await.clone();
        if let Ok(answer) = &answer {
            self.keep(entry.clone(), answer, now, as_of);
        }
        answer
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<(Entry, u64), Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, tenant: TenantId, reference: &SecretRef<'_>) -> Result<Answer, SecretError> {
        let SecretRef { backend: only, key, version } = *reference;
        let named = self.backends.iter().filter(|b| only.is_none_or(|name| name == b.name()));
        let named: Vec<_> = named.collect();
        if let (Some(backend), true) = (only, named.is_empty()) {
            return Err(SecretError::Unavailable {
                key: key.to_owned(),
                backend: backend.to_owned(),
                reason: format!("there is no such backend; `secrets.backends` names {}", self.backends().join(", ")),
            });
        }
        let names = |backends: &[&Arc<dyn SecretsBackend>]| backends.iter().map(|b| b.name().to_owned()).collect();
        let asked: Vec<_> = named.iter().copied().filter(|b| version.is_none() || b.has_versions()).collect();
        if asked.is_empty() {
            return Err(SecretError::Unversioned { key: key.to_owned(), asked: names(&named) });
        }
        for backend in &asked {
            let question = async {
                match version {
                    Some(version) => backend.get_version(tenant, key, version).await,
                    None => backend.get_secret(tenant, key).await,
                }
            };
            let answer = tokio::time::timeout(limits::DATABASE_TIMEOUT, question).await;
            let value = answer.unwrap_or_else(|_| {
                Err(SecretError::Unavailable {
                    key: key.to_owned(),
                    backend: backend.name().to_owned(),
                    reason: format!("no answer within {:?}", limits::DATABASE_TIMEOUT),
                })
            })?;
            if let Some(value) = value {
                if !self.scrubber.add(&value) {
                    tracing::warn!(
                        key,
                        "a secret is too short to be looked for in logs and outputs; use 8 characters or more"
                    );
                }
                return Ok(Answer { value, backend: backend.name().into() });
            }
        }
        let key = SecretRef { backend: None, key, version }.to_string();
        Err(SecretError::NotFound { key, asked: names(&asked) })
    }

    fn note(
        &self,
        tenant: TenantId,
        reference: Option<&SecretRef<'_>>,
        purpose: &Purpose,
        result: Result<(&Answer, bool), &SecretError>,
    ) {
        let (backend, outcome, key) = match result {
            Ok((answer, true)) => (Some(answer.backend.to_string()), ReadOutcome::Cached, None),
            Ok((answer, false)) => (Some(answer.backend.to_string()), ReadOutcome::Found, None),
            Err(SecretError::NotFound { .. }) => (None, ReadOutcome::NotFound, None),
            Err(SecretError::Unavailable { backend, .. }) => (Some(backend.clone()), ReadOutcome::Unavailable, None),
            Err(SecretError::Unversioned { .. }) => (None, ReadOutcome::Refused, None),
            Err(SecretError::InvalidKey { key }) => (None, ReadOutcome::Refused, Some(key.clone())),
        };
        self.reads.read(SecretRead {
            at: clock::now(),
            tenant,
            key: key.or_else(|| reference.map(|r| r.key.to_owned())).unwrap_or_default(),
            backend: backend.or_else(|| reference.and_then(|r| r.backend).map(str::to_owned)),
            version: reference.and_then(|r| r.version),
            purpose: purpose.clone(),
            outcome,
        });
    }
}

#[async_trait]
impl SecretResolver for SecretChain {
    async fn resolve(&self, tenant: TenantId, key: &str) -> Result<SecretValue, SecretError> {
        self.resolve_for(tenant, key, &Purpose::Unknown).await
    }

    async fn resolve_for(&self, tenant: TenantId, key: &str, purpose: &Purpose) -> Result<SecretValue, SecretError> {
        let reference = match SecretRef::parse(key) {
            Ok(reference) => reference,
            Err(error) => {
                self.note(tenant, None, purpose, Err(&error));
                return Err(error);
            }
        };
        let entry = (tenant, key.to_owned());
        if let Some(answer) = self.cached(&entry, Instant::now()) {
            self.note(tenant, Some(&reference), purpose, Ok((&answer, true)));
            return Ok(answer.value);
        }
        let answer = self.ask_together(&entry, &reference).await;
        self.note(tenant, Some(&reference), purpose, answer.as_ref().map(|answer| (answer, false)));
        answer.map(|answer| answer.value)
    }
}

#[cfg(test)]
mod tests;
