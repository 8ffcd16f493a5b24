use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use automate_core::actions::{ActionRunner, Catalog};
use automate_core::clock;
use automate_core::error::ErrorCode;
use automate_core::status::Effect;
use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{
    ActionContext, ActionSpec, ConnectionField, ConnectionSpec, Connector, ConnectorError, Result, TypedAction,
    WebhookSecrets,
};
use crate::testing::{Behaviour, FixedConnections, TestBed};
use crate::verify::VerifyError;

/// Says of itself what the test gives it, and answers with its input.
struct Odd {
    key: &'static str,
    actions: fn() -> Vec<ActionSpec>,
    connection: Option<ConnectionSpec>,
    concurrency: Option<usize>,
}

fn odd(key: &'static str, actions: fn() -> Vec<ActionSpec>) -> Odd {
    Odd { key, actions, connection: None, concurrency: None }
}

#[async_trait]
impl Connector for Odd {
    fn key(&self) -> &'static str {
        self.key
    }

    fn display_name(&self) -> &'static str {
        "Odd"
    }

    fn actions(&self) -> Vec<ActionSpec> {
        (self.actions)()
    }

    fn connection(&self) -> Option<ConnectionSpec> {
        self.connection.clone()
    }

    fn max_concurrency(&self) -> Option<usize> {
        self.concurrency
    }

    async fn execute_action(&self, ctx: &ActionContext, action: &str, input: Value) -> Result<Value> {
        match action {
            "echo" => Ok(input),
            "panic" => panic!("with a secret in it: {input}"),
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(json!({ "attempt": ctx.attempt() }))
            }
            "leak" => {
                let token = ctx.connection().require("token")?.to_owned();
                ctx.info(format!("using {token}"));
                match input["fail"] == true {
                    true => {
                        Err(ConnectorError::invalid_input(format!("bad {token}")).with_details(json!({ "t": token })))
                    }
                    false => Ok(json!({ "answer": format!("<{token}>") })),
                }
            }
            "call" => {
                let url = input["url"].as_str().unwrap_or_default().parse().unwrap();
                ctx.post_json(url, None, &json!({})).await
            }
            other => Err(ConnectorError::unknown_action(self.key, other)),
        }
    }
}

fn spec(name: &str) -> ActionSpec {
    ActionSpec::new(name, "Odd", Effect::Pure)
}

fn some() -> Vec<ActionSpec> {
    let number = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    vec![
        spec("echo").schemas(json!({ "type": "object" }), number),
        spec("panic"),
        spec("sleep"),
        spec("leak"),
        ActionSpec::new("call", "Call", Effect::Once),
    ]
}

async fn bed(connectors: Vec<Odd>) -> TestBed {
    let connectors = connectors.into_iter().map(|c| Arc::new(c) as Arc<dyn Connector>).collect();
    let connections = FixedConnections::default().with("odd", "main", &[("token", "t0k3n-t0k3n"), ("region", "eu")]);
    TestBed::new(connectors, connections).await.unwrap()
}

#[tokio::test]
async fn what_is_wrong_with_a_connector_is_in_the_load_report() {
    let broken = || vec![spec("a").schemas(json!({ "type": "no such type" }), json!(true))];
    let not_schema = || vec![spec("a").schemas(json!("text"), json!(true))];
    let remote = || vec![spec("a").schemas(json!({ "$ref": "https://example.com/schema.json" }), json!(true))];
    let twice = || vec![spec("a"), spec("a")];
    let example = || vec![spec("a").example(json!([]))];
    let bed = bed(vec![
        odd("zeta", some),
        odd("alpha", some),
        odd("alpha", Vec::new),
        odd("Bad Key", Vec::new),
        odd("broken", broken),
        odd("not-schema", not_schema),
        odd("remote", remote),
        odd("twice", twice),
        odd("example", example),
        odd("name", || vec![spec("No Name")]),
        odd("panics", || panic!("while describing itself")),
    ])
    .await;
    assert_eq!(bed.registry.connectors(), ["alpha", "zeta"]);
    let report: BTreeMap<_, _> = bed
        .registry
        .load_report()
        .refused()
        .map(|entry| (entry.key.as_str(), entry.refused.clone().unwrap()))
        .collect();
    for (key, reason) in [
        ("alpha", "is taken by app"),
        ("Bad Key", "is not a valid key"),
        ("broken", "input schema of the action `a` is not valid"),
        ("not-schema", "an object or a boolean"),
        ("remote", "is not valid"),
        ("twice", "two actions `a`"),
        ("example", "example of the action `a`"),
        ("name", "has no valid name"),
        ("(unknown)", "panicked"),
    ] {
        assert!(report[key].contains(reason), "{key}: {}", report[key]);
    }
    let keys: Vec<_> = bed.registry.load_report().entries.iter().map(|entry| entry.key.clone()).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    let error = bed.run("broken.a", json!({})).await.unwrap_err();
    assert!(error.message.contains("was refused at start"), "{error}");
}

#[tokio::test]
async fn input_and_output_are_checked_and_their_values_not_shown() {
    let bed = bed(vec![odd("odd", some)]).await;
    assert_eq!(bed.run("odd.echo", json!({ "n": 1 })).await, Ok(json!({ "n": 1 })));
    let error = bed.run("odd.echo", json!({ "n": "a secret value" })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidOutput);
    assert!(error.message.contains("at /n") && !format!("{error:?}").contains("a secret value"), "{error:?}");
    let error = bed.run("odd.echo", json!("a secret value")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(!format!("{error:?}").contains("a secret value"), "{error:?}");
    let error = bed.run("odd.echo", json!({ "n": 1, "big": "x".repeat(5 * 1024 * 1024) })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
    for (uses, code) in [
        ("odd.missing", ErrorCode::InvalidInput),
        ("missing.echo", ErrorCode::ConfigInvalid),
        ("odd", ErrorCode::InvalidInput),
        ("", ErrorCode::ConfigInvalid),
    ] {
        assert_eq!(bed.run(uses, json!({})).await.unwrap_err().code, code, "{uses}");
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_does_not_quote() {
    let error = bed(vec![odd("odd", some)]).await.run("odd.panic", json!({ "p": "s3cr3t" })).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::Internal, false));
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
}

#[tokio::test]
async fn the_deadline_and_the_token_end_a_call() {
    let bed = bed(vec![odd("odd", some)]).await;
    let mut call = bed.call("odd.sleep", json!({}));
    call.deadline = clock::now() + TimeDelta::milliseconds(30);
    let begun = Instant::now();
    let error = bed.registry.run(call).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::Timeout, true));
    assert!(begun.elapsed() < Duration::from_millis(150));
    let call = bed.call("odd.sleep", json!({}));
    call.cancel.cancel();
    assert_eq!(bed.registry.run(call).await.unwrap_err().code, ErrorCode::Cancelled);
    let mut late = bed.call("odd.sleep", json!({}));
    late.deadline = clock::now() - TimeDelta::seconds(1);
    assert_eq!(bed.registry.run(late).await.unwrap_err().code, ErrorCode::Timeout);
}

#[tokio::test]
async fn running_out_of_time_after_sending_leaves_a_once_action_unknown() {
    let bed = bed(vec![odd("odd", some)]).await;
    bed.server.always(Behaviour::Silence);
    let mut call = bed.call("odd.call", json!({ "url": bed.server.url("/") }));
    call.deadline = clock::now() + TimeDelta::milliseconds(200);
    let error = bed.registry.run(call).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::OutcomeUnknown, false), "{error}");
    // Nothing was sent, so that another attempt is safe.
    let error = bed.run("odd.call", json!({ "url": "http://127.0.0.1:1/" })).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::TransientNetwork, true), "{error}");
}

#[tokio::test]
async fn connections_are_resolved_checked_and_hidden() {
    let spec = ConnectionSpec::new([
        ConnectionField::secret("token", "Token").required(),
        ConnectionField::plain("region", "Region"),
    ]);
    let bed = bed(vec![Odd { connection: Some(spec), ..odd("odd", some) }, odd("bare", some)]).await;
    let run = |uses: &str, name: Option<&str>, input: Value| {
        let mut call = bed.call(uses, input);
        call.connection = name.map(str::to_owned);
        bed.registry.run(call)
    };
    assert_eq!(run("odd.leak", Some("main"), json!({})).await, Ok(json!({ "answer": "<***>" })));
    let error = run("odd.leak", Some("main"), json!({ "fail": true })).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.details), ("bad ***", Some(json!({ "t": "***" }))));
    assert!(bed.log.lines().iter().all(|line| line.message == "using ***"));
    for (uses, name, says) in [
        ("odd.leak", Some("other"), "there is no connection `other` of `odd`"),
        ("odd.leak", None, "connection `default` of `odd`"),
        ("bare.echo", Some("main"), "`bare` takes no connection"),
    ] {
        let error = run(uses, name, json!({ "n": 1 })).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ConfigInvalid);
        assert!(error.message.contains(says), "{error}");
    }
}

#[tokio::test]
async fn no_more_actions_of_a_connector_run_at_once_than_it_allows() {
    let bed = bed(vec![Odd { concurrency: Some(1), ..odd("odd", some) }]).await;
    let begun = Instant::now();
    let (first, second) = tokio::join!(bed.run("odd.sleep", json!({})), bed.run("odd.sleep", json!({})));
    assert!(first.is_ok() && second.is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_host_that_keeps_failing_is_not_called_for_a_while() {
    let bed = bed(vec![odd("odd", some)]).await;
    bed.server.always(Behaviour::status(500));
    for _ in 0..30 {
        let error = bed.run("odd.call", json!({ "url": bed.server.url("/") })).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Upstream5xx);
    }
    assert_eq!(bed.server.requests().len(), 20);
    let error = bed.run("odd.call", json!({ "url": bed.server.url("/") })).await.unwrap_err();
    assert!(error.message.contains("circuit breaker") && error.retry_after.is_some(), "{error}");
}

#[test]
fn a_connector_without_webhooks_verifies_none() {
    let secrets = WebhookSecrets::new(Vec::new(), clock::now());
    let outcome = odd("odd", some).verify_webhook(&http::HeaderMap::new(), b"", &secrets);
    assert_eq!(outcome, Err(VerifyError::Unsupported));
}

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: String,
    #[serde(default)]
    loudness: Option<u8>,
}

#[derive(Serialize, JsonSchema)]
struct Greeting {
    text: String,
}

/// Greets
/// somebody.
#[crate::action(effect = pure, timeout = "2s", example = json!({ "name": "Ada" }))]
async fn say_hello(_ctx: &ActionContext, input: Greet) -> Result<Greeting> {
    let mark = "!".repeat(usize::from(input.loudness.unwrap_or(1)));
    Ok(Greeting { text: format!("Hello, {}{mark}", input.name) })
}

struct Greeter;

impl Connector for Greeter {
    fn key(&self) -> &'static str {
        "greeter"
    }

    fn display_name(&self) -> &'static str {
        "Greeter"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[say_hello::ACTION]
    }
}

#[tokio::test]
async fn a_typed_action_has_its_schemas_from_its_types() {
    let bed = TestBed::new(vec![Arc::new(Greeter)], FixedConnections::default()).await.unwrap();
    let meta = bed.registry.action("greeter.say_hello").unwrap();
    assert_eq!((meta.title.as_str(), meta.timeout), ("Say hello", Some(Duration::from_secs(2))));
    assert_eq!(meta.input_schema["properties"]["name"], json!({ "type": "string" }));
    assert_eq!(meta.input_schema["required"], json!(["name"]));
    assert_eq!(meta.input_schema["additionalProperties"], json!(false));
    assert_eq!(meta.output_schema["required"], json!(["text"]));
    assert_eq!(say_hello::ACTION.spec().description, "Greets somebody.");
    assert_eq!(bed.registry.example("greeter.say_hello"), Some(&json!({ "name": "Ada" })));
    let output = bed.run("greeter.say_hello", json!({ "name": "Ada", "loudness": 2 })).await;
    assert_eq!(output, Ok(json!({ "text": "Hello, Ada!!" })));
    let error = bed.run("greeter.say_hello", json!({ "nam": "Ada" })).await.unwrap_err();
    let details = error.details.unwrap().to_string();
    assert!(details.contains("nam") && error.message.contains("name"), "{details}");
    assert_eq!(bed.registry.actions("greeter"), ["say_hello"]);
    assert_eq!(bed.registry.actions("nobody"), Vec::<String>::new());
}
