//! The documentation for people, rendered on the server: no script, no asset from elsewhere.

use axum::Router;
use utoipa::openapi::OpenApi;

use super::base::Views;

pub(super) fn router(_views: &Views, _document: &OpenApi) -> Router {
    Router::new()
}
