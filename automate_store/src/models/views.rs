//! Lists that people keep.

use std::sync::LazyLock;

use automate_core::limits;

use crate::resource::Model;

/// Saved views: which rows of a page somebody looks at again and again. Which of them somebody sees,
/// and whose they may change, is for [`saved_views`](crate::saved_views).
pub static SAVED_VIEWS: LazyLock<Model> = LazyLock::new(|| {
    use saved_view::Column::*;
    Model::of::<saved_view::Entity>("saved-views", "saved_view")
        .permissions("admin", "savedview")
        .doc("Lists that people keep.")
        .on_create([Page, OwnerId])
        .writable([Name, Query, Shared])
        .max_length(Page, limits::SAVED_VIEW_PAGE_CHARS)
        .max_length(Name, limits::SAVED_VIEW_NAME_CHARS)
        .max_length(Query, limits::SAVED_VIEW_QUERY_CHARS)
        .filters([Page, OwnerId, Name, Shared])
        .orderings([Name, CreatedAt])
        .ordering(Name, false)
        .describe(Page, "The list that it is of.")
        .describe(Query, "What the list's address has behind the `?`.")
        .describe(Shared, "Whether everybody in the tenant sees it.")
        .build()
});

/// The entity.
pub mod saved_view {
    use sea_orm::entity::prelude::*;

    /// A saved view.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "saved_views")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub page: String,
        pub owner_id: Uuid,
        pub name: String,
        pub query: String,
        pub shared: bool,
        pub row_version: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
