//! How to send a signed test request to an endpoint.

use std::collections::BTreeSet;

use askama::Template;
use automate_governance::secrets::{StoredTenants, TenantNames as _};
use automate_store::models::workflows::TRIGGERS;
use automate_store::resource::{Comparison, ListQuery, Ordering};
use serde_json::{Value, json};

use super::signed::{self, VARIABLE};
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::operations::confirm::takes_only;

/// The body of the test request.
const BODY: &str = r#"{"test":true,"sent_by":"curl"}"#;

struct Signing {
    scheme: &'static str,
    workflows: String,
    /// What the shell's variable is to be set to: the names of the secrets, never their values.
    secrets: String,
    command: String,
}

#[derive(Template)]
#[template(path = "admin/webhooks/test.html")]
struct TryPage {
    shell: Shell,
    paths: Vec<String>,
    path: String,
    url: String,
    signings: Vec<Signing>,
    variable: &'static str,
}

pub(in crate::operations) async fn show(cx: Cx) -> Reply {
    cx.require("executions.view_webhookrequest")?;
    cx.require("workflows.view_trigger")?;
    takes_only(&cx, &["path"])?;
    let tenant = cx.tenant()?;
    let paths = paths(&cx).await?;
    let path = match cx.query().text("path") {
        "" => paths.first().cloned().unwrap_or_default(),
        path => path.trim_start_matches('/').to_owned(),
    };
    let names = StoredTenants::new(cx.state().database().orm_reader().clone());
    let slug = names.slug(tenant).await.map_err(AdminError::Internal)?.unwrap_or_else(|| tenant.to_string());
    let settings = &cx.state().parts().settings;
    let base = match settings.public_url.as_str() {
        "" => format!("http://{}", settings.bind),
        url => url.to_owned(),
    };
    let url = signed::address(&base, &slug, &path);
    let endpoint = cx.state().engine().webhook_endpoint_of(tenant, &path).await?;
    let mut signings: Vec<Signing> = Vec::new();
    for target in endpoint.into_iter().flat_map(|endpoint| endpoint.targets) {
        let command = signed::command(&url, &target.verify, BODY);
        let secrets: Vec<String> = target.verify.secrets.iter().map(|secret| format!("$secret:{secret}")).collect();
        let (scheme, secrets) = (target.verify.scheme.as_str(), secrets.join(" or "));
        match signings.iter_mut().find(|known| known.command == command && known.secrets == secrets) {
            Some(known) => known.workflows.push_str(&format!(", {}", target.trigger.workflow)),
            None => signings.push(Signing { scheme, workflows: target.trigger.workflow.clone(), secrets, command }),
        }
    }
    cx.page(&TryPage {
        shell: cx.shell("Send a test request").crumb("Webhook inbox", "/admin/webhooks/"),
        paths,
        path,
        url,
        signings,
        variable: VARIABLE,
    })
}

/// The paths that somebody listens to.
async fn paths(cx: &Cx) -> Result<Vec<String>, AdminError> {
    let query = ListQuery {
        fields: vec!["key"],
        limit: automate_core::limits::LIST_LIMIT_MAX,
        ordering: vec![Ordering { column: "workflow", descending: false }],
        ..ListQuery::default()
    };
    let query = query.filter("kind", Comparison::Equal, vec![json!("webhook")]);
    let page = cx.state().resources().list(&TRIGGERS, &cx.writer(), &query).await?;
    let paths: BTreeSet<String> =
        page.results.iter().filter_map(|row| row.get("key").and_then(Value::as_str)).map(str::to_owned).collect();
    Ok(paths.into_iter().collect())
}
