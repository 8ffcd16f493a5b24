//! `slack.post_message`: the worked example of `docs/write-a-connector.md`.

use automate_core::document::definition::VerifyScheme;
use automate_core::error::ErrorCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use crate::base::{
    ActionContext, ConnectionField, ConnectionSpec, Connector, ConnectorError, Result, TriggerSpec, TypedAction,
};

/// Where Slack's Web API is, where the connection does not say otherwise.
const BASE_URL: &str = "https://slack.com/api";

/// Slack: messages out, signed events in.
pub struct Slack;

impl Connector for Slack {
    fn key(&self) -> &'static str {
        "slack"
    }

    fn display_name(&self) -> &'static str {
        "Slack"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[post_message::ACTION]
    }

    fn triggers(&self) -> Vec<TriggerSpec> {
        vec![TriggerSpec::webhook("event", "An event of the Events API", VerifyScheme::Slack)]
    }

    fn connection(&self) -> Option<ConnectionSpec> {
        let token = ConnectionField::secret("token", "Bot token (xoxb-…)");
        let base_url = ConnectionField::plain("base_url", "Address of the Web API, where it is not Slack's own");
        Some(ConnectionSpec::new([token, base_url]).with_default())
    }
}

/// The input of `slack.post_message`.
#[derive(Deserialize, JsonSchema)]
struct PostMessage {
    /// A channel's name with `#`, or its id.
    channel: String,
    /// The text; with `blocks`, what notifications show.
    text: String,
    /// Blocks of the Block Kit.
    #[serde(default)]
    blocks: Vec<Map<String, Value>>,
    /// The `ts` of the message to answer in its thread.
    thread_ts: Option<String>,
    /// The bot token, for steps without a connection: `"$secret:SLACK_TOKEN"`.
    token: Option<String>,
    /// The address of the Web API; only together with `token`.
    base_url: Option<String>,
}

/// The output of `slack.post_message`.
#[derive(Serialize, JsonSchema)]
struct Posted {
    /// The id of the channel.
    channel: String,
    /// The message's timestamp, which identifies it within the channel.
    ts: String,
}

/// Posts a message to a channel, as the bot of the connection.
#[crate::action(
    title = "Post a message",
    effect = once,
    timeout = "30s",
    example = json!({ "channel": "#sales", "text": "Order 17 was paid" })
)]
async fn post_message(ctx: &ActionContext, input: PostMessage) -> Result<Posted> {
    // The token of the connection only ever goes to the address of the connection.
    let (token, base_url) = match (&input.token, &input.base_url) {
        (Some(token), base_url) => (token.as_str(), base_url.as_deref()),
        (None, None) => (ctx.connection().require("token")?, ctx.connection().get("base_url")),
        (None, Some(_)) => {
            return Err(ConnectorError::config_invalid(
                "`base_url` needs `token` beside it; put both into the connection instead",
            ));
        }
    };
    let url = method_url(base_url.unwrap_or(BASE_URL), "chat.postMessage")?;
    let mut body = json!({ "channel": input.channel, "text": input.text });
    if !input.blocks.is_empty() {
        body["blocks"] = input.blocks.into_iter().map(Value::Object).collect();
    }
    if let Some(ts) = input.thread_ts {
        body["thread_ts"] = Value::String(ts);
    }
    let answer = ctx.post_json(url, Some(token), &body).await?;
    if answer["ok"] != true {
        return Err(refusal(answer["error"].as_str().unwrap_or("unknown_error")));
    }
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    Ok(Posted { channel: text("channel"), ts: text("ts") })
}

fn method_url(base_url: &str, method: &str) -> Result<Url> {
    Url::parse(&format!("{}/{method}", base_url.trim_end_matches('/')))
        .map_err(|_| ConnectorError::config_invalid("`base_url` is not a URL, as https://slack.com/api is"))
}

/// Slack answers 200 with `ok: false` and a word
/// (<https://docs.slack.dev/reference/methods/chat.postMessage#errors>).
fn refusal(word: &str) -> ConnectorError {
    let code = match word {
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => ErrorCode::AuthFailed,
        "missing_scope" | "no_permission" | "not_in_channel" | "restricted_action" | "access_denied"
        | "ekm_access_denied" | "org_login_required" => ErrorCode::Forbidden,
        "channel_not_found" | "thread_not_found" | "message_not_found" => ErrorCode::NotFound,
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => ErrorCode::RateLimited,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => ErrorCode::Upstream5xx,
        _ => ErrorCode::InvalidInput,
    };
    // The word comes from outside; only its usual alphabet is shown.
    let shown: String = word.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
    ConnectorError::new(code, format!("Slack refused the message: {shown}")).with_details(json!({ "error": shown }))
}
