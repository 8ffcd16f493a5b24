//! What the engine and the services write: shown, filtered and searched here, and changed on the pages
//! that are made for it.

use automate_governance::connections::entity as connection;
use automate_governance::models::{CONNECTIONS, SECRETS};
use automate_governance::secrets::entity::secret;
use automate_store::models::audit::{AUDIT, entry};
use automate_store::models::events::{EVENTS, WEBHOOKS, event, webhook_request};
use automate_store::models::executions::{EXECUTIONS, STEPS, execution, step};
use automate_store::models::operations::{BULK_OPERATIONS, bulk_operation};
use automate_store::models::outbox::{OUTBOX, item};
use automate_store::models::workflows::{TRIGGERS, VERSIONS, WORKFLOWS, trigger, version, workflow};
use automate_store::resource::Model;
use serde_json::{Map, Value};

use crate::filter::ListFilter;
use crate::inline::InlineBaseAdmin;
use crate::model_admin::ModelAdmin;
use crate::site::AdminSite;
use crate::spec::Verb;

fn text<'r>(row: &'r Map<String, Value>, name: &str) -> Option<&'r str> {
    row.get(name)?.as_str()
}

type Link = Option<(String, String)>;

fn link(text: &str, url: String) -> Link {
    Some((text.to_owned(), url))
}

/// The steps of an execution.
struct Steps;

impl InlineBaseAdmin for Steps {
    type Entity = step::Entity;
    const FOREIGN_KEY: step::Column = step::Column::ExecutionId;

    fn model(&self) -> &'static Model {
        &STEPS
    }

    fn columns(&self) -> Vec<step::Column> {
        use step::Column::*;
        vec![Path, Uses, Status, Attempt]
    }
}

/// The versions of a workflow.
struct Versions;

impl InlineBaseAdmin for Versions {
    type Entity = version::Entity;
    const FOREIGN_KEY: version::Column = version::Column::WorkflowId;

    fn model(&self) -> &'static Model {
        &VERSIONS
    }

    fn columns(&self) -> Vec<version::Column> {
        use version::Column::*;
        vec![Number, Author, Note, CreatedAt]
    }

    fn limit(&self) -> u64 {
        20
    }
}

/// The address of a workflow's page; a slug that is a model's name is told apart.
fn workflow_url(slug: &str) -> String {
    format!("/admin/workflows/={slug}/")
}

fn to_workflow(row: &Map<String, Value>) -> Link {
    link("Operate", workflow_url(text(row, "workflow").or_else(|| text(row, "slug"))?))
}

fn to_execution(row: &Map<String, Value>) -> Link {
    link("Operate", format!("/admin/executions/{}/", text(row, "execution_id").or_else(|| text(row, "id"))?))
}

pub(super) fn register(site: AdminSite) -> AdminSite {
    let site = site
        .with(ModelAdmin::<workflow::Entity>::new(&WORKFLOWS, |spec| {
            use workflow::Column::*;
            spec.placed("Data", "Workflows")
                .text(Slug)
                .list_display([Slug, Title, LiveVersion, UpdatedAt])
                .list_filter([ListFilter::date(UpdatedAt), ListFilter::empty(LiveVersion)])
                .verbs([Verb::View])
                .inline(Versions)
                .row_link(to_workflow);
        }))
        .with(ModelAdmin::<version::Entity>::new(&VERSIONS, |spec| {
            use version::Column::*;
            spec.placed("Data", "Workflow versions")
                .list_display([Number, Author, Note, Sha256, CreatedAt])
                .list_filter([ListFilter::date(CreatedAt)])
                .verbs([Verb::View]);
        }))
        .with(ModelAdmin::<trigger::Entity>::new(&TRIGGERS, |spec| {
            use trigger::Column::*;
            spec.placed("Data", "Triggers")
                .text(Key)
                .list_display([Workflow, Kind, Key, Version, CreatedAt])
                .list_filter([ListFilter::of(Kind)])
                .verbs([Verb::View])
                .row_link(to_workflow);
        }))
        .with(ModelAdmin::<event::Entity>::new(&EVENTS, |spec| {
            use event::Column::*;
            spec.placed("Data", "Events")
                .list_display([EventType, Source, CorrelationId, ReceivedAt])
                .list_filter([ListFilter::date(ReceivedAt)])
                .date_hierarchy(ReceivedAt)
                .verbs([Verb::View]);
        }))
        .with(ModelAdmin::<execution::Entity>::new(&EXECUTIONS, |spec| {
            use execution::Column::*;
            spec.placed("Data", "Executions")
                .list_display([Workflow, Version, Status, Attempt, CreatedAt])
                .list_filter([ListFilter::of(Status), ListFilter::date(CreatedAt)])
                .date_hierarchy(CreatedAt)
                .verbs([Verb::View])
                .inline(Steps)
                .row_link(to_execution);
        }));
    stored(site)
}

fn stored(site: AdminSite) -> AdminSite {
    site.with(ModelAdmin::<item::Entity>::new(&OUTBOX, |spec| {
        use item::Column::*;
        spec.placed("Data", "Outbox items")
            .list_display([Kind, Key, Status, AttemptCount, LastErrorCode, NextAttemptAt, CreatedAt])
            .list_filter([ListFilter::of(Status), ListFilter::date(CreatedAt)])
            .verbs([Verb::View]);
    }))
    .with(ModelAdmin::<webhook_request::Entity>::new(&WEBHOOKS, |spec| {
        use webhook_request::Column::*;
        spec.placed("Data", "Webhook requests")
            .list_display([Path, Method, Signature, HttpStatus, BodyBytes, ReceivedAt])
            .list_filter([ListFilter::date(ReceivedAt)])
            .date_hierarchy(ReceivedAt)
            .verbs([Verb::View])
            .row_link(|row| link("Operate", format!("/admin/webhooks/{}/", text(row, "id")?)));
    }))
    .with(ModelAdmin::<bulk_operation::Entity>::new(&BULK_OPERATIONS, |spec| {
        use bulk_operation::Column::*;
        spec.placed("Data", "Bulk operations")
            .list_display([Operation, Status, CreatedBy, CreatedAt, StartedAt])
            .list_filter([ListFilter::of(Operation), ListFilter::of(Status), ListFilter::date(CreatedAt)])
            .verbs([Verb::View]);
    }))
    .with(ModelAdmin::<connection::Entity>::new(&CONNECTIONS, |spec| {
        use connection::Column::*;
        spec.placed("Data", "Connections")
            .list_display([Name, Connector, CreatedAt, UpdatedAt])
            .verbs([Verb::View])
            .row_link(|row| link("Change or test", format!("/admin/connections/{}/", text(row, "id")?)));
    }))
    .with(ModelAdmin::<secret::Entity>::new(&SECRETS, |spec| {
        use secret::Column::*;
        spec.placed("Data", "Secrets")
            .text(Key)
            .list_display([Key, CreatedAt, UpdatedAt])
            .verbs([Verb::View])
            .row_link(|row| link("Set or delete", format!("/admin/secrets/key/{}/", text(row, "key")?)));
    }))
    .with(ModelAdmin::<entry::Entity>::new(&AUDIT, |spec| {
        use entry::Column::*;
        spec.placed("Data", "Audit entries")
            .text(Action)
            .list_display([Seq, At, Actor, Action, ObjectType, ObjectId, Outcome])
            .list_filter([ListFilter::of(Outcome), ListFilter::of(ActorKind), ListFilter::date(At)])
            .verbs([Verb::View]);
    }))
}
