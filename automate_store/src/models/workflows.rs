//! Workflows, their versions and their live triggers.

use std::sync::LazyLock;

use automate_core::limits;

use crate::resource::Model;

/// The workflows.
pub static WORKFLOWS: LazyLock<Model> = LazyLock::new(|| {
    use workflow::Column::*;
    Model::of::<workflow::Entity>("workflows", "workflow")
        .permissions("workflows", "workflow")
        .doc("Workflows, each over all of its versions.")
        .hidden([TenantId, LiveVersionId, RowVersion])
        .detail([Draft])
        .filters([Slug, LiveVersion, CreatedAt, UpdatedAt])
        .orderings([Slug, Title, CreatedAt, UpdatedAt])
        .search([Slug, Title, Description])
        .ordering(Slug, false)
        .max_length(Draft, limits::DOCUMENT_BYTES)
        .max_length(Description, limits::DOCUMENT_BYTES)
        .max_length(Title, limits::DOCUMENT_BYTES)
        .describe(Slug, "Its name in documents and addresses.")
        .describe(LiveVersion, "The version that runs; null before the first is published.")
        .describe(Draft, "The source that is to become the next version; null where there is none.")
        .build()
});

/// The versions of workflows.
pub static VERSIONS: LazyLock<Model> = LazyLock::new(|| {
    use version::Column::*;
    Model::of::<version::Entity>("versions", "workflow_version")
        .permissions("workflows", "version")
        .doc("Versions of a workflow. They never change.")
        .json([Document])
        .hidden([TenantId, WorkflowId])
        .detail([Document, Source])
        .filters([Number, Author, CreatedAt])
        .orderings([Number, CreatedAt])
        .ordering(Number, true)
        .max_length(Source, limits::DOCUMENT_BYTES)
        .max_length(Note, limits::DOCUMENT_BYTES)
        .describe(Number, "From 1, in the order in which they were published.")
        .describe(Document, "What it says, as data.")
        .describe(Source, "What it was written as.")
        .describe(Sha256, "The SHA-256 of the document in its canonical form, in hex.")
        .describe(Author, "Who published it.")
        .describe(Note, "Why it was published.")
        .build()
});

/// The live triggers.
pub static TRIGGERS: LazyLock<Model> = LazyLock::new(|| {
    use trigger::Column::*;
    Model::of::<trigger::Entity>("triggers", "trigger")
        .permissions("workflows", "trigger")
        .doc("What starts workflows: the triggers of their live versions.")
        .hidden([TenantId, VersionId])
        .choices(Kind, &["webhook", "event", "manual"])
        .filters([WorkflowId, Workflow, Kind, Key])
        .orderings([Id, Workflow, CreatedAt])
        .describe(Id, "Its id; another one with each publication.")
        .describe(WorkflowId, "The workflow.")
        .describe(Workflow, "The workflow, by its slug.")
        .describe(Version, "The live version.")
        .describe(Key, "The path of a webhook, the pattern of an event; empty of a start by hand.")
        .describe(Position, "Its place among the triggers of the document, from 0.")
        .build()
});

/// The entity of workflows.
pub mod workflow {
    use sea_orm::entity::prelude::*;

    /// A workflow over all of its versions.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflows")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub slug: String,
        pub title: String,
        pub description: String,
        pub live_version: Option<i32>,
        pub live_version_id: Option<Uuid>,
        pub draft: Option<String>,
        pub row_version: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The entity of versions.
pub mod version {
    use sea_orm::entity::prelude::*;

    /// An immutable version of a workflow.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_versions")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub workflow_id: Uuid,
        pub number: i32,
        pub document: String,
        pub source: String,
        pub sha256: String,
        pub author: String,
        pub note: String,
        pub created_at: DateTimeUtc,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The entity of triggers.
pub mod trigger {
    use sea_orm::entity::prelude::*;

    /// A trigger of a live version.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "triggers")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub workflow_id: Uuid,
        pub workflow: String,
        pub version_id: Uuid,
        pub version: i32,
        pub kind: String,
        pub key: String,
        pub position: i32,
        pub created_at: DateTimeUtc,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
