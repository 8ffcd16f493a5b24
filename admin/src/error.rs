//! Why a page was not shown, or something was not done.

use std::time::Duration;

use automate_core::store::StoreError;
use automate_governance::identity::{AuthError, IdentityError};
use automate_store::resource::ResourceError;

/// Why a page was not shown, or something was not done. Each becomes a page that says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    /// No such page or row, or none that the caller may know of.
    #[error("there is no such page, or none that you may see")]
    NotFound,
    /// They lack a permission.
    #[error("this takes the permission `{0}`")]
    Forbidden(String),
    /// The address has parameters that the page does not take, or values that do not fit them.
    #[error("the address is not one of this page: {0}")]
    Query(String),
    /// What was posted is not what the form has.
    #[error("the form cannot be read: {0}")]
    Form(String),
    /// Who sends it is not proven.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The service refused, with what is wrong by field.
    #[error(transparent)]
    Resource(ResourceError),
    /// It does not go together with the state that something is in.
    #[error("{0}")]
    Conflict(String),
    /// Too much is asked for at once.
    #[error("the server is busy; try again in {} s", .0.as_secs().max(1))]
    Busy(Duration),
    /// A fault of ours; the log says more.
    #[error("something went wrong on our side")]
    Internal(String),
}

impl AdminError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Resource(ResourceError::NotFound(_)) => "NOT_FOUND",
            Self::Forbidden(_) => "PERMISSION_DENIED",
            Self::Query(_) | Self::Resource(ResourceError::Query(_)) => "INVALID_QUERY",
            Self::Form(_) => "INVALID_FORM",
            Self::Auth(error) => error.code(),
            Self::Resource(ResourceError::Invalid(_)) => "INVALID_INPUT",
            Self::Conflict(_) | Self::Resource(ResourceError::Conflict(_)) => "CONFLICT",
            Self::Resource(ResourceError::Changed { .. }) => "PRECONDITION_FAILED",
            Self::Resource(ResourceError::Refused(_)) => "REFUSED",
            Self::Resource(ResourceError::Store(error)) => error.code(),
            Self::Busy(_) => "BUSY",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        use http::StatusCode as S;
        match self {
            Self::NotFound | Self::Resource(ResourceError::NotFound(_)) => S::NOT_FOUND,
            Self::Forbidden(_) => S::FORBIDDEN,
            Self::Query(_) | Self::Form(_) | Self::Resource(ResourceError::Query(_)) => S::BAD_REQUEST,
            Self::Auth(error) => S::from_u16(error.status()).unwrap_or(S::UNAUTHORIZED),
            Self::Resource(ResourceError::Invalid(_) | ResourceError::Refused(_)) => S::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) | Self::Resource(ResourceError::Conflict(_) | ResourceError::Changed { .. }) => {
                S::CONFLICT
            }
            Self::Resource(ResourceError::Store(error)) if error.is_transient() => S::SERVICE_UNAVAILABLE,
            Self::Busy(_) => S::SERVICE_UNAVAILABLE,
            Self::Resource(ResourceError::Store(_)) | Self::Internal(_) => S::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<ResourceError> for AdminError {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::NotFound(_) => Self::NotFound,
            other => Self::Resource(other),
        }
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Resource(ResourceError::Store(error))
    }
}

impl From<IdentityError> for AdminError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Auth(error) => Self::Auth(error),
            IdentityError::NotFound(_) => Self::NotFound,
            other => Self::Resource(other.into()),
        }
    }
}

impl From<askama::Error> for AdminError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(format!("a template: {error}"))
    }
}
