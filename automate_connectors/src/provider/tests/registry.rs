use automate_core::error::ErrorCode;

use super::*;

/// A provider of somebody else's, which panics where it is told to.
struct Odd {
    key: &'static str,
    panics: bool,
}

#[async_trait]
impl Provider for Odd {
    fn key(&self) -> &'static str {
        self.key
    }

    fn display_name(&self) -> &'static str {
        "Odd"
    }

    fn config_schema(&self) -> Value {
        assert!(!self.panics, "no");
        json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "additionalProperties": false })
    }

    async fn chat(&self, _: &ProviderContext, _: &ChatRequest) -> Result<ChatAnswer> {
        Err(ConnectorError::internal("odd"))
    }
}

fn registry() -> ProviderRegistry {
    let mut registry = ProviderRegistry::none();
    registry.add_linked();
    registry
}

fn refusals(registry: &ProviderRegistry) -> Vec<String> {
    registry.load_report().refused().map(|e| format!("{}: {}", e.key, e.refused.as_deref().unwrap())).collect()
}

#[test]
fn the_built_in_providers_are_linked_in_and_configured_ones_go_before_them() {
    let mut registry = registry();
    let names = |registry: &ProviderRegistry| registry.list().iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&registry), ["anthropic", "echo", "openai"]);
    let origin = concat!("automate_connectors ", env!("CARGO_PKG_VERSION"));
    assert_eq!(registry.get("openai").unwrap().origin, origin);
    assert_eq!(registry.resolve_for(Capability::Chat), None, "what was merely linked in has to be named");

    registry.configure("openai", &config("", &json!({ "default_model": "m" })));
    registry.configure("local", &config("openai", &json!({ "base_url": "http://127.0.0.1:1/v1" })));
    assert_eq!(names(&registry), ["anthropic", "echo", "local", "openai"]);
    let openai = registry.get("openai").unwrap();
    assert_eq!(
        (openai.configured, openai.origin.as_str(), openai.default_model.as_deref()),
        (true, "configuration", Some("m"))
    );
    assert_eq!(registry.resolve_for(Capability::Tools), Some("local"));
    registry.configure("default", &config("echo", &json!({})));
    assert_eq!(registry.resolve_for(Capability::Chat), Some("default"));
    assert!(refusals(&registry).is_empty(), "{:?}", refusals(&registry));
    assert!(registry.load_report().entries.iter().all(|entry| entry.kind == "provider"));
}

#[test]
fn what_is_wrong_with_a_provider_is_in_the_load_report() {
    let mut registry = registry();
    registry.add(Arc::new(Odd { key: "Odd", panics: false }));
    registry.add(Arc::new(Odd { key: "odd", panics: true }));
    registry.add(Arc::new(Odd { key: "echo", panics: false }));
    for (name, kind, fields) in [
        ("a", "opnai", json!({})),
        ("b", "openai", json!({ "api_kye": "$secret:X" })),
        ("c", "openai", json!({ "max_output_tokens": 0 })),
        ("d", "openai", json!({ "prices": { "m": { "input": 0.15, "output": 1 } } })),
        ("e", "openai", json!({ "json_mode": "yes" })),
        ("f", "openai", json!({ "models": ["x"], "default_model": "y" })),
        ("openai", "", json!({ "default_model": 3, "api_key": "sk-literal" })),
    ] {
        registry.configure(name, &config(kind, &fields));
    }
    let refused = refusals(&registry);
    let holds = |text: &str| assert!(refused.iter().any(|line| line.contains(text)), "{text}: {refused:#?}");
    holds("Odd: `Odd` is not a valid key");
    holds("(unknown): it panicked");
    holds("echo: the key `echo` is taken by automate_connectors");
    holds("a: there is no kind of provider `opnai`; there are: anthropic, echo, openai");
    holds("b: ");
    holds("c: `max_output_tokens` takes a whole number from 1");
    holds("d: `prices` of `m`: `input` of a price is an amount");
    holds("e: at /json_mode");
    holds("f: `default_model` is not among `models`");
    holds("openai: `default_model` takes a text");
    assert!(!refused.concat().contains("sk-literal"));
    assert!(registry.get("openai").is_none(), "a wrong entry does not fall back to the bare provider");
}

#[test]
fn settings_from_the_environment_are_text() {
    let mut registry = ProviderRegistry::none();
    registry.add(Arc::new(Odd { key: "odd", panics: false }));
    let fields = json!({
        "n": "3", "max_output_tokens": "10", "models": "a, b", "prices": "{\"a\": {\"input\": 1, \"output\": \"2.5\"}}"
    });
    registry.configure("x", &config("odd", &fields));
    assert!(refusals(&registry).is_empty(), "{:?}", refusals(&registry));
}

#[tokio::test]
async fn whoever_asks_for_what_is_not_there_is_told_what_to_do() {
    let mut registry = registry();
    registry.configure("bad", &config("openai", &json!({ "nonsense": 1 })));
    let error = registry.chat(&call(), None, ask("?"), None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    assert!(error.message().contains("add [providers.NAME]"), "{error}");
    for (name, said) in [("gone", "there is no provider `gone`"), ("bad", "was refused at start")] {
        let error = registry.chat(&call(), Some(name), ask("?"), None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConfigInvalid);
        assert!(error.message().contains(said), "{error}");
    }
    let error = registry.chat(&call(), Some("openai"), ask("?"), None).await.unwrap_err();
    assert!(error.message().contains("name a `model`"), "{error}");
    registry.add(Arc::new(Odd { key: "odd", panics: false }));
    let mut request = ask("?");
    request.tools = vec![weather()];
    let error = registry.chat(&call(), Some("odd"), request, None).await.unwrap_err();
    assert!(error.message().contains("not able to do `tools`"), "{error}");
}

#[tokio::test]
async fn the_policy_of_an_entry_holds() {
    let bed = Bed::of("openai", json!({ "models": ["model-1"], "max_output_tokens": 50 })).await;
    bed.server.always(Behaviour::json(&json!({ "choices": [{ "message": { "content": "Well." } }] })));
    let error = bed.chat(ask("?").model("model-9")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Forbidden);
    let error = bed.chat(ChatRequest { max_tokens: Some(51), ..ask("?") }).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidInput);
    bed.chat(ask("?")).await.unwrap();
    assert_eq!(
        bed.bodies(),
        [json!({
            "model": "model-1", "messages": [{ "role": "user", "content": "?" }], "max_tokens": 50
        })]
    );
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_before_anything_is_sent() {
    let bed = Bed::of("openai", json!({})).await;
    let message = |role| Message::new(role, "x");
    let bad = [
        ChatRequest::new(Vec::new()),
        ChatRequest::new(vec![message(MessageRole::System)]),
        ChatRequest::new(vec![message(MessageRole::Tool)]),
        ChatRequest { max_tokens: Some(0), ..ask("?") },
        ChatRequest { temperature: Some(2.5), ..ask("?") },
        ChatRequest { temperature: Some(f64::NAN), ..ask("?") },
        ChatRequest { stop: vec![String::new()], ..ask("?") },
        ChatRequest { tool_choice: ToolChoice::Required, ..ask("?") },
        ChatRequest { tool_choice: ToolChoice::of("gone"), tools: vec![weather()], ..ask("?") },
        ChatRequest { tools: vec![Tool { name: "a b".to_owned(), ..weather() }], ..ask("?") },
        ChatRequest::new(vec![message(MessageRole::User); 1_001]),
        ask(&"x".repeat(5 * 1024 * 1024)),
    ];
    for request in bad {
        let error = bed.chat(request).await.unwrap_err();
        assert!(matches!(error.code(), ErrorCode::InvalidInput | ErrorCode::LimitExceeded), "{error}");
    }
    assert!(bed.server.requests().is_empty());
}

#[tokio::test]
async fn credentials_show_in_neither_answers_nor_errors_nor_debug() {
    let bed = Bed::of("openai", json!({})).await;
    let choice = json!({ "message": { "content": format!("it is {KEY}"), "tool_calls": [
        { "id": KEY, "function": { "name": "t", "arguments": format!("{{\"k\": \"{KEY}\"}}") } }
    ] } });
    bed.server.always(Behaviour::json(&json!({ "model": KEY, "choices": [choice] })));
    let response = bed.chat(ask("?")).await.unwrap();
    assert!(!format!("{response:?}").contains(KEY), "{response:?}");
    bed.server.always(Behaviour::Echo { status: 400, headers: Vec::new() });
    assert!(!format!("{:?}", bed.chat(ask("?")).await.unwrap_err()).contains(KEY));
    let fields = std::collections::BTreeMap::from([(
        "api_key".to_owned(),
        automate_core::secrets::SecretValue::new(KEY.to_owned()),
    )]);
    assert!(!format!("{:?}", Credentials::new("openai", fields)).contains(KEY));

    let mut lost = registry();
    lost.configure("openai", &config("", &json!({ "api_key": "$secret:GONE", "default_model": "m" })));
    let error = lost.chat(&call(), None, ask("?"), None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SecretUnavailable);
}

#[test]
fn what_is_known_of_a_provider_tells_of_secrets_only_that_they_are_there() {
    let mut registry = registry();
    let named = json!({ "api_key": "$secret:OPENAI_KEY", "base_url": "https://bot:hunter2@models.example/v1" });
    registry.configure("named", &config("openai", &named));
    registry.configure("written", &config("anthropic", &json!({ "api_key": "sk-written-out-here" })));
    let of = |name: &str| registry.get(name).unwrap().settings;
    assert_eq!(of("named")["api_key"], ProviderSetting::Secret("OPENAI_KEY".to_owned()));
    assert_eq!(of("written")["api_key"], ProviderSetting::Hidden);
    let all = format!("{:?}", registry.list());
    assert!(all.contains("models.example/v1") && !all.contains("hunter2") && !all.contains("sk-written"), "{all}");
}
