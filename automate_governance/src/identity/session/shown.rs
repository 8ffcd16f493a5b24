//! Sessions as people look at them and end them: without anything that would let somebody in.

use automate_core::ids::UserId;
use automate_core::limits;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Column, Entity, Model, Session, delta};
use crate::identity::entity::user;
use crate::identity::{Identity, IdentityError};

/// Bytes of a name.
const NAME_BYTES: usize = 12;

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSession {
    /// What it is called on pages. It is made from the stored hash and does not lead back to it.
    pub name: String,
    /// Where the browser was at log-in.
    pub address: String,
    /// What the browser called itself at log-in; may be empty.
    pub agent: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// The last request, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends, however much it is used.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}

fn name_of(id_hash: &[u8]) -> String {
    let digest = Sha256::new().chain_update(b"the name of a session").chain_update(id_hash).finalize();
    hex::encode(&digest[..NAME_BYTES])
}

async fn rows<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Vec<Model>, IdentityError> {
    let query = Entity::find().filter(Column::UserId.eq(user.0)).order_by_desc(Column::CreatedAt);
    Ok(query.limit(limits::SESSIONS_PER_USER).all(db).await.map_err(store_error)?)
}

impl Identity {
    /// The sessions of a user that have not ended, the newest first. `current` is the one that asks.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] where the writer may not know of the user.
    pub async fn open_sessions(
        &self,
        writer: &Writer,
        user: UserId,
        current: Option<&Session>,
    ) -> Result<Vec<ShownSession>, IdentityError> {
        let db = self.inner.db.orm_reader();
        if writer.principal.user != Some(user) && !writer.principal.is_superuser {
            let row = user::Entity::find_by_id(user.0).one(db).await.map_err(store_error)?;
            let tenant = writer.principal.tenant.map(|tenant| tenant.0);
            let known = row.filter(|row| tenant.is_some() && row.tenant_id == tenant);
            known.ok_or(IdentityError::NotFound("user"))?;
        }
        let (now, settings) = (self.now(), &self.inner.settings);
        let shown = |row: Model| {
            let expires_at = row.expires_at.min(row.created_at + delta(settings.absolute));
            let over = expires_at <= now || row.last_seen_at + delta(settings.idle) <= now;
            (!over).then(|| ShownSession {
                name: name_of(&row.id_hash),
                current: current.is_some_and(|current| current.id_hash.as_slice() == row.id_hash.as_slice()),
                address: row.address,
                agent: row.agent,
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at,
            })
        };
        Ok(rows(db, user).await?.into_iter().filter_map(shown).collect())
    }

    /// Ends one session of a user, by its name, on all nodes within five seconds.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] where there is no such session or the writer may not know of the
    /// user, [`IdentityError::Forbidden`] where the user may do more than they.
    pub async fn end_session(&self, writer: Writer, user: UserId, name: &str) -> Result<(), IdentityError> {
        let name = name.to_owned();
        self.write(move |this, txn| async move {
            let row = this.user_in_scope(&txn, &writer, user).await?;
            if writer.principal.user != Some(user) {
                this.check_not_above(&txn, &writer, &row).await?;
            }
            let found = rows(&txn, user).await?.into_iter().find(|session| name_of(&session.id_hash) == name);
            let session = found.ok_or(IdentityError::NotFound("session"))?;
            let gone = Entity::delete_by_id(session.id_hash).exec(&txn).await.map_err(store_error)?;
            if gone.rows_affected == 0 {
                return Err(IdentityError::NotFound("session"));
            }
            let facts = json!({ "session": name, "began": session.created_at, "address": session.address });
            this.audit(&txn, &writer, this.tenant_of(&row), "user.end_session", "user", user.0, facts).await?;
            Ok((txn, ()))
        })
        .await
    }
}
