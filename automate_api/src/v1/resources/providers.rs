//! `/providers`: which language models can be asked, without keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_connectors::provider::ProviderInfo;
use automate_store::resource::ResourceError;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Problem;
use crate::v1::base::{Access, Action, BaseViewSet, Call, Operation, Reply};

/// Providers of language models.
pub(super) struct Providers;

/// A provider of language models.
#[derive(Serialize, ToSchema)]
struct Provider {
    /// Its name, for `provider` of a step.
    name: String,
    /// What it is: the `kind` of `[providers.NAME]`.
    kind: String,
    /// What people see.
    display_name: String,
    /// What it can do: `chat`, `streaming`, `tools`, `json`.
    capabilities: Vec<String>,
    /// The model that is asked where a step names none.
    default_model: Option<String>,
    /// The models that may be asked; null where all may.
    models: Option<Vec<String>>,
    /// Tokens of an answer, at most.
    max_output_tokens: Option<u64>,
    /// The prices of models; `*` is that of all others.
    prices: BTreeMap<String, ModelPrice>,
    /// Whether it stands in the configuration; others are asked with no settings.
    configured: bool,
    /// Where it comes from: `configuration`, `app`, or a crate and its version.
    origin: String,
}

/// The price of a model, in millionths of the currency for a million tokens.
#[derive(Serialize, ToSchema)]
struct ModelPrice {
    /// Of the request.
    input: u64,
    /// Of the answer.
    output: u64,
    /// Of what the provider had in its cache.
    cached_input: u64,
}

/// All providers.
#[derive(Serialize, ToSchema)]
struct ProviderPage {
    /// The providers, by name.
    results: Vec<Provider>,
    /// Null: there is one page.
    next: Option<String>,
    /// Null: there is one page.
    previous: Option<String>,
}

impl BaseViewSet for Providers {
    fn name(&self) -> &'static str {
        "providers"
    }

    fn doc(&self) -> &'static str {
        "Providers of language models: what they can do and cost."
    }

    fn get_permissions(&self, _action: &Action) -> Access {
        Access::new("providers:read", "connectors.view_provider")
    }

    fn operations(self: Arc<Self>) -> Vec<Operation> {
        vec![
            Operation::get("/providers", Action::List)
                .summary("Lists providers")
                .answers::<ProviderPage>(StatusCode::OK, "All of them, by name.")
                .handler(list),
            Operation::get("/providers/{name}", Action::Retrieve)
                .summary("Shows one provider")
                .answers::<Provider>(StatusCode::OK, "The provider.")
                .handler(retrieve),
        ]
    }
}

async fn list(call: Call) -> Result<Reply, Problem> {
    let results = call.api.connectors().providers().list().into_iter().map(Provider::from).collect();
    Reply::ok(ProviderPage { results, next: None, previous: None })
}

async fn retrieve(call: Call) -> Result<Reply, Problem> {
    let found = call.api.connectors().providers().get(call.path("name"));
    Reply::ok(Provider::from(found.ok_or(ResourceError::NotFound("provider"))?))
}

impl From<ProviderInfo> for Provider {
    fn from(info: ProviderInfo) -> Self {
        let price = |(model, price): (String, automate_connectors::provider::Price)| {
            let price = ModelPrice { input: price.input, output: price.output, cached_input: price.cached_input };
            (model, price)
        };
        Self {
            name: info.name,
            kind: info.kind,
            display_name: info.display_name,
            capabilities: info.capabilities.iter().map(|capability| capability.as_str().to_owned()).collect(),
            default_model: info.default_model,
            models: info.models.map(|models| models.into_iter().collect()),
            max_output_tokens: info.max_output_tokens,
            prices: info.prices.into_iter().map(price).collect(),
            configured: info.configured,
            origin: info.origin,
        }
    }
}
