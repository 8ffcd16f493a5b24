//! Who sends a request.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use automate_core::access::{Actor, ActorKind, Principal};
use automate_core::ids::{TenantId, TokenId, UserId};
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use subtle::ConstantTimeEq as _;

use super::entity::{api_token, session};
use super::grants::{self, Grants};
use super::request::{Presented, check_csrf_token, check_same_origin, csrf_header, presented};
use super::throttle::delta;
use super::token::ParsedToken;
use super::{AuthError, Identity, Session, random};

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who, and what they may do.
    pub principal: Principal,
    /// The session, where they came with one.
    pub session: Option<Session>,
}

/// What is kept in memory of a credential that was looked up.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    found: Authenticated,
    /// Of a token.
    hash: Vec<u8>,
    expires_at: Option<DateTime<Utc>>,
    touched_at: Option<DateTime<Utc>>,
    /// Whether somebody notes the use already: until it is looked up again nobody else needs to.
    noted: Arc<AtomicBool>,
}

/// A credential by what names it in the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CredentialKey {
    Session([u8; 32]),
    Token(String),
}

impl Identity {
    /// Who sends a request: by its bearer token, or else by its session's cookie. A session's change
    /// (`unsafe_method`: everything but GET, HEAD and OPTIONS) needs the session's CSRF token in
    /// `X-CSRF-Token`, and must come from our own origin. A token given in the address is not looked
    /// at: refusing that is the router's matter.
    ///
    /// # Errors
    /// [`AuthError::Missing`] where the request says nothing about who sends it, otherwise why it is
    /// not let in.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        unsafe_method: bool,
    ) -> Result<Authenticated, AuthError> {
        let found = self.find_out(headers, unsafe_method).await;
        if let Err(error) = &found
            && !matches!(error, AuthError::Missing)
        {
            tracing::debug!(%address, code = error.code(), "a request was not let in");
        }
        found
    }

    async fn find_out(&self, headers: &HeaderMap, unsafe_method: bool) -> Result<Authenticated, AuthError> {
        match presented(headers, &self.inner.settings) {
            Presented::Nothing => Err(AuthError::Missing),
            Presented::Unusable => Err(AuthError::Invalid),
            Presented::Bearer(token) => self.by_token(token).await,
            Presented::Cookie(id) => {
                let found = self.by_session(id).await?;
                if let Some(session) = found.session.as_ref().filter(|_| unsafe_method) {
                    check_same_origin(headers, &self.inner.settings)?;
                    check_csrf_token(session, csrf_header(headers))?;
                }
                Ok(found)
            }
        }
    }

    /// The session of a request's cookie, without a look at its CSRF token: for pages that take it
    /// from a form and check it with [`check_csrf_token`], and [`check_same_origin`] besides.
    ///
    /// # Errors
    /// As [`Identity::authenticate`].
    pub async fn session(&self, headers: &HeaderMap) -> Result<Authenticated, AuthError> {
        match super::request::presented(headers, &self.inner.settings) {
            Presented::Cookie(id) => self.by_session(id).await,
            Presented::Nothing | Presented::Bearer(_) => Err(AuthError::Missing),
            Presented::Unusable => Err(AuthError::Invalid),
        }
    }

    /// A person as they are now, in a tenant: for work that they asked for and that goes on without
    /// them. None where they may not come in any more, or do not belong to the tenant.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn person(&self, user: UserId, tenant: TenantId) -> Result<Option<Principal>, StoreError> {
        let load = move |db: Database| async move {
            let db = db.orm_reader();
            let Some(grants) = grants::load(db, user.0).await? else { return Ok(None) };
            let belongs = grants.user.is_superuser || grants.user.tenant_id == Some(tenant.0);
            if !belongs || !grants::is_tenant_active(db, tenant.0).await? && !grants.user.is_superuser {
                return Ok(None);
            }
            Ok(Some(principal_of(grants, Some(tenant))))
        };
        self.inner.db.run(load).await
    }

    async fn by_token(&self, text: &str) -> Result<Authenticated, AuthError> {
        let token = ParsedToken::parse(text).ok_or(AuthError::Invalid)?;
        let key = CredentialKey::Token(token.prefix.to_owned());
        let known = match self.inner.recent.get(&key) {
            Some(known) => known,
            None => {
                let begun = self.inner.recent.begin();
                let known = self.load_token(token.prefix).await?.ok_or(AuthError::Invalid)?;
                self.inner.recent.put(begun, key, known.clone());
                known
            }
        };
        let same = known.hash.ct_eq(&random::digest(token.secret));
        let now = self.now();
        if !bool::from(same) || known.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::Invalid);
        }
        if let Some(id) = known.found.principal.token {
            self.touch_token(id, known.touched_at, &known.noted, now);
        }
        Ok(known.found)
    }

    async fn load_token(&self, prefix: &str) -> Result<Option<Known>, StoreError> {
        let db = self.inner.db.orm_reader();
        let row = api_token::Entity::find()
            .filter(api_token::Column::Prefix.eq(prefix))
            .filter(api_token::Column::RevokedAt.is_null())
            .one(db)
            .await
            .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let Some(grants) = grants::load(db, row.user_id).await? else { return Ok(None) };
        // An owner who was moved to another tenant leaves their tokens behind.
        let belongs = grants.user.is_superuser || grants.user.tenant_id == Some(row.tenant_id);
        if !belongs || !grants::is_tenant_active(db, row.tenant_id).await? {
            return Ok(None);
        }
        let scopes: BTreeSet<String> = serde_json::from_str(&row.scopes)
            .map_err(|e| StoreError::Corrupt(format!("the scopes of the token {}: {e}", row.id)))?;
        let principal = Principal {
            actor: Actor { kind: ActorKind::Token, id: row.id.to_string(), name: row.name },
            tenant: Some(TenantId(row.tenant_id)),
            user: Some(UserId(row.user_id)),
            token: Some(TokenId(row.id)),
            is_superuser: grants.user.is_superuser,
            is_staff: grants.user.is_staff,
            permissions: grants.permissions,
            scopes: Some(scopes),
            rate_per_minute: row.rate_per_minute.and_then(|rate| u32::try_from(rate).ok()),
        };
        Ok(Some(Known {
            found: Authenticated { principal, session: None },
            hash: row.hash,
            expires_at: row.expires_at,
            touched_at: row.last_used_at,
            noted: Arc::default(),
        }))
    }

    pub(crate) async fn by_session(&self, id: &str) -> Result<Authenticated, AuthError> {
        let hash = random::digest(id);
        let key = CredentialKey::Session(hash);
        let known = match self.inner.recent.get(&key) {
            Some(known) => known,
            None => {
                let begun = self.inner.recent.begin();
                let known = self.load_session(hash).await?.ok_or(AuthError::Invalid)?;
                self.inner.recent.put(begun, key, known.clone());
                known
            }
        };
        let now = self.now();
        let idle = known.touched_at.is_none_or(|seen| now - seen >= delta(self.inner.settings.idle));
        if idle || known.expires_at.is_none_or(|end| end <= now) {
            return Err(AuthError::Invalid);
        }
        self.touch_session(hash, known.touched_at, &known.noted, now);
        Ok(known.found)
    }

    async fn load_session(&self, hash: [u8; 32]) -> Result<Option<Known>, StoreError> {
        let db = self.inner.db.orm_reader();
        let row = session::Entity::find_by_id(hash.to_vec()).one(db).await.map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let Some(grants) = grants::load(db, row.user_id).await? else { return Ok(None) };
        let tenant = tenant_of(&row, &grants);
        if let Some(tenant) = tenant
            && !grants.user.is_superuser
            && !grants::is_tenant_active(db, tenant.0).await?
        {
            return Ok(None);
        }
        // The configured limit counts for sessions that began under a longer one, too.
        let expires_at = row.expires_at.min(row.created_at + delta(self.inner.settings.absolute));
        let session = Session {
            id_hash: hash,
            user: UserId(row.user_id),
            tenant,
            csrf: row.csrf,
            created_at: row.created_at,
            expires_at,
        };
        let principal = principal_of(grants, tenant);
        Ok(Some(Known {
            found: Authenticated { principal, session: Some(session) },
            hash: Vec::new(),
            expires_at: Some(expires_at),
            touched_at: Some(row.last_seen_at),
            noted: Arc::default(),
        }))
    }
}

/// The tenant of a session: superusers choose one, everybody else has one.
fn tenant_of(row: &session::Model, grants: &Grants) -> Option<TenantId> {
    let own = grants.user.tenant_id;
    let tenant = if grants.user.is_superuser { row.tenant_id.or(own) } else { own };
    tenant.map(TenantId)
}

/// A person with all that they may do.
pub(crate) fn principal_of(grants: Grants, tenant: Option<TenantId>) -> Principal {
    let Grants { user, permissions } = grants;
    Principal {
        actor: Actor { kind: ActorKind::User, id: user.id.to_string(), name: user.email },
        tenant,
        user: Some(UserId(user.id)),
        token: None,
        is_superuser: user.is_superuser,
        is_staff: user.is_staff,
        permissions,
        scopes: None,
        rate_per_minute: None,
    }
}
