//! What names a secret or a connection.

use automate_core::limits;
use automate_core::secrets::SecretRef;
use automate_governance::models::CONNECTIONS;
use automate_store::referring::live_workflows;
use automate_store::resource::ListQuery;
use serde_json::Value;

use crate::error::AdminError;
use crate::http::Cx;

/// What a reference to a secret begins with.
pub(super) const REFERENCE: &str = "$secret:";

/// What names something.
#[derive(Debug, Default)]
pub(super) struct Referring {
    /// Live workflows, by slug.
    pub(super) workflows: Vec<String>,
    /// Connections: `(id, name)`.
    pub(super) connections: Vec<(String, String)>,
    /// There may be more than were looked through.
    pub(super) cut: bool,
}

impl Referring {
    pub(super) fn is_empty(&self) -> bool {
        self.workflows.is_empty() && self.connections.is_empty()
    }

    /// For a sentence: `the workflow a, the connection b`.
    pub(super) fn told(&self) -> String {
        let workflows = self.workflows.iter().map(|slug| format!("the workflow {slug}"));
        let connections = self.connections.iter().map(|(_, name)| format!("the connection {name}"));
        workflows.chain(connections).collect::<Vec<String>>().join(", ")
    }
}

/// What names a secret: the live workflows, and the connections.
pub(super) async fn to_secret(cx: &Cx, key: &str) -> Result<Referring, AdminError> {
    let candidates = live_workflows(cx.state().database(), cx.tenant()?, key).await?;
    let mut cut = candidates.len() >= limits::REFERRING_WORKFLOWS;
    let workflows = candidates.into_iter().filter(|(_, document)| names_secret(document, key));
    let workflows = workflows.map(|(slug, _)| slug).collect();
    let query = ListQuery { limit: limits::LIST_LIMIT_MAX, ..ListQuery::default() };
    let page = cx.state().resources().list(&CONNECTIONS, &cx.writer(), &query).await?;
    cut |= page.next.is_some();
    let naming = page.results.iter().filter(|row| row.get("fields").is_some_and(|f| names_secret(&f.to_string(), key)));
    let text = |row: &serde_json::Map<String, Value>, name: &str| {
        row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let connections = naming.map(|row| (text(row, "id"), text(row, "name"))).collect();
    Ok(Referring { workflows, connections, cut })
}

/// What names a connection of a connector: the live workflows.
pub(super) async fn to_connection(cx: &Cx, connector: &str, name: &str) -> Result<Referring, AdminError> {
    let candidates = live_workflows(cx.state().database(), cx.tenant()?, name).await?;
    let cut = candidates.len() >= limits::REFERRING_WORKFLOWS;
    let naming = candidates.into_iter().filter(|(_, document)| {
        serde_json::from_str(document).is_ok_and(|document: Value| names_connection(&document, connector, name))
    });
    Ok(Referring { workflows: naming.map(|(slug, _)| slug).collect(), connections: Vec::new(), cut })
}

/// Whether a text has a reference to a secret of this key, of any backend and version.
fn names_secret(text: &str, key: &str) -> bool {
    text.match_indices(REFERENCE).any(|(at, found)| {
        let rest = &text[at + found.len()..];
        let reference = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let end = rest.find(|c| !reference(c)).unwrap_or(rest.len());
        SecretRef::read(&rest[..end]).is_some_and(|reference| reference.key == key)
    })
}

/// Whether a step of a document uses a connector with this connection.
fn names_connection(document: &Value, connector: &str, name: &str) -> bool {
    match document {
        Value::Object(members) => {
            let text = |member: &str| members.get(member).and_then(Value::as_str);
            let here = text("connection") == Some(name)
                && text("uses").and_then(|uses| uses.split('.').next()) == Some(connector);
            here || members.values().any(|member| names_connection(member, connector, name))
        }
        Value::Array(members) => members.iter().any(|member| names_connection(member, connector, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_names_one_key_and_no_longer_one() {
        for text in [r#"{"a":"$secret:CRM"}"#, "$secret:vault/CRM", "x $secret:CRM?version=2 y", "$secret:CRM"] {
            assert!(names_secret(text, "CRM"), "{text}");
        }
        for text in ["CRM", "$secret:CRM2", "$secret:CRM.token", "$secret:CRM/OTHER", "$secret:", "$secret:é"] {
            assert!(!names_secret(text, "CRM"), "{text}");
        }
    }

    #[test]
    fn a_step_names_the_connection_of_its_own_connector() {
        let document = json!({"steps": [{"id": "a", "parallel": [{"uses": "slack.send", "connection": "team"}]}]});
        assert!(names_connection(&document, "slack", "team"));
        assert!(!names_connection(&document, "slack", "other"));
        assert!(!names_connection(&document, "http", "team"));
    }
}
