//! How each trigger of a workflow is fired: addresses, and commands that work as they stand.
//!
//! Commands take secrets from variables of the shell, as pages never have them.

use std::fmt::Write as _;

use automate_connectors::verify::DEFAULT_HMAC_HEADER;
use automate_core::document::definition::{Trigger, VerifyScheme, WebhookTrigger};
use http::header;

use crate::http::Cx;

/// The payload that commands send.
const BODY: &str = r#"{"id": "try-1"}"#;

/// How a trigger is fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Firing {
    /// What the trigger is, in words.
    pub(super) what: String,
    /// Where deliveries go; empty of what has no address.
    pub(super) address: String,
    /// What decides whether an event starts the workflow; empty where every one does.
    pub(super) filter: String,
    /// What has to be known before.
    pub(super) note: String,
    /// What is pasted into a shell; empty where there is nothing.
    pub(super) command: String,
    /// The id of the command's element.
    pub(super) id: String,
}

/// How each of a workflow's triggers is fired.
pub(super) fn all(cx: &Cx, tenant: &str, slug: &str, triggers: &[Trigger]) -> Vec<Firing> {
    let base = base_url(cx);
    triggers.iter().enumerate().map(|(index, trigger)| of(&base, tenant, slug, trigger, index)).collect()
}

/// Where whoever looks at the page finds the server.
fn base_url(cx: &Cx) -> String {
    let settings = &cx.state().parts().settings;
    if !settings.public_url.is_empty() {
        return settings.public_url.trim_end_matches('/').to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '[' | ']');
    let host = cx.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| !host.is_empty() && host.chars().all(plain)).unwrap_or(&settings.bind);
    format!("http://{host}")
}

fn of(base: &str, tenant: &str, slug: &str, trigger: &Trigger, index: usize) -> Firing {
    let id = format!("fire-{index}");
    match trigger {
        Trigger::Webhook(webhook) => {
            let address = format!("{base}/hooks/{tenant}/{}", webhook.path);
            Firing {
                what: format!("Webhook {}, signature {}", webhook.path, webhook.verify.scheme.as_str()),
                filter: webhook.filter.clone().unwrap_or_default(),
                note: note_of(webhook),
                command: post(&address, webhook),
                address,
                id,
            }
        }
        Trigger::Event(event) => {
            let kind = event.pattern.replace('*', "example");
            let body = format!(r#"{{"type": "{kind}", "payload": {BODY}}}"#);
            Firing {
                what: format!("Event {}", event.pattern),
                address: String::new(),
                filter: event.filter.clone().unwrap_or_default(),
                note: if kind.starts_with("core.") {
                    "The system publishes these itself.".to_owned()
                } else {
                    "Takes a token with the scope events:publish in the variable AUTOMATE_TOKEN.".to_owned()
                },
                command: if kind.starts_with("core.") {
                    String::new()
                } else {
                    format!(
                        "curl -sS {} \\\n  -H \"authorization: Bearer $AUTOMATE_TOKEN\" \\\n  -H 'content-type: application/json' \\\n  -d {}",
                        quoted(&format!("{base}/api/v1/events")),
                        quoted(&body)
                    )
                },
                id,
            }
        }
        Trigger::Manual => Firing {
            what: "By hand".to_owned(),
            address: String::new(),
            filter: String::new(),
            note: "With the button on this page, or in the project's folder:".to_owned(),
            command: format!("automate run {} --input {} --wait", quoted(slug), quoted(BODY)),
            id,
        },
    }
}

fn note_of(webhook: &WebhookTrigger) -> String {
    if webhook.verify.scheme == VerifyScheme::None {
        return "Deliveries are not signed: whoever knows the address starts the workflow.".to_owned();
    }
    let variable = variable_of(webhook);
    format!("Put the secret into the variable {variable} first: export {variable}='…'")
}

/// The shell's variable for a secret: its name, as far as variables can have it.
fn variable_of(webhook: &WebhookTrigger) -> String {
    let reference = webhook.verify.secrets.first().map_or("WEBHOOK_SECRET", String::as_str);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = reference.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("S_{name}") } else { name }
}

/// A command that signs a delivery by the trigger's scheme and sends it.
fn post(address: &str, webhook: &WebhookTrigger) -> String {
    let scheme = webhook.verify.scheme;
    let mut out = format!("BODY={}\n", quoted(BODY));
    let variable = variable_of(webhook);
    let mut headers: Vec<String> = Vec::new();
    let hex = |signed: &str| {
        format!("SIGNATURE=$(printf '%s' \"{signed}\" | openssl dgst -sha256 -hmac \"${variable}\" | sed 's/^.* //')\n")
    };
    // Writing to a string cannot fail.
    if scheme != VerifyScheme::None {
        let _ = writeln!(out, ": \"${{{variable}:?export the secret in it first}}\"");
    }
    match scheme {
        VerifyScheme::None => {}
        VerifyScheme::Hmac => {
            out += &hex("$BODY");
            let header = webhook.verify.header.as_deref().unwrap_or(DEFAULT_HMAC_HEADER);
            headers.push(format!("{header}: sha256=$SIGNATURE"));
        }
        VerifyScheme::Github => {
            out += &hex("$BODY");
            out += "ID=try-$(date +%s)\n";
            headers.push("x-hub-signature-256: sha256=$SIGNATURE".to_owned());
            headers.push("x-github-delivery: $ID".to_owned());
        }
        VerifyScheme::Stripe => {
            out += "TIME=$(date +%s)\n";
            out += &hex("$TIME.$BODY");
            headers.push("stripe-signature: t=$TIME,v1=$SIGNATURE".to_owned());
        }
        VerifyScheme::Slack => {
            out += "TIME=$(date +%s)\n";
            out += &hex("v0:$TIME:$BODY");
            headers.push("x-slack-request-timestamp: $TIME".to_owned());
            headers.push("x-slack-signature: v0=$SIGNATURE".to_owned());
        }
        VerifyScheme::Standard => {
            out += "TIME=$(date +%s)\nID=try-$TIME\n";
            // The key is what base64 says after `whsec_`, and the secret itself where it does not begin so.
            let _ = write!(
                out,
                "case \"${variable}\" in\n  whsec_*) KEY=$(printf '%s' \"${{{variable}#whsec_}}\" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n') ;;\n  \
                 *) KEY=$(printf '%s' \"${variable}\" | od -An -v -tx1 | tr -d ' \\n') ;;\nesac\n\
                 SIGNATURE=$(printf '%s' \"$ID.$TIME.$BODY\" | openssl dgst -sha256 -mac HMAC -macopt \"hexkey:$KEY\" -binary | openssl base64 -A)\n"
            );
            headers.push("webhook-id: $ID".to_owned());
            headers.push("webhook-timestamp: $TIME".to_owned());
            headers.push("webhook-signature: v1,$SIGNATURE".to_owned());
        }
    }
    let _ = write!(out, "curl -sS {} \\\n  -H 'content-type: application/json'", quoted(address));
    for header in headers {
        let _ = write!(out, " \\\n  -H \"{header}\"");
    }
    out += " \\\n  --data-binary \"$BODY\"";
    out
}

/// A word of a shell's command that means nothing but itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use automate_connectors::verify::{VerifyError, sign};
    use automate_core::document::definition::Verify;
    use chrono::DateTime;

    use super::*;

    fn webhook(scheme: VerifyScheme) -> WebhookTrigger {
        let verify = Verify { scheme, secrets: vec!["shop/signing-key".to_owned()], header: None, tolerance: None };
        WebhookTrigger { path: "orders".to_owned(), verify, filter: None, dedupe: None }
    }

    /// What a command would send: the headers that it gives to `curl`.
    fn sent(command: &str, secret: &str) -> Vec<(String, String)> {
        let script = format!("curl() {{ for word in \"$@\"; do printf '%s\\n' \"$word\"; done; }}\n{command}\n");
        let output = Command::new("sh").args(["-c", &script]).env("SHOP_SIGNING_KEY", secret).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn a_command_signs_as_the_server_checks() -> Result<(), VerifyError> {
        if Command::new("openssl").arg("version").output().is_err() {
            // The command is for a machine that has it.
            return Ok(());
        }
        for secret in ["whsec_c2VjcmV0IGtleSBvZiB0aGUgc2hvcA==", "it's a $ecret \"key\""] {
            for scheme in VerifyScheme::ALL {
                let headers = sent(&post("http://127.0.0.1:8000/hooks/default/orders", &webhook(*scheme)), secret);
                let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
                let of_stripe = || value("stripe-signature")?.strip_prefix("t=")?.split(',').next();
                let times = [value("webhook-timestamp"), value("x-slack-request-timestamp"), of_stripe()];
                let time = times.into_iter().flatten().next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
                let id = value("webhook-id").or(value("x-github-delivery")).unwrap_or("unused");
                let at = DateTime::from_timestamp(time, 0).unwrap_or_default();
                for header in sign(*scheme, secret, None, id, at, BODY.as_bytes())? {
                    assert!(headers.contains(&header), "{scheme:?}: {header:?} is not in {headers:?}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_command_asks_for_its_secret_first() {
        let command = post("http://127.0.0.1:8000/hooks/default/orders", &webhook(VerifyScheme::Stripe));
        let output = Command::new("sh").args(["-c", &command]).env_remove("SHOP_SIGNING_KEY").output();
        let output = output.expect("a shell");
        assert!(String::from_utf8_lossy(&output.stderr).contains("export the secret in it first"));
        assert!(!output.status.success());
    }

    #[test]
    fn a_path_is_one_word_whatever_is_in_it() {
        assert_eq!(quoted("a'b; rm"), r"'a'\''b; rm'");
    }
}
