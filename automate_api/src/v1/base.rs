//! What APIs are built with: the base classes, and what they are made of.
//!
//! | class | is for |
//! |---|---|
//! | [`BaseModelViewSet`] | rows of a model that are listed, shown, created, changed and deleted |
//! | [`BaseReadOnlyViewSet`] | rows that are listed and shown |
//! | [`BaseViewSet`] | a named resource with operations of its own |
//! | [`BaseApiView`] | an address with operations of its own |
//!
//! All of them come down to [`Operation`]s: routes, the OpenAPI document, the docs page and the
//! generated tests are made of nothing else. Override points have the names that Django's users
//! know: `get_permissions`, `get_throttles`, `get_queryset`. Mixins wrap all operations of a view:
//! [`CorsMixin`], [`TenantFilterMixin`], [`RateLimitMixin`], [`PaginationMixin`].

mod access;
mod bounds;
mod call;
mod conditions;
mod cors;
mod faces;
mod mixins;
mod model_operations;
mod model_shape;
mod model_views;
mod operation;
mod parameter;
mod reply;
mod shape;
mod sse;
mod throttle;
mod tidy;
mod views;

pub use access::Access;
pub use call::Call;
pub use conditions::IfMatch;
pub use cors::CorsPolicy;
pub use faces::Faces;
pub use mixins::{CorsMixin, Mixin, Mixins, PaginationMixin, RateLimitMixin, TenantFilterMixin};
pub use model_views::{BaseModelViewSet, BaseReadOnlyViewSet, model_access};
pub use operation::{Action, Answer, Content, Handler, Input, Operation};
pub use parameter::{Parameter, ParameterKind};
pub use reply::{Reply, ReplyBody};
pub use shape::Shape;
pub use sse::StreamEvent;
pub use throttle::{Decision, Limit, RateLimiter, Throttle, ThrottleBy};
pub use views::{BaseApiView, BaseViewSet, IntoView, ViewGroup, Views};

pub(crate) use call::no_tenant;
pub(crate) use conditions::is_known;
pub(crate) use sse::Events;
