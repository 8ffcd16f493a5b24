//! The connector of ACME's warehouse: one action, one signed webhook, one connection.
//!
//! A program that depends on this crate has the connector; see `app`.

use automate_connectors::base::http::HttpRequest;
use automate_connectors::serde_json::json;
use automate_connectors::{
    ActionContext, ConnectionField, ConnectionSpec, Connector, ConnectorError, Result, TriggerSpec, TypedAction,
    VerifyScheme, action, register_connector,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub struct Acme;

register_connector!(Acme);

impl Connector for Acme {
    fn key(&self) -> &'static str {
        "acme"
    }

    fn display_name(&self) -> &'static str {
        "ACME warehouse"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[reserve::ACTION, stock::ACTION]
    }

    fn triggers(&self) -> Vec<TriggerSpec> {
        vec![TriggerSpec::webhook("shipped", "A parcel has left", VerifyScheme::Standard)]
    }

    fn connection(&self) -> Option<ConnectionSpec> {
        Some(
            ConnectionSpec::new([
                ConnectionField::plain("url", "Address of the warehouse").required(),
                ConnectionField::secret("token", "API token").required(),
            ])
            .with_default(),
        )
    }
}

#[derive(Deserialize, JsonSchema)]
struct Reserve {
    /// Which article.
    sku: String,
    /// How many.
    #[schemars(range(min = 1))]
    count: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Reserved {
    /// What the warehouse calls the reservation.
    reservation: String,
}

/// Reserves articles. The warehouse knows the idempotency key, so a repetition reserves nothing more.
#[action(title = "Reserve articles", effect = idempotent, timeout = "10s", example = json!({ "sku": "anvil", "count": 1 }))]
async fn reserve(ctx: &ActionContext, input: Reserve) -> Result<Reserved> {
    let url = address(ctx, "reservations")?;
    let body = json!({ "sku": input.sku, "count": input.count, "request": ctx.idempotency_key() });
    let answer = ctx.post_json(url, Some(ctx.connection().require("token")?), &body).await?;
    match answer["reservation"].as_str() {
        Some(reservation) => Ok(Reserved { reservation: reservation.to_owned() }),
        None => Err(ConnectorError::internal("the warehouse confirmed without a reservation")
            .with_details(json!({ "answer": answer }))),
    }
}

#[derive(Deserialize, JsonSchema)]
struct Stock {
    /// Which article.
    sku: String,
}

#[derive(Serialize, JsonSchema)]
struct InStock {
    /// How many there are.
    count: u64,
}

/// Asks how many of an article are there.
#[action(effect = pure, example = json!({ "sku": "anvil" }))]
async fn stock(ctx: &ActionContext, input: Stock) -> Result<InStock> {
    let mut url = address(ctx, "stock")?;
    url.query_pairs_mut().append_pair("sku", &input.sku);
    let request = HttpRequest::get(url).bearer(ctx.connection().require("token")?)?;
    let answer = ctx.send_ok(request).await?.json()?;
    Ok(InStock { count: answer["count"].as_u64().unwrap_or(0) })
}

fn address(ctx: &ActionContext, path: &str) -> Result<automate_connectors::Url> {
    let base = ctx.connection().require("url")?.trim_end_matches('/');
    format!("{base}/{path}")
        .parse()
        .map_err(|_| ConnectorError::config_invalid("the connection's `url` is not a URL, as https://acme.example is"))
}

#[cfg(test)]
automate_connectors::connector_conformance!(Acme, |kit| kit
    .url_field("url", "/api")
    .http_action("reserve", |_| json!({ "sku": "anvil", "count": 2 }), json!({ "reservation": "r-1" }))
    .http_action("stock", |_| json!({ "sku": "anvil" }), json!({ "count": 7 })));
