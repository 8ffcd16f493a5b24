//! API tokens: what they look like, and making and taking them back.
//!
//! `aut_` + 12 letters and digits that are shown + `_` + 43 that are not + 6 that tell a typing error
//! from a guess without asking the database, and let scanners for leaked tokens be sure.

use std::collections::BTreeSet;

use automate_core::access::ActorKind;
use automate_core::ids::{TenantId, TokenId, UserId, new_v7};
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::entity::{api_token, user};
use super::random::{self, SECRET_CHARS, digest};
use super::{Identity, IdentityError, check_name};

const MARK: &str = "aut_";
const PREFIX_CHARS: usize = 12;
const CHECK_CHARS: usize = 6;
/// Requests a minute that a token may be limited to, at most.
const RATE_MOST: u32 = 1_000_000;

/// A token as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedToken<'t> {
    pub(crate) prefix: &'t str,
    pub(crate) secret: &'t str,
}

impl<'t> ParsedToken<'t> {
    /// The parts of a token; none where it is not one.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix(MARK)?;
        // Nothing else reaches the database, whatever checksum somebody made up for it.
        let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if rest.len() != PREFIX_CHARS + 1 + SECRET_CHARS + CHECK_CHARS || !plain {
            return None;
        }
        let (prefix, rest) = rest.split_at(PREFIX_CHARS);
        let (secret, check) = rest.strip_prefix('_')?.split_at(SECRET_CHARS);
        (check == self::check(prefix, secret)).then_some(Self { prefix, secret })
    }
}

fn check(prefix: &str, secret: &str) -> String {
    hex::encode(&digest(&format!("{prefix}_{secret}"))[..CHECK_CHARS / 2])
}

/// A token that was just made up.
pub struct FreshToken {
    /// The whole token, shown once.
    pub secret: Zeroizing<String>,
    /// The part that is stored and shown.
    pub prefix: String,
    /// SHA-256 of the part that is not.
    pub hash: Vec<u8>,
}

impl FreshToken {
    /// A new one.
    #[must_use]
    pub fn make() -> Self {
        let (prefix, secret) = (random::text(PREFIX_CHARS), random::text(SECRET_CHARS));
        let check = check(&prefix, &secret);
        Self {
            hash: digest(&secret).to_vec(),
            secret: Zeroizing::new(format!("{MARK}{}_{}{check}", *prefix, *secret)),
            prefix: prefix.to_string(),
        }
    }
}

impl std::fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FreshToken({MARK}{})", self.prefix)
    }
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub user: UserId,
    /// The tenant that it works in; the owner's where there is none.
    pub tenant: Option<TenantId>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// Requests a minute; as many as everybody where there is none.
    pub rate_per_minute: Option<u32>,
    /// When it ends; never where there is none.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token that was just made.
#[derive(Debug)]
pub struct CreatedToken {
    /// The row.
    pub row: api_token::Model,
    /// The token and its secret, which nobody can be shown again.
    pub fresh: FreshToken,
}

impl Identity {
    /// Makes a token. Who may make one is the caller's matter; here it is seen to that nobody makes
    /// one that can do more than they can: only a superuser makes one for somebody else, and a token
    /// makes none with scopes that it has not.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing is stored then.
    pub async fn create_token(&self, writer: Writer, new: NewToken) -> Result<CreatedToken, IdentityError> {
        self.write(move |this, txn| async move {
            let made = this.create_token_in(&txn, &writer, new).await?;
            Ok((txn, made))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::create_token`].
    pub async fn create_token_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        new: NewToken,
    ) -> Result<CreatedToken, IdentityError> {
        let now = self.now();
        let scopes = self.inner.settings.scopes.check(&new.scopes)?;
        self.check_token(writer, &new, &scopes, now)?;
        let owner = self.user_in_scope(txn, writer, new.user).await?;
        let tenant = new.tenant.map(|t| t.0).or(owner.tenant_id).or(writer.principal.tenant.map(|t| t.0));
        let Some(tenant) = tenant else {
            return Err(IdentityError::field("tenant", "REQUIRED", "the owner belongs to no tenant; name one"));
        };
        let allowed = owner.is_superuser || owner.tenant_id == Some(tenant);
        if !allowed || !super::grants::is_tenant_active(txn, tenant).await? {
            return Err(IdentityError::NotFound("tenant"));
        }
        let count = api_token::Entity::find()
            .filter(api_token::Column::UserId.eq(owner.id))
            .filter(api_token::Column::RevokedAt.is_null())
            .count(txn)
            .await
            .map_err(store_error)?;
        if count >= limits::TOKENS_PER_USER {
            return Err(IdentityError::Conflict(format!("the user has {count} tokens; revoke some")));
        }
        let fresh = FreshToken::make();
        let row = api_token::Model {
            id: new_v7(),
            tenant_id: tenant,
            user_id: owner.id,
            name: check_name("name", &new.name, true)?,
            prefix: fresh.prefix.clone(),
            hash: fresh.hash.clone(),
            scopes: json!(scopes).to_string(),
            rate_per_minute: new.rate_per_minute.and_then(|rate| i32::try_from(rate).ok()),
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
            row_version: 1,
            created_at: now,
            updated_at: now,
        };
        api_token::Entity::insert(row.clone().into_active_model()).exec(txn).await.map_err(store_error)?;
        let facts = json!({
            "name": row.name, "prefix": row.prefix, "owner": owner.email, "scopes": scopes, "expires_at": row.expires_at,
        });
        self.audit(txn, writer, TenantId(tenant), "token.create", "token", row.id, facts).await?;
        Ok(CreatedToken { row, fresh })
    }

    fn check_token(
        &self,
        writer: &Writer,
        new: &NewToken,
        scopes: &[String],
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let principal = &writer.principal;
        if principal.user != Some(new.user) && !principal.is_superuser {
            return Err(IdentityError::Forbidden("a token for somebody else needs a superuser".to_owned()));
        }
        if let Some(missing) = scopes.iter().find(|scope| !principal.has_scope(scope)) {
            return Err(IdentityError::Forbidden(format!("the token in use has not the scope `{missing}` itself")));
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(IdentityError::field("expires_at", "IN_THE_PAST", "`expires_at` is in the past"));
        }
        if new.rate_per_minute.is_some_and(|rate| rate == 0 || rate > RATE_MOST) {
            let message = format!("`rate_per_minute` must be from 1 to {RATE_MOST}");
            return Err(IdentityError::field("rate_per_minute", "OUT_OF_RANGE", message));
        }
        Ok(())
    }

    /// The tokens that the writer may know of, newest first; with `user`, theirs only.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tokens(
        &self,
        tenant: TenantId,
        user: Option<UserId>,
        limit: u64,
    ) -> Result<Vec<api_token::Model>, IdentityError> {
        let mut query = api_token::Entity::find().filter(api_token::Column::TenantId.eq(tenant.0));
        if let Some(user) = user {
            query = query.filter(api_token::Column::UserId.eq(user.0));
        }
        let query = query.order_by_desc(api_token::Column::Id).limit(limit);
        let db = self.inner.db.clone();
        let rows = db.run(|db| async move { query.all(db.orm_reader()).await.map_err(store_error) });
        Ok(rows.await?)
    }

    /// The token of a tenant by the part that is shown.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn token_by_prefix(
        &self,
        tenant: TenantId,
        prefix: &str,
    ) -> Result<Option<api_token::Model>, IdentityError> {
        let query = api_token::Entity::find()
            .filter(api_token::Column::TenantId.eq(tenant.0))
            .filter(api_token::Column::Prefix.eq(prefix));
        Ok(query.one(self.inner.db.orm_reader()).await.map_err(store_error)?)
    }

    /// Takes a token back. `false` where it was taken back before.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] where the writer may not know of it.
    pub async fn revoke_token(&self, writer: Writer, id: TokenId) -> Result<bool, IdentityError> {
        self.write(move |this, txn| async move {
            let done = this.revoke_token_in(&txn, &writer, id).await?;
            Ok((txn, done))
        })
        .await
    }

    /// The same within a transaction of the caller's. A person without the permission
    /// `people.delete_token` takes back their own only.
    ///
    /// # Errors
    /// As [`Identity::revoke_token`].
    pub async fn revoke_token_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: TokenId,
    ) -> Result<bool, IdentityError> {
        let row = api_token::Entity::find_by_id(id.0).lock_exclusive().one(txn).await.map_err(store_error)?;
        let principal = &writer.principal;
        let row = row.filter(|row| principal.tenant.map(|t| t.0) == Some(row.tenant_id));
        let row = row.ok_or(IdentityError::NotFound("token"))?;
        let own = principal.user.map(|u| u.0) == Some(row.user_id);
        if !own && !principal.can("people.delete_token") {
            return Err(IdentityError::NotFound("token"));
        }
        if row.revoked_at.is_some() {
            return Ok(false);
        }
        let now = self.now();
        let facts = json!({ "name": row.name, "prefix": row.prefix });
        let (tenant, version) = (TenantId(row.tenant_id), row.row_version);
        let mut row = row.into_active_model();
        row.revoked_at = Set(Some(now));
        row.updated_at = Set(now);
        row.row_version = Set(version + 1);
        row.update(txn).await.map_err(store_error)?;
        self.audit(txn, writer, tenant, "token.revoke", "token", id.0, facts).await?;
        Ok(true)
    }

    /// Takes all tokens of a user back, apart from one.
    pub(crate) async fn revoke_tokens_of(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        owner: &user::Model,
    ) -> Result<u64, IdentityError> {
        let keep = writer.principal.token.filter(|_| writer.principal.actor.kind == ActorKind::Token);
        let now = self.now();
        let rows = api_token::Entity::find()
            .filter(api_token::Column::UserId.eq(owner.id))
            .filter(api_token::Column::RevokedAt.is_null())
            .all(txn)
            .await
            .map_err(store_error)?;
        let mut revoked = 0;
        for row in rows.into_iter().filter(|row| keep.map(|t| t.0) != Some(row.id)) {
            let (id, tenant, version) = (row.id, TenantId(row.tenant_id), row.row_version);
            let facts = json!({ "name": row.name, "prefix": row.prefix });
            let mut row = row.into_active_model();
            row.revoked_at = Set(Some(now));
            row.updated_at = Set(now);
            row.row_version = Set(version + 1);
            row.update(txn).await.map_err(store_error)?;
            self.audit(txn, writer, tenant, "token.revoke", "token", id, facts).await?;
            revoked += 1;
        }
        Ok(revoked)
    }
}

/// The scopes of a stored token.
///
/// # Errors
/// `Corrupt` where they are no array of text.
pub fn scopes_of(row: &api_token::Model) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(&row.scopes)
        .map_err(|e| StoreError::Corrupt(format!("the scopes of the token {}: {e}", row.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_every_typing_error_is_noticed() {
        let fresh = FreshToken::make();
        let parsed = ParsedToken::parse(&fresh.secret).unwrap();
        assert_eq!((parsed.prefix, digest(parsed.secret).to_vec()), (fresh.prefix.as_str(), fresh.hash.clone()));
        for at in 0..fresh.secret.len() {
            let mut bytes = fresh.secret.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8(bytes).unwrap();
            assert_eq!(ParsedToken::parse(&other), None, "{at}");
        }
        for bad in
            ["", "aut_", "aut_é", &fresh.secret[1..], &format!("{}x", *fresh.secret), &fresh.secret.to_uppercase()]
        {
            assert_eq!(ParsedToken::parse(bad), None);
        }
        // Its checksum is right, and it is none all the same: a database takes no NUL.
        for odd in ['\0', '\u{1f}', ' ', '%', '\'', '\u{7f}'] {
            let (prefix, secret) = (format!("{odd}{}", &parsed.prefix[1..]), parsed.secret);
            let made_up = format!("{MARK}{prefix}_{secret}{}", check(&prefix, secret));
            assert_eq!(ParsedToken::parse(&made_up), None, "{odd:?}");
        }
        assert!(!format!("{fresh:?}").contains(&fresh.secret[20..40]));
    }
}
