//! The providers of language models: which can be asked, where they are, and whether a key is set.
//! They come from the configuration and are only shown here.

use askama::Template;
use automate_connectors::provider::{Capability, ProviderInfo, ProviderSetting};
use axum::Router;
use axum::routing::get;

use super::confirm::takes_only;
use super::words::grouped;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/providers/", get(list))
}

struct SecretOf {
    setting: String,
    /// What is said of it.
    says: String,
    /// The page of the secret that it names; empty for whoever may not see it.
    url: String,
}

struct Row {
    name: String,
    display_name: String,
    kind: String,
    /// Whether it is asked where a step names none.
    first: bool,
    address: String,
    default_model: String,
    models: Vec<String>,
    max_output_tokens: String,
    priced: Vec<String>,
    secrets: Vec<SecretOf>,
    /// Other settings, as `name: value`.
    others: Vec<String>,
    can: String,
    origin: String,
}

struct Refused {
    key: String,
    origin: String,
    why: String,
}

#[derive(Template)]
#[template(path = "admin/providers/list.html")]
struct ProvidersPage {
    shell: Shell,
    rows: Vec<Row>,
    refused: Vec<Refused>,
}

fn row(cx: &Cx, info: ProviderInfo, first: Option<&str>) -> Row {
    let (mut secrets, mut others, mut address) = (Vec::new(), Vec::new(), String::new());
    for (name, setting) in info.settings {
        match setting {
            ProviderSetting::Value(value) if name == "base_url" => address = value,
            ProviderSetting::Value(value) => others.push(format!("{name}: {value}")),
            ProviderSetting::Hidden => {
                secrets.push(SecretOf { setting: name, says: "set".to_owned(), url: String::new() });
            }
            ProviderSetting::Secret(key) => {
                let sees = cx.can("secret.reveal_metadata") && cx.can("secrets.view_secret");
                let (says, url) = if sees {
                    (format!("the secret {key}"), format!("/admin/secrets/key/{key}/"))
                } else {
                    ("set".to_owned(), String::new())
                };
                secrets.push(SecretOf { setting: name, says, url });
            }
        }
    }
    Row {
        first: first == Some(info.name.as_str()),
        name: info.name,
        display_name: info.display_name,
        kind: info.kind,
        address,
        default_model: info.default_model.unwrap_or_default(),
        models: info.models.into_iter().flatten().collect(),
        max_output_tokens: info.max_output_tokens.map(grouped).unwrap_or_default(),
        priced: info
            .prices
            .into_keys()
            .map(|model| if model == "*" { "all others".to_owned() } else { model })
            .collect(),
        secrets,
        others,
        can: info.capabilities.iter().map(|capability| capability.as_str()).collect::<Vec<_>>().join(", "),
        origin: info.origin,
    }
}

async fn list(cx: Cx) -> Reply {
    cx.require("connectors.view_provider")?;
    takes_only(&cx, &[])?;
    let providers = &cx.state().parts().providers;
    let first = providers.resolve_for(Capability::Chat);
    let refused = providers.load_report().refused().map(|loaded| Refused {
        key: loaded.key.clone(),
        origin: loaded.origin.clone(),
        why: loaded.refused.clone().unwrap_or_default(),
    });
    cx.page(&ProvidersPage {
        shell: cx.shell("Providers"),
        rows: providers.list().into_iter().map(|info| row(&cx, info, first)).collect(),
        refused: refused.collect(),
    })
}
