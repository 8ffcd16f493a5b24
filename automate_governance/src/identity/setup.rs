//! The set-up link: how the first superuser comes to be without a password that everybody knows.
//!
//! Whoever can read the server's own output proves to be its operator. Without the link nobody can
//! make the first account, however early they come (A18).

use automate_core::access::{Actor, Principal};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};
use zeroize::Zeroizing;

use super::entity::{login_flow, user};
use super::login::begin_flow;
use super::random::{self, SECRET_CHARS, digest};
use super::throttle::delta;
use super::{AuthError, Client, Identity, IdentityError, NewUser, Password};

/// The name under which set-up links are stored; no provider's name has a colon.
pub(crate) const SETUP: &str = ":setup";

/// A link that makes the first superuser.
#[derive(Clone)]
pub struct SetupLink {
    /// What the link carries; it is shown where it was made and stored nowhere.
    pub token: Zeroizing<String>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for SetupLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetupLink(until {})", self.expires_at)
    }
}

impl Identity {
    /// Makes a set-up link, where there is no user yet; none otherwise. Earlier links stay good until
    /// they expire: several processes may start at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn setup_link(&self) -> Result<Option<SetupLink>, IdentityError> {
        if self.has_users().await? {
            return Ok(None);
        }
        let token = random::text(SECRET_CHARS);
        let (hash, now) = (digest(&token).to_vec(), self.now());
        self.write(move |_, txn| async move {
            let flow = login_flow::Model {
                state_hash: hash,
                provider: SETUP.to_owned(),
                nonce: String::new(),
                verifier: String::new(),
                next: String::new(),
                created_at: now,
            };
            begin_flow(&txn, flow).await?;
            Ok((txn, ()))
        })
        .await?;
        Ok(Some(SetupLink { token, expires_at: now + delta(limits::SETUP_LINK) }))
    }

    /// Whether a set-up link is good: for showing its form.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_setup_link(&self, token: &str) -> Result<bool, IdentityError> {
        let db = self.inner.db.orm_reader();
        let row = login_flow::Entity::find_by_id(digest(token).to_vec()).one(db).await.map_err(store_error)?;
        Ok(row.is_some_and(|row| self.is_good(&row)) && !self.has_users().await?)
    }

    /// Makes the first superuser with a set-up link. It works once, and only while there is no user;
    /// all links are used up then.
    ///
    /// # Errors
    /// [`AuthError::Expired`] where the link is not good, and what is wrong with the account.
    pub async fn redeem_setup_link(
        &self,
        token: &str,
        email: String,
        name: String,
        password: &Password,
        client: &Client,
    ) -> Result<user::Model, IdentityError> {
        // A guess does not make us hash anything.
        if !self.is_setup_link(token).await? {
            return Err(IdentityError::Auth(AuthError::Expired));
        }
        let password_hash = self.hash_new_password(password, &[&email, &name]).await?;
        let (hash, origin) = (digest(token).to_vec(), client.origin.clone());
        self.write(move |this, txn| async move {
            // Two links at once must not make two first users.
            if txn.get_database_backend() == DbBackend::Postgres {
                txn.execute_unprepared("LOCK TABLE users IN EXCLUSIVE MODE").await.map_err(store_error)?;
            }
            let expired = || IdentityError::Auth(AuthError::Expired);
            let row = login_flow::Entity::find_by_id(hash).lock_exclusive().one(&txn).await.map_err(store_error)?;
            row.filter(|row| this.is_good(row)).ok_or_else(expired)?;
            if user::Entity::find().limit(1).one(&txn).await.map_err(store_error)?.is_some() {
                return Err(expired());
            }
            let links = login_flow::Entity::delete_many().filter(login_flow::Column::Provider.eq(SETUP));
            links.exec(&txn).await.map_err(store_error)?;
            let actor = Actor { name: "set-up link".to_owned(), ..Actor::anonymous() };
            let writer = Writer { principal: Principal::operator(actor, TenantId::DEFAULT), origin };
            let new = NewUser { email, name, is_staff: true, is_superuser: true, ..NewUser::default() };
            let made = this.create_user_in(&txn, &writer, new, Some(password_hash)).await?;
            Ok((txn, made))
        })
        .await
    }

    fn is_good(&self, row: &login_flow::Model) -> bool {
        row.provider == SETUP && self.now() - row.created_at < delta(limits::SETUP_LINK)
    }
}
