//! Documents on their way to being live: check, save, publish, roll back.

use serde::Serialize;

use super::Engine;
use crate::document::definition::Trigger;
use crate::document::{self, Diagnostic, Document};
use crate::ids::TenantId;
use crate::policy::{AdmitError, PolicyRefusal};
use crate::store::{NewTrigger, NewVersion, StoreError, VersionRecord, WorkflowRecord};

/// Why a document was not stored. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It has errors; all of them are here, warnings too.
    #[error("the document has {} error(s)", .0.iter().filter(|d| d.severity == crate::document::Severity::Error).count())]
    Invalid(Vec<Diagnostic>),
    /// The tenant's policy does not allow it.
    #[error(transparent)]
    Refused(#[from] PolicyRefusal),
    /// The store refused or cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What publishing did.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// The live version.
    pub version: VersionRecord,
    /// What is worth a look.
    pub warnings: Vec<Diagnostic>,
}

impl Engine {
    /// Parses and checks a document against the connectors that are there. `Ok` has the warnings.
    pub fn validate(&self, source: &str) -> Result<(Document, Vec<Diagnostic>), Vec<Diagnostic>> {
        let validation = document::validate(source, self.ports().actions.as_ref(), &self.ports().expressions);
        match validation.document {
            Some(document) => Ok((document, validation.findings)),
            None => Err(validation.findings),
        }
    }

    /// Saves a document as the workflow's draft. It must parse, so that its slug is known; what is
    /// wrong with it otherwise is said when it is published.
    pub async fn save_draft(&self, tenant: TenantId, source: &str) -> Result<WorkflowRecord, PublishError> {
        self.save_draft_at(tenant, source, None).await
    }

    /// As [`Engine::save_draft`], of a workflow that is at a `row_version`; at 0, one that is not
    /// there yet.
    ///
    /// # Errors
    /// `Conflict` of the store where the workflow is at another version, and those of a document
    /// that does not parse.
    pub async fn save_draft_at(
        &self,
        tenant: TenantId,
        source: &str,
        expected: Option<i32>,
    ) -> Result<WorkflowRecord, PublishError> {
        let document = document::parse(source).map_err(PublishError::Invalid)?;
        let workflow = &document.workflow;
        self.admit_workflow(tenant, &workflow.slug).await?;
        let (title, description) = (&workflow.title, &workflow.description);
        Ok(self.ports().store.save_draft(tenant, &workflow.slug, title, description, source, expected).await?)
    }

    /// Publishes a document: an immutable version, live at once, its triggers switched with it.
    pub async fn publish(
        &self,
        tenant: TenantId,
        source: &str,
        author: &str,
        note: &str,
    ) -> Result<Published, PublishError> {
        self.publish_at(tenant, source, author, note, None).await
    }

    /// As [`Engine::publish`], of a workflow that is at a `row_version`: what somebody else has saved
    /// meanwhile is not lost.
    ///
    /// # Errors
    /// `Conflict` of the store where the workflow is at another version, and those of
    /// [`Engine::publish`].
    pub async fn publish_at(
        &self,
        tenant: TenantId,
        source: &str,
        author: &str,
        note: &str,
        expected: Option<i32>,
    ) -> Result<Published, PublishError> {
        let (document, warnings) = self.admitted(tenant, source, "workflow.publish").await?;
        let canonical = document::canonical_json(&document);
        let workflow = &document.workflow;
        self.admit_workflow(tenant, &workflow.slug).await?;
        let version = NewVersion {
            slug: workflow.slug.clone(),
            title: workflow.title.clone(),
            description: workflow.description.clone(),
            sha256: document::sha256(&canonical),
            document: canonical,
            source: source.to_owned(),
            author: author.to_owned(),
            note: note.to_owned(),
            triggers: workflow
                .triggers
                .iter()
                .zip(0..)
                .map(|(trigger, position)| new_trigger(trigger, position))
                .collect(),
            expected,
        };
        let version = self.ports().store.publish(tenant, version).await?;
        self.inner.triggers.forget();
        Ok(Published { version, warnings })
    }

    /// A document that may run: it has no errors, and no actions that the tenant may not use. `deed` is what it
    /// is to run for.
    pub(super) async fn admitted(
        &self,
        tenant: TenantId,
        source: &str,
        deed: &str,
    ) -> Result<(Document, Vec<Diagnostic>), PublishError> {
        let (document, warnings) = self.validate(source).map_err(PublishError::Invalid)?;
        let policies = &self.ports().policies;
        let policy = policies.policy(tenant).await?;
        for uses in document.workflow.actions() {
            if let Err(refusal) = policy.check_action(uses) {
                policies.refused(tenant, deed, &refusal);
                return Err(PublishError::Refused(refusal));
            }
        }
        Ok((document, warnings))
    }

    /// Refuses one more workflow than the tenant may have.
    async fn admit_workflow(&self, tenant: TenantId, slug: &str) -> Result<(), PublishError> {
        let policies = &self.ports().policies;
        if policies.policy(tenant).await?.max_workflows.is_none() {
            return Ok(());
        }
        let workflows = self.ports().store.workflows(tenant).await?;
        if workflows.iter().any(|workflow| workflow.slug == slug) {
            return Ok(());
        }
        match policies.admit_workflow(tenant, workflows.len() as u64).await {
            Ok(()) => Ok(()),
            Err(AdmitError::Store(error)) => Err(error.into()),
            Err(AdmitError::Refused(refusal)) => {
                policies.refused(tenant, "workflow.add", &refusal);
                Err(PublishError::Refused(refusal))
            }
        }
    }

    /// Publishes an old version again, as a new version.
    pub async fn rollback(
        &self,
        tenant: TenantId,
        slug: &str,
        number: i32,
        author: &str,
        note: &str,
    ) -> Result<Published, PublishError> {
        let versions = self.ports().store.versions(tenant, slug).await?;
        let Some(old) = versions.into_iter().find(|version| version.number == number) else {
            return Err(StoreError::NotFound(format!("workflow `{slug}` has no version {number}")).into());
        };
        self.publish(tenant, &old.source, author, note).await
    }
}

fn new_trigger(trigger: &Trigger, position: i32) -> NewTrigger {
    let (kind, key) = match trigger {
        Trigger::Webhook(webhook) => ("webhook", webhook.path.clone()),
        Trigger::Event(event) => ("event", event.pattern.clone()),
        Trigger::Manual => ("manual", String::new()),
    };
    NewTrigger { kind: kind.to_owned(), key, position }
}
