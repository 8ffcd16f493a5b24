//! The built-in connectors pass the battery that third parties run.

use serde_json::json;

mod data {
    crate::connector_conformance!(crate::builtin::Data);
}

mod log {
    crate::connector_conformance!(crate::builtin::Log);
}

mod http {
    use super::json;

    crate::connector_conformance!(crate::builtin::Http, |kit| kit
        .url_field("base_url", "/v1")
        .field("username", "ada")
        .http_action(
            "request",
            |_| json!({ "method": "POST", "url": "/orders", "json": { "n": 1 } }),
            json!({ "n": 1 })
        )
        .http_action("request", |base| json!({ "url": format!("{base}v1/orders") }), json!([])));
}

mod webhook {
    use super::json;

    crate::connector_conformance!(crate::builtin::Webhook, |kit| kit.url_field("url", "/hook").http_action(
        "send",
        |_| json!({ "payload": { "n": 1 } }),
        json!({})
    ));
}

mod slack {
    use super::json;

    crate::connector_conformance!(crate::builtin::Slack, |kit| kit.url_field("base_url", "/api").http_action(
        "post_message",
        |_| json!({ "channel": "#a", "text": "b" }),
        json!({ "ok": true, "channel": "C1", "ts": "1.2" }),
    ));
}
