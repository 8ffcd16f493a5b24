//! Workflows.

use std::sync::LazyLock;

use crate::resource::Model;

/// The workflows.
pub static WORKFLOWS: LazyLock<Model> = LazyLock::new(|| {
    use workflow::Column::*;
    Model::of::<workflow::Entity>("workflows", "workflow")
        .permissions("workflows", "workflow")
        .doc("Workflows, each over all of its versions.")
        .hidden([TenantId, LiveVersionId, Draft, RowVersion])
        .filters([Slug, LiveVersion, CreatedAt, UpdatedAt])
        .orderings([Slug, Title, CreatedAt, UpdatedAt])
        .search([Slug, Title, Description])
        .ordering(Slug, false)
        .describe(Slug, "Its name in documents and addresses.")
        .describe(LiveVersion, "The version that runs; null before the first is published.")
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
