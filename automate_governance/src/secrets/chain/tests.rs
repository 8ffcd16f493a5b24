use std::collections::BTreeMap;

use super::*;
use crate::secrets::EnvBackend;

/// Answers from a table that a test changes, and counts how often it is asked.
struct Shelf {
    name: &'static str,
    values: Mutex<BTreeMap<&'static str, &'static str>>,
    asked: AtomicU64,
    broken: bool,
}

impl Shelf {
    fn new(name: &'static str, values: &[(&'static str, &'static str)]) -> Arc<Self> {
        let values = Mutex::new(values.iter().copied().collect());
        Arc::new(Self { name, values, asked: AtomicU64::new(0), broken: false })
    }
}

#[async_trait]
impl SecretsBackend for Shelf {
    fn name(&self) -> &str {
        self.name
    }

    async fn get_secret(&self, _: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.broken {
            let (key, backend) = (key.to_owned(), self.name.to_owned());
            return Err(SecretError::Unavailable { key, backend, reason: "down".to_owned() });
        }
        Ok(self.values.lock().unwrap().get(key).map(|v| SecretValue::new((*v).to_owned())))
    }
}

fn chain(backends: Vec<Arc<dyn SecretsBackend>>) -> SecretChain {
    SecretChain::new(backends, Duration::from_secs(60), SecretChanges::default())
}

async fn value(chain: &SecretChain, key: &str) -> Result<String, SecretError> {
    chain.resolve(TenantId::DEFAULT, key).await.map(|v| v.expose_secret().to_owned())
}

#[tokio::test]
async fn backends_are_asked_in_order_and_one_of_them_by_name() {
    let (one, two) =
        (Shelf::new("one", &[("A", "first-of-a")]), Shelf::new("two", &[("A", "second-of-a"), ("B", "only-b")]));
    let chain = chain(vec![one, two]);
    assert_eq!(value(&chain, "A").await.unwrap(), "first-of-a");
    assert_eq!(value(&chain, "two/A").await.unwrap(), "second-of-a");
    assert_eq!(value(&chain, "B").await.unwrap(), "only-b");
    let missing = value(&chain, "C").await.unwrap_err();
    assert_eq!(missing, SecretError::NotFound { key: "C".into(), asked: vec!["one".into(), "two".into()] });
    assert!(missing.to_string().contains("asked: one, two"));
    assert_eq!(
        value(&chain, "one/B").await.unwrap_err(),
        SecretError::NotFound { key: "B".into(), asked: vec!["one".into()] }
    );
    let unknown = value(&chain, "vault/A").await.unwrap_err().to_string();
    assert!(unknown.contains("vault") && unknown.contains("one, two"), "{unknown}");
    for bad in ["", "a b", "a/b/c", "A?version=0", "/A"] {
        assert!(matches!(value(&chain, bad).await, Err(SecretError::InvalidKey { .. })), "{bad}");
    }
}

#[tokio::test]
async fn a_backend_that_is_down_is_not_passed_over() {
    let broken = Arc::new(Shelf { name: "one", values: Mutex::default(), asked: AtomicU64::new(0), broken: true });
    let chain = chain(vec![broken, Shelf::new("two", &[("A", "stand-in-value")])]);
    assert!(matches!(value(&chain, "A").await, Err(SecretError::Unavailable { backend, .. }) if backend == "one"));
    assert_eq!(value(&chain, "two/A").await.unwrap(), "stand-in-value");
}

#[tokio::test(start_paused = true)]
async fn s1_values_are_kept_until_they_expire_or_change() {
    let shelf = Shelf::new("one", &[("A", "value-one")]);
    let changes = SecretChanges::default();
    let chain = SecretChain::new(vec![shelf.clone()], Duration::from_secs(60), changes.clone());
    for _ in 0..3 {
        assert_eq!(value(&chain, "A").await.unwrap(), "value-one");
    }
    assert_eq!(shelf.asked.load(Ordering::SeqCst), 1);
    shelf.values.lock().unwrap().insert("A", "value-two");
    assert_eq!(value(&chain, "A").await.unwrap(), "value-one");
    changes.bump();
    assert_eq!(value(&chain, "A").await.unwrap(), "value-two");
    shelf.values.lock().unwrap().insert("A", "value-three");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(value(&chain, "A").await.unwrap(), "value-three");
    assert_eq!(shelf.asked.load(Ordering::SeqCst), 3);
    // Another tenant has an entry of its own.
    assert!(chain.cached(&(TenantId::new(), "A".into()), Instant::now()).is_none());
    let stale = Answer { value: SecretValue::new("stale-value".into()), backend: "one".into() };
    // A value that was read before a change is not kept after it.
    chain.keep((TenantId::DEFAULT, "A".into()), &stale, Instant::now(), 0);
    assert_eq!(value(&chain, "A").await.unwrap(), "value-three");
}

#[tokio::test]
async fn s3_what_is_resolved_is_scrubbed_from_then_on_and_s4_short_values_are_not() {
    let env = BTreeMap::from([
        ("AUTOMATE_SECRET_LONG".to_owned(), "chain-canary-71c2".to_owned()),
        ("AUTOMATE_SECRET_SHORT".to_owned(), "abc".to_owned()),
    ]);
    let chain = chain(vec![Arc::new(EnvBackend::new("AUTOMATE_SECRET_", &env))]);
    value(&chain, "LONG").await.unwrap();
    value(&chain, "SHORT").await.unwrap();
    let scrubber = crate::redaction::process_scrubber();
    assert_eq!(scrubber.scrub_str("x chain-canary-71c2 y"), "x *** y");
    assert_eq!(scrubber.scrub_str("the abc of it"), "the abc of it");
}

/// Has three versions of one key.
struct Versioned(&'static str);

#[async_trait]
impl SecretsBackend for Versioned {
    fn name(&self) -> &str {
        self.0
    }

    async fn get_secret(&self, _: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        Ok((key == "A").then(|| SecretValue::new("version-three".to_owned())))
    }

    fn has_versions(&self) -> bool {
        true
    }

    async fn get_version(&self, _: TenantId, key: &str, version: u32) -> Result<Option<SecretValue>, SecretError> {
        let versions = ["version-one", "version-two", "version-three"];
        let found = (key == "A").then(|| versions.get(version as usize - 1)).flatten();
        Ok(found.map(|v| SecretValue::new((*v).to_owned())))
    }
}

#[tokio::test]
async fn a_version_is_asked_of_those_who_keep_versions_and_kept_apart_from_the_newest() {
    let plain = Shelf::new("env", &[("A", "without-version")]);
    let chain = chain(vec![plain.clone(), Arc::new(Versioned("database"))]);
    assert_eq!(value(&chain, "A").await.unwrap(), "without-version");
    assert_eq!(value(&chain, "A?version=1").await.unwrap(), "version-one");
    assert_eq!(value(&chain, "database/A?version=2").await.unwrap(), "version-two");
    assert_eq!(value(&chain, "database/A").await.unwrap(), "version-three");
    assert_eq!(value(&chain, "A").await.unwrap(), "without-version");
    assert_eq!(
        value(&chain, "A?version=9").await.unwrap_err(),
        SecretError::NotFound { key: "A?version=9".into(), asked: vec!["database".into()] }
    );
    let refused = SecretError::Unversioned { key: "A".into(), asked: vec!["env".into()] };
    assert_eq!(value(&chain, "env/A?version=1").await.unwrap_err(), refused);
    assert_eq!(plain.asked.load(Ordering::SeqCst), 1);
}

/// Keeps what it is told.
#[derive(Default)]
struct Book(Mutex<Vec<SecretRead>>);

impl SecretReads for Book {
    fn read(&self, read: SecretRead) {
        self.0.lock().unwrap().push(read);
    }
}

#[tokio::test]
async fn each_reading_is_told_cached_or_not_and_without_its_value() {
    let book = Arc::new(Book::default());
    let broken = Arc::new(Shelf { name: "two", values: Mutex::default(), asked: AtomicU64::new(0), broken: true });
    let one = Shelf::new("one", &[("A", "book-canary-5e1f")]);
    let chain = chain(vec![one, broken, Arc::new(Versioned("three"))]).with_reads(book.clone());
    let tenant = TenantId::new();
    let purpose = Purpose::Webhook { path: "in/orders".to_owned() };
    for key in ["A", "A", "one/B", "B", "three/A?version=1", "no such key", "one/A?version=1"] {
        let _ = chain.resolve_for(tenant, key, &purpose).await;
    }
    let told = book.0.lock().unwrap();
    let shown: Vec<_> = told
        .iter()
        .map(|r| format!("{} {:?} {:?} {}", r.key, r.backend.as_deref(), r.version, r.outcome.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            r#"A Some("one") None found"#,
            r#"A Some("one") None cached"#,
            r#"B Some("one") None not_found"#,
            r#"B Some("two") None unavailable"#,
            r#"A Some("three") Some(1) found"#,
            "no such key None None refused",
            r#"A Some("one") Some(1) refused"#,
        ]
    );
    assert!(told.iter().all(|read| read.tenant == tenant && read.purpose == purpose));
    assert!(!format!("{told:?}").contains("canary"));
}

/// Answers when it is let, and counts.
struct Slow {
    asked: AtomicU64,
    gate: tokio::sync::Semaphore,
    fails: bool,
}

#[async_trait]
impl SecretsBackend for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn get_secret(&self, _: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        if self.fails {
            return Err(SecretError::Unavailable { key: key.into(), backend: "slow".into(), reason: "down".into() });
        }
        Ok(Some(SecretValue::new("slow-value".to_owned())))
    }
}

#[tokio::test]
async fn s1_a_thousand_steps_that_need_an_expired_value_ask_once() {
    for fails in [false, true] {
        let slow = Arc::new(Slow { asked: AtomicU64::new(0), gate: tokio::sync::Semaphore::new(0), fails });
        let chain = Arc::new(chain(vec![slow.clone()]));
        let mut steps = tokio::task::JoinSet::new();
        for _ in 0..1_000 {
            let chain = chain.clone();
            steps.spawn(async move { value(&chain, "A").await });
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        slow.gate.add_permits(1);
        for result in steps.join_all().await {
            assert_eq!(result.is_err(), fails);
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
        assert!(chain.flights().is_empty());
    }
}

#[tokio::test]
async fn whoever_asks_for_others_may_go_away() {
    let slow = Arc::new(Slow { asked: AtomicU64::new(0), gate: tokio::sync::Semaphore::new(0), fails: false });
    let chain = Arc::new(chain(vec![slow.clone()]));
    let first = tokio::spawn({
        let chain = chain.clone();
        async move { value(&chain, "A").await }
    });
    tokio::task::yield_now().await;
    let second = tokio::spawn({
        let chain = chain.clone();
        async move { value(&chain, "A").await }
    });
    tokio::task::yield_now().await;
    first.abort();
    tokio::task::yield_now().await;
    slow.gate.add_permits(2);
    assert_eq!(second.await.unwrap().unwrap(), "slow-value");
    assert!(chain.flights().is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_not_remembered_as_absent() {
    let shelf = Shelf::new("one", &[]);
    let chain = chain(vec![shelf.clone()]);
    assert!(matches!(value(&chain, "A").await, Err(SecretError::NotFound { .. })));
    shelf.values.lock().unwrap().insert("A", "here-it-is");
    assert_eq!(value(&chain, "A").await.unwrap(), "here-it-is");
}

#[tokio::test(start_paused = true)]
async fn s7_a_value_that_nobody_asks_for_any_more_leaves_the_memory() {
    let chain = chain(vec![Shelf::new("one", &[("A", "value-of-a"), ("B", "value-of-b")])]);
    let kept = |chain: &SecretChain| chain.cache.lock().unwrap().entries.len();
    for _ in 0..2 {
        value(&chain, "A").await.unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        value(&chain, "B").await.unwrap();
        assert_eq!(kept(&chain), 2);
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert_eq!(kept(&chain), 1);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(kept(&chain), 0);
        assert!(!chain.cache.lock().unwrap().swept);
    }
}
