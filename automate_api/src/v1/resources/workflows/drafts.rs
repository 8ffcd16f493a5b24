//! Drafts: `POST /workflows`, `PATCH /workflows/{id}`.

use automate_core::document;
use automate_core::runtime::PublishError;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{of_path, overtaken, shape, shown, unchanged};
use crate::v1::PREFIX;
use crate::v1::base::{Action, Call, Content, Operation, Reply};
use crate::{FieldError, Problem};

/// A workflow document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentSource {
    /// The document, as YAML or JSON.
    #[schema(max_length = 1_048_576, example = "workflow: hello\nsteps:\n  - { id: greet, set: { text: hello } }\n")]
    pub(super) source: String,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/workflows", Action::Create)
            .summary("Creates one workflow")
            .description(
                "Saves a document as the draft of a new workflow, which is named in the document. The document must \
                 be readable; what is wrong with it otherwise is said when it is published, and by \
                 `POST /workflows/validate`.",
            )
            .reads::<DocumentSource>()
            .answers_with(StatusCode::CREATED, "The new workflow.", Content::Json(shape()))
            .with_etag()
            .handler(create),
        Operation::patch("/workflows/{id}", Action::Update)
            .summary("Changes one workflow")
            .description("Saves a document as the workflow's draft. What is live stays as it is.")
            .reads::<DocumentSource>()
            .answers_with(StatusCode::OK, "The workflow as it is now.", Content::Json(shape()))
            .with_etag()
            .with_if_match()
            .may_fail_with(StatusCode::CONFLICT)
            .handler(update),
    ]
}

async fn create(call: Call) -> Result<Reply, Problem> {
    let DocumentSource { source } = call.read()?;
    let (engine, tenant) = (call.api.engine().clone(), call.tenant()?);
    let slug = document::parse(&source).map_err(PublishError::Invalid)?.workflow.slug;
    let entry = call.audit("workflow.create")?.about("workflow", &slug);
    // At 0: where there is a workflow of that name, its draft is not written over.
    let saved = call.api.audit().around(entry, engine.save_draft_at(tenant, &source, Some(0))).await;
    let workflow = saved.map_err(|error| match Problem::from(error) {
        problem if problem.status() == StatusCode::CONFLICT => Problem::new(
            StatusCode::CONFLICT,
            "CONFLICT",
            format!("there is a workflow `{slug}` already; change it at {PREFIX}/workflows/{slug}"),
        ),
        problem => problem,
    })?;
    let reply = shown(&call, StatusCode::CREATED, workflow.id.0).await?;
    Ok(match HeaderValue::from_str(&format!("{PREFIX}/workflows/{}", workflow.id)) {
        Ok(location) => reply.with_header(header::LOCATION, location),
        Err(_) => reply,
    })
}

async fn update(call: Call) -> Result<Reply, Problem> {
    let DocumentSource { source } = call.read()?;
    let (engine, tenant) = (call.api.engine().clone(), call.tenant()?);
    let workflow = of_path(&call).await?;
    unchanged(&call, &workflow)?;
    let slug = document::parse(&source).map_err(PublishError::Invalid)?.workflow.slug;
    if slug != workflow.slug {
        let fault = FieldError {
            path: "/workflow".to_owned(),
            code: "OTHER_WORKFLOW".to_owned(),
            message: format!("the document is of the workflow `{slug}`, and this is `{}`", workflow.slug),
        };
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_DOCUMENT", "the document is another's")
            .with_errors(vec![fault]));
    }
    let entry = call.audit("workflow.update")?.about("workflow", &slug);
    let entry = entry.with(json!({ "row_version": workflow.row_version }));
    let saved = engine.save_draft_at(tenant, &source, Some(workflow.row_version));
    if let Err(error) = call.api.audit().around(entry, saved).await {
        return Err(overtaken(&call, error.into()).await);
    }
    shown(&call, StatusCode::OK, workflow.id.0).await
}
