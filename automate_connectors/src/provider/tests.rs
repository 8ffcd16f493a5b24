//! Providers against a local server that speaks their wire formats.

mod anthropic;
mod budget;
mod json;
mod openai;
mod registry;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use automate_core::clock;
use automate_core::config::ProviderConfig;
use automate_core::ids::TenantId;
use serde_json::{Value, json};

use super::builtin::{Anthropic, Echo, OpenAi};
use super::*;
use crate::testing::{Behaviour, FixedSecrets, MisbehavingServer, PlainHttp};

/// A key that must not show.
const KEY: &str = "sk-canary-0123456789abcdef";

struct Bed {
    server: MisbehavingServer,
    registry: ProviderRegistry,
}

/// Keeps the pieces of an answer.
#[derive(Default)]
struct Pieces(Mutex<Vec<String>>);

impl ChatSink for Pieces {
    fn text(&self, piece: &str) {
        self.0.lock().unwrap().push(piece.to_owned());
    }
}

impl Pieces {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn config(kind: &str, fields: &Value) -> ProviderConfig {
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    ProviderConfig { kind: kind.to_owned(), fields }
}

impl Bed {
    /// A registry with one configured entry named like its kind.
    async fn of(kind: &str, fields: Value) -> Self {
        let server = MisbehavingServer::start().await.unwrap();
        let secrets = FixedSecrets::default().with("KEY", KEY);
        let mut registry = ProviderRegistry::new(Arc::new(PlainHttp), Arc::new(secrets));
        registry.add(Arc::new(OpenAi)).add(Arc::new(Anthropic)).add(Arc::new(Echo));
        let mut all = json!({ "api_key": "$secret:KEY", "base_url": server.url("/v1"), "default_model": "model-1" });
        if kind == "anthropic" {
            all["base_url"] = server.url("").into();
        }
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        registry.configure(kind, &config(kind, &all));
        let refused: Vec<_> = registry.load_report().refused().collect();
        assert!(refused.is_empty(), "{refused:?}");
        Self { server, registry }
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatResponse> {
        self.registry.chat(&call(), None, request, None).await
    }

    async fn stream(&self, request: ChatRequest) -> (Result<ChatResponse>, Vec<String>) {
        let pieces = Pieces::default();
        let outcome = self.registry.chat(&call(), None, request, Some(&pieces)).await;
        (outcome, pieces.all())
    }

    /// The bodies that were sent.
    fn bodies(&self) -> Vec<Value> {
        self.server.requests().iter().map(crate::testing::Recorded::json).collect()
    }
}

fn call() -> ProviderCall {
    ProviderCall::new(TenantId::DEFAULT, "test", clock::now() + Duration::from_secs(5))
        .correlation_id("correlation-1")
        .idempotency_key("key-1")
}

fn ask(text: &str) -> ChatRequest {
    ChatRequest::new(vec![Message::new(MessageRole::User, text)])
}

fn weather() -> Tool {
    Tool {
        name: "weather".to_owned(),
        description: "The weather of a town".to_owned(),
        parameters: json!({ "type": "object", "properties": { "town": { "type": "string" } } }),
    }
}
