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
    for bad in ["", "a b", "a/b/c", "A?version=1", "/A"] {
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
    // A value that was read before a change is not kept after it.
    chain.keep((TenantId::DEFAULT, "A".into()), &SecretValue::new("stale-value".into()), Instant::now(), 0);
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
