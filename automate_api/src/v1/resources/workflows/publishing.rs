//! `POST /workflows/{id}/publish`, `POST /workflows/{id}/rollback`.

use automate_core::runtime::{PublishError, Published};
use automate_core::store::{StoreError, WorkflowRecord};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::documents::{Finding, told};
use super::{of_path, overtaken, unchanged};
use crate::Problem;
use crate::v1::base::{Action, Call, Operation, Reply};

/// Why a draft becomes a version.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Publication {
    /// What changed and why, for those who look at the versions.
    #[schema(max_length = 4096)]
    note: String,
}

/// Which version becomes live again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rollback {
    /// The number of the version.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    version: i32,
    /// Why, for those who look at the versions.
    #[serde(default)]
    #[schema(max_length = 4096)]
    note: String,
}

/// What was published.
#[derive(Serialize, ToSchema)]
struct PublishedVersion {
    /// The slug of the workflow.
    workflow: String,
    /// The number of the version that is live now.
    version: i32,
    /// The SHA-256 of the document in its canonical form, in hex.
    sha256: String,
    /// Who published it.
    author: String,
    /// Why.
    note: String,
    /// When.
    created_at: chrono::DateTime<chrono::Utc>,
    /// What is worth a look.
    warnings: Vec<Finding>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/workflows/{id}/publish", Action::custom("publish"))
            .summary("Publishes the draft")
            .description(
                "Makes the draft an immutable version, which is live at once, its triggers with it. Executions under \
                 way stay with the version that they began with. A draft that says what is live already changes \
                 nothing.",
            )
            .may_read::<Publication>()
            .answers::<PublishedVersion>(StatusCode::OK, "The version that is live now.")
            .with_if_match()
            .handler(publish),
        Operation::post("/workflows/{id}/rollback", Action::custom("rollback"))
            .summary("Publishes an earlier version again")
            .description("Makes a new version of an earlier one. A draft is kept out of it: it is lost.")
            .reads::<Rollback>()
            .answers::<PublishedVersion>(StatusCode::OK, "The version that is live now.")
            .with_if_match()
            .handler(rollback),
    ]
}

async fn publish(call: Call) -> Result<Reply, Problem> {
    let Publication { note } = call.read()?;
    let workflow = of_path(&call).await?;
    unchanged(&call, &workflow)?;
    let Some(draft) = workflow.draft.clone() else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "NO_DRAFT",
            "the workflow has no draft; save one with PATCH first",
        ));
    };
    make_live(&call, &workflow, "workflow.publish", &draft, &note).await
}

async fn rollback(call: Call) -> Result<Reply, Problem> {
    let Rollback { version, note } = call.read()?;
    let workflow = of_path(&call).await?;
    unchanged(&call, &workflow)?;
    let versions = call.api.engine().ports().store.versions(call.tenant()?, &workflow.slug).await?;
    let Some(old) = versions.into_iter().find(|old| old.number == version) else {
        return Err(StoreError::NotFound(String::new()).into());
    };
    let note = if note.is_empty() { format!("version {version} again") } else { note };
    make_live(&call, &workflow, "workflow.rollback", &old.source, &note).await
}

/// Publishes a source, if the workflow is still as it was read.
async fn make_live(
    call: &Call,
    workflow: &WorkflowRecord,
    action: &str,
    source: &str,
    note: &str,
) -> Result<Reply, Problem> {
    let (engine, tenant) = (call.api.engine(), call.tenant()?);
    let author = &call.principal.actor.name;
    let entry = call.audit(action)?.about("workflow", &workflow.slug).with(json!({ "note": note }));
    let deed = engine.publish_at(tenant, source, author, note, Some(workflow.row_version));
    let done: Result<Published, PublishError> = call.api.audit().around(entry, deed).await;
    match done {
        Ok(Published { version, warnings }) => Reply::ok(PublishedVersion {
            workflow: workflow.slug.clone(),
            version: version.number,
            sha256: version.sha256,
            author: version.author,
            note: version.note,
            created_at: version.created_at,
            warnings: told(warnings),
        }),
        Err(error) => Err(overtaken(call, error.into()).await),
    }
}
