//! The audit log.

use std::sync::LazyLock;

use crate::resource::Model;

/// The entries of the audit log. Nobody writes them but [`AuditLog`](crate::audit::AuditLog).
pub static AUDIT: LazyLock<Model> = LazyLock::new(|| {
    use entry::Column::*;
    Model::of::<entry::Entity>("audit", "audit_entry")
        .permissions("audit", "entry")
        .doc("Who did what, each entry chained to the one before it.")
        .hidden([TenantId, Hash])
        .json([Changes])
        .detail([Changes])
        .choices(Outcome, &["done", "asked", "refused", "failed"])
        .choices(ActorKind, &["user", "token", "cli", "system", "extension", "anonymous"])
        .filters([Seq, At, ActorKind, ActorId, Actor, Action, ObjectType, ObjectId, Outcome, CorrelationId, Address])
        .orderings([Seq])
        .search([Actor, Action, ObjectType, ObjectId])
        .ordering(Seq, true)
        .describe(Seq, "Its place in the tenant's log, from 1.")
        .describe(ActorId, "The id of the user or token; empty where there is none.")
        .describe(Actor, "The name people know them by.")
        .describe(Action, "What, as `noun.verb`.")
        .describe(ObjectType, "The kind of row.")
        .describe(ObjectId, "Which row.")
        .describe(Outcome, "`done` with this entry; `asked` for, and done right after; `refused`; `failed`.")
        .describe(Changes, "What changed, or facts by name; credentials are masked.")
        .describe(CorrelationId, "Names the request.")
        .describe(Address, "The client's address.")
        .describe(Agent, "What the client calls itself.")
        .build()
});

/// The entity.
pub mod entry {
    use sea_orm::entity::prelude::*;

    /// An entry.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_log")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub seq: i64,
        pub at: DateTimeUtc,
        pub actor_kind: String,
        pub actor_id: String,
        pub actor: String,
        pub action: String,
        pub object_type: String,
        pub object_id: String,
        pub outcome: String,
        pub changes: String,
        pub correlation_id: String,
        pub address: String,
        pub agent: String,
        pub hash: Vec<u8>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
