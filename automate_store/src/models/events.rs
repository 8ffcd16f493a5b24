//! Events, and received requests: what starts executions from outside.

use std::sync::LazyLock;

use automate_core::limits;

use super::executions::PAYLOAD;
use crate::resource::Model;

/// The events.
pub static EVENTS: LazyLock<Model> = LazyLock::new(|| {
    use event::Column::*;
    Model::of::<event::Entity>("events", "event")
        .permissions("executions", "event")
        .doc("What happened: webhook deliveries, and events that were published.")
        .json([Payload, Headers])
        .needs(PAYLOAD, [Payload, Headers])
        .detail([Payload, Headers])
        .hidden([TenantId])
        .filters([EventType, Source, ReceivedAt])
        .orderings([Id, ReceivedAt])
        .describe(EventType, "Its type; `webhook.PATH` of a delivery, with dots for slashes.")
        .describe(Source, "Where it came from.")
        .describe(Payload, "What it says; null without the permission `execution.view_payload`.")
        .describe(Headers, "The headers that came with it, without secrets; null as the payload is.")
        .describe(CorrelationId, "Names the request that it came with, through all that followed from it.")
        .describe(Depth, "How many executions lie between it and the outside.")
        .build()
});

/// The inbox: the requests to webhooks.
pub static WEBHOOKS: LazyLock<Model> = LazyLock::new(|| {
    use webhook_request::Column::*;
    Model::of::<webhook_request::Entity>("webhooks", "webhook")
        .permissions("executions", "webhookrequest")
        .doc("Requests to webhooks as they were received, the refused and repeated ones too.")
        .json([Headers])
        .needs(PAYLOAD, [Headers, Body])
        .detail([Headers, Body])
        .hidden([TenantId])
        .filters([Path, Signature, HttpStatus, ReceivedAt])
        .orderings([Id, ReceivedAt])
        .max_length(RemoteAddr, limits::AUDIT_TEXT_CHARS)
        .describe(Id, "Its id; of a delivery that was taken, the id of its event too.")
        .describe(Path, "The path under the tenant's address.")
        .describe(Headers, "The headers, without secrets; null without the permission `execution.view_payload`.")
        .describe(BodyBytes, "How long the body was.")
        .describe(RemoteAddr, "The address that sent it.")
        .describe(
            Signature,
            "`ok`; `DUPLICATE` and `DELIVERY_CONFLICT` of what was delivered before; or why it was refused.",
        )
        .describe(HttpStatus, "What was answered.")
        .build()
});

/// The entity of events.
pub mod event {
    use sea_orm::entity::prelude::*;

    /// Something that happened.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub event_type: String,
        pub source: String,
        pub payload: String,
        pub headers: Option<String>,
        pub correlation_id: String,
        pub received_at: DateTimeUtc,
        pub depth: i32,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The entity of received requests.
pub mod webhook_request {
    use sea_orm::entity::prelude::*;

    /// A request to a webhook.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "webhook_requests")]
    #[expect(missing_docs, reason = "the model above describes its columns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub path: String,
        pub method: String,
        pub headers: String,
        pub body: Option<Vec<u8>>,
        pub body_bytes: i64,
        pub remote_addr: Option<String>,
        pub signature: String,
        pub http_status: i16,
        pub received_at: DateTimeUtc,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
