//! What starts a workflow.

use super::{Node, Object, Reader, Zero};
use crate::document::codes;
use crate::document::definition::{EventTrigger, Trigger, Verify, VerifyScheme, WebhookTrigger};
use crate::document::findings::{self, shown};
use crate::document::pattern;
use crate::document::shapes::{EVENT, MANUAL, TRIGGER_KINDS, TRIGGER_KINDS_LATER, VERIFY, WEBHOOK};
use crate::document::templated;
use crate::limits;

impl Reader<'_> {
    pub(super) fn triggers(&mut self, node: &Node<'_>) -> Vec<Trigger> {
        let Some(items) = self.list(node, "triggers") else { return Vec::new() };
        if items.len() > limits::TRIGGERS_PER_WORKFLOW {
            let message =
                format!("there are {} triggers; at most {} are taken", items.len(), limits::TRIGGERS_PER_WORKFLOW);
            self.error(node, codes::LIMIT_EXCEEDED, message, None);
            return Vec::new();
        }
        let mut triggers: Vec<Trigger> = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let node = node.item(i, item);
            if let Some(trigger) = self.trigger(&node) {
                if triggers.iter().any(|known| same(known, &trigger)) {
                    self.error(&node, codes::DUPLICATE_TRIGGER, "this trigger is already in the list", None);
                }
                triggers.push(trigger);
            }
        }
        triggers
    }

    fn trigger(&mut self, node: &Node<'_>) -> Option<Trigger> {
        let any = self.mapping(node, "a trigger")?;
        let named = || TRIGGER_KINDS.iter().chain(TRIGGER_KINDS_LATER).filter(|kind| any.has(kind)).copied();
        if named().count() > 1 {
            let kinds = named().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" and ");
            let message = format!("a trigger is one thing, and this one is {kinds}");
            self.error(node, codes::TRIGGER_KIND, message, "make a trigger of each");
            return None;
        }
        match named().next() {
            Some("webhook") => self.webhook(node),
            Some("event") => self.event(node),
            Some("manual") => {
                let object = self.object(node, &MANUAL)?;
                let field = object.field("manual")?;
                if self.boolean(&field) == Some(false) {
                    self.error(&field, codes::INVALID_VALUE, "`manual: false` is no trigger", "leave it out");
                    return None;
                }
                Some(Trigger::Manual)
            }
            // Further kinds of triggers: read them here, and move their names to TRIGGER_KINDS.
            Some(later) => {
                if let Some(field) = any.field(later) {
                    self.unsupported(&field, later);
                }
                None
            }
            None => {
                let near = any.map.keys().find_map(|key| findings::did_you_mean(key, TRIGGER_KINDS.iter().copied()));
                let suggestion = near.unwrap_or_else(|| format!("use one of: {}", TRIGGER_KINDS.join(", ")));
                self.error(node, codes::TRIGGER_KIND, "this trigger does not say what it is", suggestion);
                None
            }
        }
    }

    fn event(&mut self, node: &Node<'_>) -> Option<Trigger> {
        let object = self.object(node, &EVENT)?;
        let filter = object.field("filter").and_then(|n| self.condition(&n));
        let dedupe = object.field("dedupe").and_then(|n| self.some_text(&n)).map(str::to_owned);
        let field = object.field("event")?;
        let pattern = self.text(&field)?;
        if !pattern::is_event_pattern(pattern) {
            let message = format!("{} is not a pattern of event types", shown(pattern));
            let suggestion = "letters, digits, `_` and `-` in segments with dots between; `*` for any characters but a dot, `**` for any";
            self.error(&field, codes::INVALID_VALUE, message, suggestion);
            return None;
        }
        Some(Trigger::Event(EventTrigger { pattern: pattern.to_owned(), filter, dedupe }))
    }

    fn webhook(&mut self, node: &Node<'_>) -> Option<Trigger> {
        let object = self.object(node, &WEBHOOK)?;
        let filter = object.field("filter").and_then(|n| self.condition(&n));
        let dedupe = object.field("dedupe").and_then(|n| self.some_text(&n)).map(str::to_owned);
        let verify = match object.field("verify") {
            Some(verify) => self.verify(&verify),
            None => {
                let suggestion = "add `verify: { scheme: hmac, secret: $secret:NAME }`, or `verify: none` to take unsigned deliveries";
                self.missing(&object, WEBHOOK.title, "verify", suggestion);
                None
            }
        };
        let field = object.field("webhook")?;
        let path = self.text(&field)?;
        if !pattern::is_webhook_path(path) {
            let message = format!("{} cannot be the path of a webhook", shown(path));
            let trimmed = path.trim_matches('/');
            let suggestion = if pattern::is_webhook_path(trimmed) {
                format!("write `{trimmed}`")
            } else {
                "letters, digits and `.`, `_`, `~`, `-` in segments with `/` between, 200 characters at most, without `..`"
                    .to_owned()
            };
            self.error(&field, codes::INVALID_VALUE, message, suggestion);
            return None;
        }
        let verify = verify?;
        Some(Trigger::Webhook(WebhookTrigger { path: path.to_owned(), verify, filter, dedupe }))
    }

    fn verify(&mut self, node: &Node<'_>) -> Option<Verify> {
        let words: Vec<&str> = VerifyScheme::ALL.iter().map(|s| s.as_str()).collect();
        let unsigned = Verify { scheme: VerifyScheme::None, secrets: Vec::new(), header: None, tolerance: None };
        if node.value.is_string() {
            // The short form is for `none` alone: every other scheme needs a secret.
            let word = self.word(node, &words)?;
            if word == VerifyScheme::None.as_str() {
                return Some(unsigned);
            }
            let suggestion = format!("write `verify: {{ scheme: {word}, secret: $secret:NAME }}`");
            self.error(node, codes::MISSING_FIELD, format!("scheme `{word}` needs a secret"), suggestion);
            return None;
        }
        let object = self.object(node, &VERIFY)?;
        let Some(field) = object.field("scheme") else {
            self.missing(&object, VERIFY.title, "scheme", format!("use one of: {}", words.join(", ")));
            return None;
        };
        let word = self.word(&field, &words)?;
        let scheme = VerifyScheme::ALL.iter().copied().find(|s| s.as_str() == word)?;
        let secrets = self.verify_secrets(&object, scheme)?;
        let header = object.field("header").and_then(|n| self.verify_header(&n, scheme));
        let tolerance = object.field("tolerance").and_then(|n| self.tolerance(&n, scheme));
        Some(Verify { scheme, secrets, header, tolerance })
    }

    fn verify_secrets(&mut self, object: &Object<'_>, scheme: VerifyScheme) -> Option<Vec<String>> {
        let (one, several) = (object.field("secret"), object.field("secrets"));
        if scheme == VerifyScheme::None {
            for field in one.iter().chain(&several) {
                self.key_error(
                    field,
                    codes::INVALID_VALUE,
                    "scheme `none` takes no secret",
                    "name a scheme, or leave the secret out",
                );
            }
            return Some(Vec::new());
        }
        let nodes: Vec<Node<'_>> = match (one, several) {
            (Some(_), Some(several)) => {
                let message = "`secret` and `secrets` cannot both be given";
                self.key_error(&several, codes::INVALID_VALUE, message, "put all of them into `secrets`");
                return None;
            }
            (Some(one), None) => vec![one],
            (None, Some(several)) => {
                let items = self.list(&several, "references to secrets")?;
                if items.is_empty() || items.len() > limits::WEBHOOK_SECRETS {
                    let message = format!("there must be 1 to {} secrets", limits::WEBHOOK_SECRETS);
                    self.error(&several, codes::INVALID_VALUE, message, None);
                    return None;
                }
                items.iter().enumerate().map(|(i, item)| several.item(i, item)).collect()
            }
            (None, None) => {
                let title = format!("scheme `{}`", scheme.as_str());
                self.missing(object, &title, "secret", "add `secret: $secret:NAME`");
                return None;
            }
        };
        let mut secrets = Vec::new();
        for node in &nodes {
            let text = self.text(node)?;
            match templated::secret_reference(text) {
                Some(key) => secrets.push(key.to_owned()),
                None if text.trim_start().starts_with("$secret:") => {
                    let message = format!("{} is not a reference to a secret", shown(text));
                    self.error(node, codes::INVALID_VALUE, message, "write `$secret:KEY` or `$secret:backend/KEY`");
                }
                // The text may be the secret itself, so it is not shown.
                None => self.error(
                    node,
                    codes::SECRET_IN_DOCUMENT,
                    "a secret's value must not stand in a document",
                    "store it with `automate secrets set NAME` and write `$secret:NAME`",
                ),
            }
        }
        (secrets.len() == nodes.len()).then_some(secrets)
    }

    fn verify_header(&mut self, node: &Node<'_>, scheme: VerifyScheme) -> Option<String> {
        let text = self.text(node)?;
        if scheme != VerifyScheme::Hmac {
            let message = format!("scheme `{}` has headers of its own; `header` has no effect", scheme.as_str());
            self.warning(node, codes::NO_EFFECT, message);
            return None;
        }
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if text.is_empty() || text.len() > limits::TRIGGER_NAME_BYTES || !text.bytes().all(token) {
            self.error(node, codes::INVALID_VALUE, format!("{} is not the name of a header", shown(text)), None);
            return None;
        }
        Some(text.to_ascii_lowercase())
    }

    fn tolerance(&mut self, node: &Node<'_>, scheme: VerifyScheme) -> Option<std::time::Duration> {
        let length = self.duration(node, Zero::Refused)?;
        if matches!(scheme, VerifyScheme::None | VerifyScheme::Hmac | VerifyScheme::Github) {
            let message = format!("scheme `{}` has no timestamp; `tolerance` has no effect", scheme.as_str());
            self.warning(node, codes::NO_EFFECT, message);
            return None;
        }
        if length > limits::WEBHOOK_TOLERANCE {
            let message = "the tolerance must not be longer than an hour";
            self.error(
                node,
                codes::INVALID_VALUE,
                message,
                "a wide tolerance lets old deliveries be replayed; five minutes are usual",
            );
            return None;
        }
        Some(length)
    }
}

/// Whether two triggers would both fire for the same thing.
fn same(a: &Trigger, b: &Trigger) -> bool {
    match (a, b) {
        (Trigger::Webhook(a), Trigger::Webhook(b)) => a.path == b.path,
        (Trigger::Event(a), Trigger::Event(b)) => a.pattern == b.pattern && a.filter == b.filter,
        (Trigger::Manual, Trigger::Manual) => true,
        _ => false,
    }
}
