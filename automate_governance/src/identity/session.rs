//! Sessions: somebody is logged in with a browser.

mod shown;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use automate_core::audit::Origin;
use automate_core::ids::{TenantId, UserId};
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::entity::session::{Column, Entity, Model};
use super::entity::{api_token, tenant};
use super::random::{self, SECRET_CHARS, digest};
use super::request::{Client, Presented, presented};
use super::throttle::delta;
use super::{AuthError, Identity, IdentityError};

pub use shown::ShownSession;

/// A session that a request came with.
#[derive(Clone)]
pub struct Session {
    /// SHA-256 of the id in the cookie: what names the session in the database.
    pub id_hash: [u8; 32],
    /// Who.
    pub user: UserId,
    /// The tenant they work in.
    pub tenant: Option<TenantId>,
    /// What a form or `X-CSRF-Token` must hold.
    pub csrf: String,
    /// When they logged in.
    pub created_at: DateTime<Utc>,
    /// When it ends, however much it is used.
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// A session that was just made; its id is known here and in the cookie only.
#[derive(Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The value of `Set-Cookie` that hands it to the browser.
    pub set_cookie: Zeroizing<String>,
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl Identity {
    /// Makes a session within a transaction. Its id is fresh always, whatever the browser sent (A6).
    pub(crate) async fn begin_session(
        &self,
        txn: &DatabaseTransaction,
        user: Uuid,
        tenant: Option<Uuid>,
        origin: &Origin,
    ) -> Result<NewSession, StoreError> {
        let now = self.now();
        let older = Entity::find()
            .filter(Column::UserId.eq(user))
            .order_by_desc(Column::CreatedAt)
            .offset(limits::SESSIONS_PER_USER - 1)
            .limit(limits::SESSIONS_PER_USER)
            .all(txn)
            .await
            .map_err(store_error)?;
        for row in older {
            Entity::delete_by_id(row.id_hash).exec(txn).await.map_err(store_error)?;
        }
        let id = random::text(SECRET_CHARS);
        let session = Session {
            id_hash: digest(&id),
            user: UserId(user),
            tenant: tenant.map(TenantId),
            csrf: random::text(SECRET_CHARS).to_string(),
            created_at: now,
            expires_at: now + delta(self.inner.settings.absolute),
        };
        let cut = |text: &str| text.chars().filter(|c| *c != '\0').take(limits::AUDIT_TEXT_CHARS).collect::<String>();
        let row = Model {
            id_hash: session.id_hash.to_vec(),
            user_id: user,
            tenant_id: tenant,
            csrf: session.csrf.clone(),
            address: cut(&origin.address),
            agent: cut(&origin.agent),
            created_at: now,
            last_seen_at: now,
            expires_at: session.expires_at,
        };
        Entity::insert(row.into_active_model()).exec(txn).await.map_err(store_error)?;
        Ok(NewSession { set_cookie: Zeroizing::new(self.inner.settings.set_cookie(&id)), session })
    }

    /// The session that a browser already has when it logs in; it ends then.
    pub(crate) fn previous(&self, headers: Option<&HeaderMap>) -> Option<[u8; 32]> {
        match presented(headers?, &self.inner.settings) {
            Presented::Cookie(id) => Some(digest(id)),
            _ => None,
        }
    }

    /// Gives a session another id and CSRF token, keeping what it is.
    pub(crate) async fn rotate_in(
        &self,
        txn: &DatabaseTransaction,
        session: &Session,
        tenant: Option<TenantId>,
        origin: &Origin,
    ) -> Result<NewSession, IdentityError> {
        let old = Entity::delete_by_id(session.id_hash.to_vec()).exec(txn).await.map_err(store_error)?;
        if old.rows_affected == 0 {
            return Err(IdentityError::Auth(AuthError::Invalid));
        }
        let mut fresh = self.begin_session(txn, session.user.0, tenant.map(|t| t.0), origin).await?;
        // It does not live longer for having another name.
        let began = session.created_at;
        fresh.session.created_at = began;
        fresh.session.expires_at = session.expires_at;
        Entity::update_many()
            .col_expr(Column::CreatedAt, Expr::value(began))
            .col_expr(Column::ExpiresAt, Expr::value(session.expires_at))
            .filter(Column::IdHash.eq(fresh.session.id_hash.to_vec()))
            .exec(txn)
            .await
            .map_err(store_error)?;
        Ok(fresh)
    }

    /// Ends a session; the browser is told with [`clear_cookie`](super::IdentitySettings::clear_cookie).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn log_out(&self, session: &Session, client: &Client) -> Result<(), IdentityError> {
        let (session, origin) = (session.clone(), client.origin.clone());
        self.write(move |this, txn| async move {
            let gone = Entity::delete_by_id(session.id_hash.to_vec()).exec(&txn).await.map_err(store_error)?;
            if gone.rows_affected > 0 {
                let writer = this.writer_of(&txn, session.user, origin).await?;
                this.audit(&txn, &writer, home(&writer), "user.logout", "user", session.user.0, json!({})).await?;
            }
            Ok((txn, ()))
        })
        .await
    }

    /// Ends all sessions of a user, on all nodes within five seconds. `keep` stays.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] where the writer may not know of the user, or may do less than they.
    pub async fn log_out_everywhere(
        &self,
        writer: Writer,
        user: UserId,
        keep: Option<[u8; 32]>,
    ) -> Result<u64, IdentityError> {
        self.write(move |this, txn| async move {
            let row = this.user_in_scope(&txn, &writer, user).await?;
            if writer.principal.user != Some(user) {
                this.check_not_above(&txn, &writer, &row).await?;
            }
            let ended = end_sessions(&txn, user.0, keep).await?;
            let facts = json!({ "sessions": ended });
            this.audit(&txn, &writer, this.tenant_of(&row), "user.logout_everywhere", "user", user.0, facts).await?;
            Ok((txn, ended))
        })
        .await
    }

    /// The tenant that a superuser works in from now on. The session gets another id.
    ///
    /// # Errors
    /// [`IdentityError::Forbidden`] to everybody else, [`IdentityError::NotFound`] where there is no
    /// such tenant.
    pub async fn choose_tenant(
        &self,
        writer: Writer,
        session: &Session,
        tenant: TenantId,
    ) -> Result<NewSession, IdentityError> {
        let session = session.clone();
        self.write(move |this, txn| async move {
            if !writer.principal.is_superuser || writer.principal.user != Some(session.user) {
                return Err(IdentityError::Forbidden("only superusers choose a tenant".to_owned()));
            }
            let row = tenant::Entity::find_by_id(tenant.0).one(&txn).await.map_err(store_error)?;
            let row = row.ok_or(IdentityError::NotFound("tenant"))?;
            let fresh = this.rotate_in(&txn, &session, Some(tenant), &writer.origin).await?;
            let facts = json!({ "slug": row.slug });
            this.audit(&txn, &writer, tenant, "user.choose_tenant", "tenant", tenant.0, facts).await?;
            Ok((txn, fresh))
        })
        .await
    }

    /// Notes that a session is used; once a minute, and not at the request's expense.
    pub(crate) fn touch_session(
        &self,
        hash: [u8; 32],
        seen: Option<DateTime<Utc>>,
        noted: &AtomicBool,
        now: DateTime<Utc>,
    ) {
        if seen.is_some_and(|seen| now - seen < delta(limits::IDENTITY_TOUCH)) || noted.swap(true, Ordering::Relaxed) {
            return;
        }
        let update = Entity::update_many()
            .col_expr(Column::LastSeenAt, Expr::value(now))
            .filter(Column::IdHash.eq(hash.to_vec()))
            .filter(Column::LastSeenAt.lt(now - delta(limits::IDENTITY_TOUCH)));
        self.touch(move |db| async move { update.exec(db.orm()).await.map(|_| ()).map_err(store_error) });
    }

    /// The same for a token.
    pub(crate) fn touch_token(
        &self,
        id: automate_core::ids::TokenId,
        used: Option<DateTime<Utc>>,
        noted: &AtomicBool,
        now: DateTime<Utc>,
    ) {
        if used.is_some_and(|used| now - used < delta(limits::IDENTITY_TOUCH)) || noted.swap(true, Ordering::Relaxed) {
            return;
        }
        let long_ago = Condition::any()
            .add(api_token::Column::LastUsedAt.is_null())
            .add(api_token::Column::LastUsedAt.lt(now - delta(limits::IDENTITY_TOUCH)));
        let update = api_token::Entity::update_many()
            .col_expr(api_token::Column::LastUsedAt, Expr::value(now))
            .filter(api_token::Column::Id.eq(id.0))
            .filter(long_ago);
        self.touch(move |db| async move { update.exec(db.orm()).await.map(|_| ()).map_err(store_error) });
    }

    fn touch<W, F>(&self, work: W)
    where
        W: FnOnce(Database) -> F + Send + 'static,
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        // Where too many are under way it is noted once the credential has been looked up again.
        let Ok(turn) = self.inner.touches.clone().try_acquire_owned() else { return };
        let db = self.inner.db.clone();
        tokio::spawn(async move {
            if let Err(error) = db.run(work).await {
                tracing::warn!(%error, "the use of a session or token was not noted");
            }
            drop(turn);
        });
    }
}

/// The tenant whose log a writer's own doings stand in.
pub(crate) fn home(writer: &Writer) -> TenantId {
    writer.principal.tenant.unwrap_or(TenantId::DEFAULT)
}

/// Ends the sessions of a user, apart from one.
pub(crate) async fn end_sessions<C: ConnectionTrait>(
    txn: &C,
    user: Uuid,
    keep: Option<[u8; 32]>,
) -> Result<u64, StoreError> {
    let mut delete = Entity::delete_many().filter(Column::UserId.eq(user));
    if let Some(keep) = keep {
        delete = delete.filter(Column::IdHash.ne(keep.to_vec()));
    }
    Ok(delete.exec(txn).await.map_err(store_error)?.rows_affected)
}

/// Deletes sessions that are over.
pub(crate) async fn tidy<C: ConnectionTrait>(
    db: &C,
    now: DateTime<Utc>,
    settings: &super::IdentitySettings,
) -> Result<(), StoreError> {
    let over = Condition::any()
        .add(Column::ExpiresAt.lte(now))
        .add(Column::LastSeenAt.lte(now - delta(settings.idle)))
        .add(Column::CreatedAt.lte(now - delta(settings.absolute)));
    Entity::delete_many().filter(over).exec(db).await.map_err(store_error)?;
    Ok(())
}
