//! Automate: durable workflows that start from webhooks, events and commands, on an embedded
//! database or PostgreSQL.
//!
//! This package is both the binary and the facade. A project that embeds it writes
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     automate::App::new().connector(Acme).run()
//! }
//! ```
//!
//! and has the whole command line over its own connectors. Whatever a linked crate registers with
//! [`register_connector!`], [`register_provider!`], [`register_secrets_backend!`], [`register_filter!`],
//! [`macro@filter`] or [`macro@receiver`] is there without being named.

pub mod app;
mod bench;
mod cli;
mod wire;

pub use app::{App, AppError, Parts, Role};
pub use automate_admin as admin;
pub use automate_admin::register_admin;
pub use automate_api as api;
pub use automate_connectors as connectors;
pub use automate_connectors::{action, filter, link_plugins, receiver, register_connector, register_provider};
pub use automate_core as core;
pub use automate_core::register_filter;
pub use automate_governance as governance;
pub use automate_governance::register_secrets_backend;
pub use automate_migrations as migrations;
pub use automate_store as store;

/// What a project that embeds Automate writes against.
pub mod prelude {
    pub use async_trait::async_trait;
    pub use automate_admin::{BaseModelAdmin, ModelAdmin, register_admin};
    pub use automate_api::Problem;
    pub use automate_api::v1::Authenticator;
    pub use automate_api::v1::base::{
        Access, Action, BaseApiView, BaseModelViewSet, BaseReadOnlyViewSet, BaseViewSet, Call, CorsMixin, Faces, Limit,
        Mixins, Operation, PaginationMixin, Parameter, RateLimitMixin, Reply, TenantFilterMixin, Throttle, ThrottleBy,
    };
    pub use automate_connectors::base::{
        ActionContext, ActionSpec, Connection, ConnectionField, ConnectionSpec, Connector, ConnectorError, TriggerSpec,
    };
    pub use automate_connectors::provider::{
        Budget, BudgetError, Capability, ChatAnswer, ChatRequest, ChatSink, FinishReason, Message, MessageRole,
        Provider, ProviderContext, Reservation, Spend,
    };
    pub use automate_connectors::{
        Effect, ErrorCode, LogLevel, TypedAction, action, filter, link_plugins, receiver, register_connector,
        register_provider,
    };
    pub use automate_core::config::Config;
    pub use automate_core::expr::{FilterArgs, FilterError, FilterSpec};
    pub use automate_core::outbox::{HandlerError, NewOutboxItem, OutboxHandler, OutboxItem, OutboxStore};
    pub use automate_core::register_filter;
    pub use automate_core::runtime::Engine;
    pub use automate_core::secrets::{SecretError, SecretValue, SecretsBackend};
    pub use automate_core::signals::Signal;
    pub use automate_core::store::Store;
    pub use automate_governance::register_secrets_backend;
    pub use automate_store::resource::{Model, ResourceError, ResourceHooks, Resources, Row, Writer};
    pub use serde_json::{Value, json};

    pub use crate::{App, AppError, Parts, Role};
}
