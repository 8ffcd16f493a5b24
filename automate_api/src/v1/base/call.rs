//! A request as an operation's handler gets it: authenticated, permitted, and checked.

use std::collections::BTreeMap;

use automate_core::access::Principal;
use automate_core::audit::{AuditEntry, Origin};
use automate_core::ids::TenantId;
use automate_store::resource::Writer;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::conditions::IfMatch;
use super::mixins::PaginationMixin;
use super::operation::Action;
use crate::v1::ApiV1;
use crate::v1::idempotency::HeldKey;
use crate::{FieldError, Problem};

/// A request as an operation's handler gets it.
#[derive(Debug, Clone)]
pub struct Call {
    /// What the API stands over.
    pub api: ApiV1,
    /// What is asked for.
    pub action: Action,
    /// Who asks.
    pub principal: Principal,
    /// From where.
    pub origin: Origin,
    /// The parameters of the path, decoded and checked.
    pub path: BTreeMap<String, String>,
    /// The parameters of the query, decoded and checked, each once, in their order.
    pub query: Vec<(String, String)>,
    /// The body; null where there is none.
    pub body: Value,
    /// What the row must be like for the change to be made.
    pub if_match: Option<IfMatch>,
    /// How a list is cut into pages.
    pub pagination: PaginationMixin,
    /// The headers.
    pub headers: HeaderMap,
    /// The key under which this request has one effect; see [`Call::dedupe_key`].
    pub(crate) held: Option<HeldKey>,
}

impl Call {
    /// The caller's tenant. An operation that is bound to a tenant is not called without one.
    ///
    /// # Errors
    /// 403 for whoever has none.
    pub fn tenant(&self) -> Result<TenantId, Problem> {
        self.principal.tenant.ok_or_else(no_tenant)
    }

    /// Who writes, for [`Resources`](automate_store::resource::Resources).
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer { principal: self.principal.clone(), origin: self.origin.clone() }
    }

    /// An entry of the audit log about something that the caller did.
    ///
    /// # Errors
    /// 403 for whoever has no tenant.
    pub fn audit(&self, action: &str) -> Result<AuditEntry, Problem> {
        let entry = AuditEntry::new(self.tenant()?, self.principal.actor.clone(), action);
        Ok(entry.from(self.origin.clone()))
    }

    /// A parameter of the path; empty where the path has none of that name.
    #[must_use]
    pub fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A parameter of the path that is a row's id.
    ///
    /// # Errors
    /// 404 where it is none.
    pub fn path_id(&self, name: &str) -> Result<Uuid, Problem> {
        Uuid::parse_str(self.path(name)).map_err(|_| Problem::not_found())
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query that is declared as a whole number.
    #[must_use]
    pub fn query_integer(&self, name: &str) -> Option<i64> {
        self.query(name)?.parse().ok()
    }

    /// A parameter of the query that is declared as true or false; false where it is absent.
    #[must_use]
    pub fn query_flag(&self, name: &str) -> bool {
        self.query(name) == Some("true")
    }

    /// The body as a type.
    ///
    /// # Errors
    /// 422 where it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = match &self.body {
            Value::Null => Value::Object(Map::new()),
            body => body.clone(),
        };
        serde_json::from_value(body).map_err(|error| unreadable(&error))
    }

    /// The members of the body.
    ///
    /// # Errors
    /// 422 where it is no object.
    pub fn fields(&self) -> Result<Map<String, Value>, Problem> {
        match &self.body {
            Value::Object(fields) => Ok(fields.clone()),
            Value::Null => Ok(Map::new()),
            _ => Err(invalid("", "INVALID_TYPE", "send a JSON object")),
        }
    }

    /// What names this request for ever, where the client sent `Idempotency-Key`: for handlers that
    /// can give it to their own transaction, so that the effect happens once even if the process
    /// dies between the effect and the answer.
    #[must_use]
    pub fn dedupe_key(&self) -> Option<String> {
        self.held.as_ref().map(HeldKey::dedupe_key)
    }
}

/// 403 for a caller without a tenant.
pub(crate) fn no_tenant() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "TENANT_REQUIRED", "you belong to no tenant, so there is nothing to see here")
}

/// 422 with one fault.
pub(crate) fn invalid(path: &str, code: &str, message: &str) -> Problem {
    let error = FieldError { path: path.to_owned(), code: code.to_owned(), message: message.to_owned() };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input is not valid").with_errors(vec![error])
}

/// What serde says about a body, as the client is told. It names members and kinds, and repeats
/// values that the client sent itself.
pub(crate) fn unreadable(error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    if message.starts_with("unknown field") {
        let fault = FieldError { path: String::new(), code: "UNKNOWN_FIELD".to_owned(), message };
        return Problem::new(StatusCode::BAD_REQUEST, "UNKNOWN_FIELD", "the body has a member that is not taken")
            .with_errors(vec![fault]);
    }
    invalid("", "INVALID_INPUT", &message)
}
