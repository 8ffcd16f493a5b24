//! The battery. Each part panics with a sentence where the connector does not hold it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use automate_core::actions::{ActionRunner, Catalog};
use automate_core::clock;
use automate_core::config::ProviderConfig;
use automate_core::error::{ErrorCode, StepError};
use automate_core::limits::RESPONSE_BYTES;
use automate_core::secrets::SecretValue;
use automate_core::status::Effect;
use chrono::TimeDelta;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::bed::{FixedConnections, FixedSecrets, TestBed};
use super::client::PlainHttp;
use super::server::{Behaviour, MisbehavingServer};
use crate::base::{ActionSpec, Connector, WebhookSecrets};
use crate::provider::{Provider, ProviderRegistry};
use crate::verify::sign;

/// A value that is looked for where it must not be.
fn canary(name: &str) -> String {
    format!("canary-{name}-5up3r53cr3t")
}

/// The settings of a provider that hold credentials.
fn credentials(provider: &dyn Provider) -> Vec<String> {
    let schema = provider.config_schema();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.filter(|(_, field)| field["writeOnly"] == true).map(|(name, _)| name.clone()).collect()
}

type MakeInput = fn(&str) -> Value;

struct HttpCase {
    action: String,
    input: MakeInput,
    answer: Value,
}

/// A connector under test, and what is needed to make its actions call.
pub struct Kit {
    connector: Arc<dyn Connector>,
    provider: Option<(Arc<dyn Provider>, String)>,
    fields: Vec<(String, String)>,
    url_field: Option<(String, String)>,
    cases: Vec<HttpCase>,
}

impl Kit {
    /// A connector under test. Every secret field of its connection gets a value that the battery
    /// looks for where it must not be.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        let fields = connector
            .connection()
            .map(|spec| spec.fields)
            .unwrap_or_default()
            .into_iter()
            .filter(|field| field.secret)
            .map(|field| (field.name.to_owned(), canary(field.name)))
            .collect();
        Self { connector, provider: None, fields, url_field: None, cases: Vec::new() }
    }

    /// The same, with the value of a connection's field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, with the field of a connection that says where the service is: it gets the
    /// address of the kit's server and this path.
    #[must_use]
    pub fn url_field(mut self, name: &str, path: &str) -> Self {
        self.url_field = Some((name.to_owned(), path.to_owned()));
        self
    }

    /// The same, for a connector that asks language models: the provider is the one that is asked
    /// where nobody names one, its `base_url` is the address of the kit's server and this path, and
    /// its credentials are looked for where they must not be.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider, path: &str) -> Self {
        self.provider = Some((Arc::new(provider), path.to_owned()));
        self
    }

    /// The same, with an action that makes HTTP calls: a valid input, given the server's address,
    /// and what the service answers when it goes well.
    #[must_use]
    pub fn http_action(mut self, action: &str, input: MakeInput, answer: Value) -> Self {
        self.cases.push(HttpCase { action: action.to_owned(), input, answer });
        self
    }

    async fn bed(&self) -> TestBed {
        #[expect(clippy::expect_used, reason = "a test without a server cannot go on")]
        let server = MisbehavingServer::start().await.expect("a local port");
        let url = self.url_field.as_ref().map(|(name, path)| (name.clone(), server.url(path)));
        let fields: Vec<(&str, &str)> =
            self.fields.iter().chain(&url).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let connections = FixedConnections::default().with(self.key(), "default", &fields);
        let providers = self.providers(&server);
        TestBed::over(server, vec![self.connector.clone()], connections).with_providers(providers)
    }

    fn providers(&self, server: &MisbehavingServer) -> ProviderRegistry {
        let mut registry = ProviderRegistry::new(Arc::new(PlainHttp), Arc::new(FixedSecrets::default()));
        if let Some((provider, path)) = &self.provider {
            let mut config = ProviderConfig { kind: provider.key().to_owned(), ..ProviderConfig::default() };
            for name in credentials(provider.as_ref()) {
                config.fields.insert(name.clone(), canary(&name).into());
            }
            config.fields.insert("base_url".to_owned(), server.url(path).into());
            config.fields.insert("default_model".to_owned(), "model-1".into());
            registry.add(provider.clone()).configure("default", &config);
        }
        registry
    }

    fn key(&self) -> &'static str {
        self.connector.key()
    }

    fn uses(&self, action: &str) -> String {
        format!("{}.{action}", self.key())
    }

    fn spec(&self, action: &str) -> ActionSpec {
        match self.connector.actions().into_iter().find(|spec| spec.name == action) {
            Some(spec) => spec,
            None => panic!("the connector has no action `{action}`"),
        }
    }

    /// Performs an action with the connection of the kit, unless the connector takes none.
    async fn run(&self, bed: &TestBed, action: &str, input: Value, within: Duration) -> Result<Value, StepError> {
        let mut call = bed.call(&self.uses(action), input);
        let has_fields = !self.fields.is_empty() || self.url_field.is_some();
        call.connection = (self.connector.connection().is_some() && has_fields).then(|| "default".to_owned());
        call.deadline = clock::now() + TimeDelta::from_std(within).unwrap_or_default();
        bed.registry.run(call).await
    }

    /// The registry takes the connector, and every action has a title, a description and a valid
    /// example.
    pub async fn declarations(&self) {
        let bed = self.bed().await;
        let refused: Vec<_> = bed.registry.load_report().refused().cloned().collect();
        assert!(refused.is_empty(), "the registry refused it: {refused:?}");
        assert!(!self.connector.display_name().is_empty(), "it has no display name");
        for spec in self.connector.actions() {
            assert!(!spec.title.is_empty(), "`{}` has no title", spec.name);
            assert!(!spec.description.is_empty(), "`{}` has no description", spec.name);
            assert!(spec.example.is_some(), "`{}` has no example", spec.name);
            assert!(spec.input_schema.get("type").is_some(), "`{}` says nothing of its input", spec.name);
        }
    }

    /// An action that is not there is an error and nothing else.
    pub async fn unknown_action(&self) {
        let bed = self.bed().await;
        assert!(bed.registry.action(&self.uses("no_such_action")).is_none());
        let error = self.expect_error(self.run(&bed, "no_such_action", json!({}), Duration::from_secs(5)).await);
        assert_eq!(error.code, ErrorCode::InvalidInput, "{error}");
        assert!(error.message.contains("no_such_action"), "{error}");
    }

    /// Wrong types, missing and unknown fields are `INVALID_INPUT`, and nothing is sent.
    pub async fn bad_input(&self) {
        let bed = self.bed().await;
        for spec in self.connector.actions() {
            let mut bad = vec![json!(null), json!([1]), json!("text")];
            if let Some(example) = spec.example.as_ref().and_then(Value::as_object) {
                for name in spec.input_schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let mut without = example.clone();
                    without.remove(name);
                    bad.push(Value::Object(without));
                }
                let mut unknown = example.clone();
                unknown.insert("no_such_field".to_owned(), json!(1));
                bad.push(Value::Object(unknown));
            }
            for input in bad {
                let error = self.expect_error(self.run(&bed, &spec.name, input.clone(), Duration::from_secs(5)).await);
                assert_eq!(error.code, ErrorCode::InvalidInput, "`{}` with {input}: {error}", spec.name);
                assert!(!error.retryable, "`{}`: a retry cannot help", spec.name);
            }
        }
        assert!(bed.server.requests().is_empty(), "something was sent although the input is not valid");
    }

    /// Statuses become codes as the one mapping says, and `Retry-After` is kept.
    pub async fn error_mapping(&self) {
        for case in &self.cases {
            let bed = self.bed().await;
            let input = || (case.input)(&bed.server.url(""));
            bed.server.always(Behaviour::json(&case.answer));
            if let Err(error) = self.run(&bed, &case.action, input(), Duration::from_secs(5)).await {
                panic!("`{}` failed although all went well: {error} {:?}", case.action, error.details);
            }
            assert!(!bed.server.requests().is_empty(), "`{}` called nothing", case.action);
            for status in [401, 403, 404, 408, 409, 429, 500, 502, 503, 504] {
                let headers = vec![("retry-after".to_owned(), "7".to_owned())];
                bed.server.always(Behaviour::Echo { status, headers });
                let outcome = self.run(&bed, &case.action, input(), Duration::from_secs(5)).await;
                let error = self.expect_error(outcome);
                let code = StepError::code_of_http_status(status);
                assert_eq!(error.code, code, "`{}` on {status}: {error}", case.action);
                assert_eq!(error.retryable, code.is_retryable(), "`{}` on {status}: {error}", case.action);
                if status == 429 || status == 503 {
                    assert_eq!(error.retry_after, Some(Duration::from_secs(7)), "`{}` on {status}", case.action);
                }
            }
            bed.server.always(Behaviour::Answer { status: 200, headers: Vec::new(), body: "<html>?".to_owned() });
            if let Err(error) = self.run(&bed, &case.action, input(), Duration::from_secs(5)).await {
                assert_ne!(error.code, ErrorCode::Internal, "`{}` on an answer that makes no sense", case.action);
            }
        }
    }

    /// Timeouts, refused and cut connections and endless bodies become codes; for an action with
    /// `effect = once` the outcome is unknown once something was sent.
    pub async fn broken_network(&self) {
        for case in &self.cases {
            let bed = self.bed().await;
            let once = self.spec(&case.action).effect == Effect::Once;
            let after_sending = |code| if once { ErrorCode::OutcomeUnknown } else { code };
            let input = || (case.input)(&bed.server.url(""));
            for (behaviour, code) in [
                (Behaviour::Silence, after_sending(ErrorCode::Timeout)),
                (Behaviour::Drip { every: Duration::from_millis(50) }, after_sending(ErrorCode::Timeout)),
                (Behaviour::Disconnect, after_sending(ErrorCode::TransientNetwork)),
                (Behaviour::CutBody, after_sending(ErrorCode::TransientNetwork)),
            ] {
                bed.server.always(behaviour.clone());
                let begun = Instant::now();
                let error = self.expect_error(self.run(&bed, &case.action, input(), Duration::from_millis(600)).await);
                assert_eq!(error.code, code, "`{}` on {behaviour:?}: {error}", case.action);
                assert!(begun.elapsed() < Duration::from_secs(5), "`{}` on {behaviour:?} took too long", case.action);
            }
            bed.server.always(Behaviour::Huge { bytes: RESPONSE_BYTES + 1 });
            if let Err(error) = self.run(&bed, &case.action, input(), Duration::from_secs(20)).await {
                assert_eq!(error.code, after_sending(ErrorCode::LimitExceeded), "`{}`: {error}", case.action);
            }

            let closed = self.bed().await;
            let input = (case.input)(&closed.server.url(""));
            let TestBed { server, registry, log } = closed;
            drop(server);
            tokio::task::yield_now().await;
            #[expect(clippy::expect_used, reason = "a test without a server cannot go on")]
            let other = MisbehavingServer::start().await.expect("a local port");
            let gone = TestBed { server: other, registry, log };
            let error = self.expect_error(self.run(&gone, &case.action, input, Duration::from_secs(5)).await);
            assert_eq!(error.code, ErrorCode::TransientNetwork, "`{}` with nobody there: {error}", case.action);
            // Otherwise the engine would have to take the outcome for unknown.
            let sent = error.details.as_ref().and_then(|details| details.get("sent")).and_then(Value::as_bool);
            assert!(!once || sent == Some(false), "`{}` does not say that nothing was sent: {error}", case.action);
        }
    }

    /// No value of a connection's secret field, nor of a provider's, shows in output, errors, log lines or `Debug`, also
    /// where the service sends back all that it got.
    pub async fn secrets(&self) {
        let mut canaries: Vec<String> = self
            .connector
            .connection()
            .map(|spec| spec.fields)
            .unwrap_or_default()
            .iter()
            .filter(|field| field.secret)
            .filter_map(|field| self.fields.iter().find(|(name, _)| name == field.name))
            .map(|(_, value)| value.clone())
            .collect();
        if let Some((provider, _)) = &self.provider {
            canaries.extend(credentials(provider.as_ref()).iter().map(|name| canary(name)));
        }
        for case in &self.cases {
            let bed = self.bed().await;
            for status in [200, 400, 401, 403, 500] {
                bed.server.always(Behaviour::Echo { status, headers: Vec::new() });
                let outcome =
                    self.run(&bed, &case.action, (case.input)(&bed.server.url("")), Duration::from_secs(5)).await;
                let shown = format!("{outcome:?} {:?}", bed.log.lines());
                for canary in &canaries {
                    assert!(!shown.contains(canary.as_str()), "`{}` on {status} shows a secret: {shown}", case.action);
                }
            }
        }
    }

    /// A cancelled step ends at once, and its connection closes.
    pub async fn cancellation(&self) {
        for case in &self.cases {
            let bed = self.bed().await;
            bed.server.always(Behaviour::Silence);
            let mut call = bed.call(&self.uses(&case.action), (case.input)(&bed.server.url("")));
            let has_fields = !self.fields.is_empty() || self.url_field.is_some();
            call.connection = (self.connector.connection().is_some() && has_fields).then(|| "default".to_owned());
            let cancel = call.cancel.clone();
            let begun = Instant::now();
            let (outcome, ()) = tokio::join!(bed.registry.run(call), async {
                bed.server.wait_for_requests(1).await;
                cancel.cancel();
            });
            let error = self.expect_error(outcome);
            assert_eq!(error.code, ErrorCode::Cancelled, "`{}`: {error}", case.action);
            assert!(begun.elapsed() < Duration::from_secs(4), "`{}` took too long to stop", case.action);
            bed.server.wait_for_aborted(1).await;
        }
    }

    /// Every call carries `X-Correlation-ID`, and one of an idempotent action that writes carries
    /// the idempotency key, the same over attempts.
    pub async fn idempotency(&self) {
        for case in &self.cases {
            let bed = self.bed().await;
            let idempotent = self.spec(&case.action).effect == Effect::Idempotent;
            bed.server.always(Behaviour::json(&case.answer));
            for _ in 0..2 {
                let input = (case.input)(&bed.server.url(""));
                let _ = self.run(&bed, &case.action, input, Duration::from_secs(5)).await;
            }
            let key = bed.call("", Value::Null).idempotency_key;
            for request in bed.server.requests() {
                let correlation = request.header("x-correlation-id");
                assert_eq!(correlation, Some("correlation-1"), "`{}` sends no X-Correlation-ID", case.action);
                if idempotent && request.method != http::Method::GET && request.method != http::Method::HEAD {
                    let in_header = request.headers.values().any(|v| v.to_str().is_ok_and(|v| v.contains(&key)));
                    let in_body = String::from_utf8_lossy(&request.body).contains(&key);
                    assert!(in_header || in_body, "`{}` is idempotent and sends no idempotency key", case.action);
                }
            }
        }
    }

    /// A genuine delivery passes; a tampered, truncated, unsigned or old one, or one signed with
    /// another secret, does not.
    pub async fn webhooks(&self) {
        const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        const BODY: &[u8] = br#"{"type": "conformance", "n": 1}"#;
        let Some(scheme) = self.connector.triggers().iter().find_map(|trigger| trigger.verification) else { return };
        let now = clock::now();
        let check = |pairs: &[(String, String)], body: &[u8], secret: &str, seconds: i64| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                    headers.append(name, value);
                }
            }
            let secrets = vec![SecretValue::new(secret.to_owned())];
            let secrets = WebhookSecrets::new(secrets, now + TimeDelta::seconds(seconds));
            self.connector.verify_webhook(&headers, body, &secrets)
        };
        let pairs = match sign(scheme, SECRET, None, "msg_1", now, BODY) {
            Ok(pairs) => pairs,
            Err(error) => panic!("the scheme `{}` cannot sign: {error}", scheme.as_str()),
        };
        if pairs.is_empty() {
            return; // `none` verifies nothing.
        }
        if let Err(error) = check(&pairs, BODY, SECRET, 0) {
            panic!("a genuine delivery is refused: {error}");
        }
        assert!(check(&[], BODY, SECRET, 0).is_err(), "an unsigned delivery passes");
        assert!(check(&pairs, &BODY[..BODY.len() - 1], SECRET, 0).is_err(), "a truncated body passes");
        assert!(check(&pairs, BODY, "whsec_b3RoZXIgc2VjcmV0IG9mIHNvbWVib2R5", 0).is_err(), "another secret passes");
        assert!(check(&pairs, BODY, "", 0).is_err(), "an empty secret passes");
        for position in 0..BODY.len() {
            let mut tampered = BODY.to_vec();
            tampered[position] ^= 1;
            assert!(check(&pairs, &tampered, SECRET, 0).is_err(), "a body tampered with at {position} passes");
        }
        if let Some((name, signature)) = pairs.last() {
            for length in 0..signature.len() {
                let mut truncated = pairs.clone();
                truncated.pop();
                truncated.push((name.clone(), signature[..length].to_owned()));
                assert!(check(&truncated, BODY, SECRET, 0).is_err(), "a signature cut to {length} characters passes");
            }
        }
        if pairs.iter().any(|(name, value)| name.contains("timestamp") || value.starts_with("t=")) {
            for seconds in [301, -301] {
                assert!(check(&pairs, BODY, SECRET, seconds).is_err(), "a delivery {seconds} s off passes");
            }
        }
    }

    fn expect_error(&self, outcome: Result<Value, StepError>) -> StepError {
        match outcome {
            Err(error) => error,
            Ok(output) => panic!("it should have failed and gave {output}"),
        }
    }
}
