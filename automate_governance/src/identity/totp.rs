//! The second factor: codes of six digits that change every 30 seconds (TOTP, RFC 6238, with SHA-1,
//! which is what every authenticator app speaks).

use automate_core::store::StoreError;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};
use serde_json::json;
use totp_rs::{Algorithm, TOTP};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::entity::user;
use super::session::end_sessions;
use super::throttle::Attempt;
use super::{AuthError, Client, Identity, IdentityError, NewSession, Password, Session};
use automate_core::ids::UserId;

const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// Steps before and after the current one that count, for clocks that differ.
const SKEW: i64 = 1;
/// Bytes of a secret: the length of the hash (RFC 4226, section 4).
const SECRET_BYTES: usize = 20;
/// Users whose secrets are encrypted anew at once.
const RESEAL_PAGE: u64 = 100;

/// A second factor that is yet to be confirmed.
pub struct TotpSetup {
    /// The secret in base32, for typing.
    pub secret: Zeroizing<String>,
    /// The same as an address that apps read from a QR code.
    pub url: Zeroizing<String>,
    /// Codes that stand in for the second factor, each once. They are shown now and never again.
    pub recovery_codes: Vec<Zeroizing<String>>,
}

impl std::fmt::Debug for TotpSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSetup(***)")
    }
}

fn totp(secret: Vec<u8>, account: &str) -> Result<TOTP, StoreError> {
    // A colon parts the issuer from the account there.
    let account = account.replace(':', "_");
    TOTP::new(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, secret, Some("Automate".to_owned()), account)
        .map_err(|e| StoreError::Corrupt(format!("a second factor: {e}")))
}

/// The step of the clock whose code this is; none where it is none of those around `time`.
fn matching_step(totp: &TOTP, code: &str, time: u64) -> Option<i64> {
    let code = code.trim();
    let now = i64::try_from(time / STEP_SECONDS).ok()?;
    // All of them are compared, so that the time tells nothing.
    let mut found = None;
    for step in now - SKEW..=now + SKEW {
        let Ok(at) = u64::try_from(step) else { continue };
        if bool::from(subtle::ConstantTimeEq::ct_eq(totp.generate(at * STEP_SECONDS).as_bytes(), code.as_bytes())) {
            found = Some(step);
        }
    }
    found
}

impl Identity {
    /// Checks a code of a user whose row the transaction holds, and notes its step, so that no code is
    /// taken twice. `false` where it is wrong.
    pub(crate) async fn take_code(
        &self,
        txn: &DatabaseTransaction,
        user: &user::Model,
        code: &str,
    ) -> Result<bool, StoreError> {
        let Some(sealed) = &user.totp_secret else { return Ok(false) };
        let secret = self.inner.sealer.open(user.id, sealed)?;
        let totp = totp(secret.to_vec(), &user.email)?;
        let time = u64::try_from(self.now().timestamp()).unwrap_or_default();
        let Some(step) = matching_step(&totp, code, time) else { return Ok(false) };
        if user.totp_last_step.is_some_and(|last| step <= last) {
            return Ok(false);
        }
        let mut row = user.clone().into_active_model();
        row.totp_last_step = Set(Some(step));
        row.update(txn).await.map_err(store_error)?;
        Ok(true)
    }

    /// Begins to set up a second factor of one's own: makes a secret, which counts once a code of it
    /// was given to [`Identity::totp_confirm`]. Beginning again makes another one, with other recovery
    /// codes.
    ///
    /// # Errors
    /// [`IdentityError::Conflict`] where there is a confirmed one, which must be disabled first.
    pub async fn totp_begin(&self, writer: Writer, user: UserId) -> Result<TotpSetup, IdentityError> {
        self.write(move |this, txn| async move {
            let row = this.own_row(&txn, &writer, user).await?;
            if row.totp_confirmed_at.is_some() {
                return Err(IdentityError::Conflict("there is a second factor already; disable it first".to_owned()));
            }
            let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
            rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, secret.as_mut_slice())
                .map_err(|e| StoreError::Internal(format!("no randomness: {e}")))?;
            let totp = totp(secret.to_vec(), &row.email)?;
            let setup = TotpSetup {
                secret: Zeroizing::new(totp.get_secret_base32()),
                url: Zeroizing::new(totp.get_url()),
                recovery_codes: this.renew_codes(&txn, row.id).await?,
            };
            let sealed = this.inner.sealer.seal(row.id, secret.as_slice())?;
            let tenant = this.tenant_of(&row);
            let mut row = row.into_active_model();
            row.totp_secret = Set(Some(sealed));
            row.totp_last_step = Set(None);
            row.update(&txn).await.map_err(store_error)?;
            this.audit(&txn, &writer, tenant, "user.totp_begin", "user", user.0, json!({})).await?;
            Ok((txn, setup))
        })
        .await
    }

    /// Confirms the second factor with a code of it. From now on log-ins ask for one; other sessions
    /// end, and this one gets another id.
    ///
    /// # Errors
    /// [`AuthError::Credentials`] where the code is wrong, `Conflict` where none was begun.
    pub async fn totp_confirm(
        &self,
        writer: Writer,
        session: &Session,
        code: &str,
        client: &Client,
    ) -> Result<NewSession, IdentityError> {
        let (session, code) = (session.clone(), code.to_owned());
        let attempt = self.attempt_of(session.user, client).await?;
        self.write(move |this, txn| async move {
            let row = this.own_row(&txn, &writer, session.user).await?;
            if row.totp_secret.is_none() || row.totp_confirmed_at.is_some() {
                return Err(IdentityError::Conflict("no second factor is being set up".to_owned()));
            }
            if !this.take_code(&txn, &row, &code).await? {
                return Err(IdentityError::Auth(AuthError::Credentials));
            }
            attempt.succeed(&txn, true).await?;
            user::Entity::update_many()
                .col_expr(user::Column::TotpConfirmedAt, sea_orm::sea_query::Expr::value(this.now()))
                .filter(user::Column::Id.eq(row.id))
                .exec(&txn)
                .await
                .map_err(store_error)?;
            let fresh = this.rotate_in(&txn, &session, session.tenant, &writer.origin).await?;
            end_sessions(&txn, row.id, Some(fresh.session.id_hash)).await?;
            this.audit(&txn, &writer, this.tenant_of(&row), "user.totp_confirm", "user", row.id, json!({})).await?;
            Ok((txn, fresh))
        })
        .await
    }

    /// Takes one's own second factor away, for which the password is asked. Other sessions end, and
    /// this one gets another id.
    ///
    /// # Errors
    /// [`AuthError::Credentials`] where the password is wrong, [`AuthError::Throttled`] after too
    /// many wrong ones.
    pub async fn totp_disable(
        &self,
        writer: Writer,
        session: &Session,
        password: &Password,
        client: &Client,
    ) -> Result<NewSession, IdentityError> {
        let session = session.clone();
        let attempt = self.attempt_of(session.user, client).await?;
        let hash = self.check_password(session.user, password).await?;
        self.write(move |this, txn| async move {
            let row = this.own_row(&txn, &writer, session.user).await?;
            if row.password_hash.as_deref() != Some(hash.as_str()) {
                return Err(IdentityError::Auth(AuthError::Credentials));
            }
            attempt.succeed(&txn, true).await?;
            this.take_factor_away(&txn, &writer, &row).await?;
            let fresh = this.rotate_in(&txn, &session, session.tenant, &writer.origin).await?;
            end_sessions(&txn, row.id, Some(fresh.session.id_hash)).await?;
            Ok((txn, fresh))
        })
        .await
    }

    /// Takes somebody's second factor away, for who has lost theirs; their sessions end.
    ///
    /// # Errors
    /// [`IdentityError::Forbidden`] where they may do more than the writer.
    pub async fn totp_reset(&self, writer: Writer, user: UserId) -> Result<(), IdentityError> {
        self.write(move |this, txn| async move {
            let row = this.user_in_scope(&txn, &writer, user).await?;
            this.check_not_above(&txn, &writer, &row).await?;
            this.take_factor_away(&txn, &writer, &row).await?;
            end_sessions(&txn, row.id, None).await?;
            Ok((txn, ()))
        })
        .await
    }

    async fn take_factor_away(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        row: &user::Model,
    ) -> Result<(), IdentityError> {
        let mut change = row.clone().into_active_model();
        change.totp_secret = Set(None);
        change.totp_confirmed_at = Set(None);
        change.totp_last_step = Set(None);
        change.row_version = Set(row.row_version + 1);
        change.updated_at = Set(self.now());
        change.update(txn).await.map_err(store_error)?;
        self.drop_codes(txn, row.id).await?;
        self.audit(txn, writer, self.tenant_of(row), "user.totp_disable", "user", row.id, json!({})).await?;
        Ok(())
    }

    /// Encrypts the secrets of second factors with the current master key, so that earlier ones can
    /// go; answers with how many. Killed in between, what is left is done the next time.
    ///
    /// # Errors
    /// Those of the database, and `Corrupt` where a secret does not open.
    pub async fn reseal_factors(&self) -> Result<u64, IdentityError> {
        let (mut after, mut done) = (Uuid::nil(), 0);
        loop {
            let (last, changed) = self
                .write(move |this, txn| async move {
                    let rows = user::Entity::find()
                        .filter(user::Column::TotpSecret.is_not_null())
                        .filter(user::Column::Id.gt(after))
                        .order_by_asc(user::Column::Id)
                        .limit(RESEAL_PAGE)
                        .lock_exclusive()
                        .all(&txn)
                        .await
                        .map_err(store_error)?;
                    let last = rows.last().map(|row| row.id);
                    let mut changed = 0;
                    for row in rows {
                        let Some(sealed) = &row.totp_secret else { continue };
                        if this.inner.sealer.is_current(sealed) {
                            continue;
                        }
                        let plain = this.inner.sealer.open(row.id, sealed)?;
                        let sealed = this.inner.sealer.seal(row.id, &plain)?;
                        let mut row = row.into_active_model();
                        row.totp_secret = Set(Some(sealed));
                        row.update(&txn).await.map_err(store_error)?;
                        changed += 1;
                    }
                    Ok((txn, (last, changed)))
                })
                .await?;
            done += changed;
            match last {
                Some(id) => after = id,
                None => return Ok(done),
            }
        }
    }

    /// The row of the writer themselves, locked.
    pub(crate) async fn own_row(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        user: UserId,
    ) -> Result<user::Model, IdentityError> {
        if writer.principal.user != Some(user) || writer.principal.token.is_some() {
            return Err(IdentityError::Forbidden("only in a session of one's own".to_owned()));
        }
        let row = user::Entity::find_by_id(user.0).lock_exclusive().one(txn).await.map_err(store_error)?;
        row.ok_or(IdentityError::NotFound("user"))
    }

    /// Counts an attempt of somebody who is logged in to prove again who they are.
    pub(crate) async fn attempt_of(&self, user: UserId, client: &Client) -> Result<Attempt, IdentityError> {
        let row = user::Entity::find_by_id(user.0).one(self.inner.db.orm_reader()).await.map_err(store_error)?;
        let row = row.ok_or(IdentityError::NotFound("user"))?;
        let attempt = Attempt::new(&row.email_key, client.address);
        match attempt.begin(&self.inner.db, self.now()).await? {
            Ok(()) => Ok(attempt),
            Err(retry_after) => Err(IdentityError::Auth(AuthError::Throttled { retry_after })),
        }
    }

    /// Looks at the password of somebody who is logged in; answers with the hash that it fits.
    pub(crate) async fn check_password(&self, user: UserId, password: &Password) -> Result<String, IdentityError> {
        let row = user::Entity::find_by_id(user.0).one(self.inner.db.orm_reader()).await.map_err(store_error)?;
        let hash = row.and_then(|row| row.password_hash);
        let verified = self.inner.hasher.verify(password, hash.as_deref()).await?;
        match hash {
            Some(hash) if verified != super::password::Verified::Wrong => Ok(hash),
            Some(_) | None => Err(IdentityError::Auth(AuthError::Credentials)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the test vectors of RFC 6238, appendix B.
    fn rfc() -> TOTP {
        totp(b"12345678901234567890".to_vec(), "ada@example.org").unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // The vectors have eight digits; six are their last six.
        for (time, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            assert_eq!(matching_step(&rfc(), code, time), i64::try_from(time / 30).ok());
        }
    }

    #[test]
    fn a_code_counts_one_step_before_and_after_and_no_more() {
        let code = rfc().generate(3_000);
        for (time, expected) in
            [(2_940, None), (2_970, Some(100)), (3_000, Some(100)), (3_059, Some(100)), (3_060, None)]
        {
            assert_eq!(matching_step(&rfc(), &code, time), expected, "{time}");
        }
        for bad in ["", "00000", "0000000", "abcdef", "12345６"] {
            assert_eq!(matching_step(&rfc(), bad, 3_000), None);
        }
    }

    #[test]
    fn the_address_for_apps_names_the_account() {
        let url = totp(vec![7; 20], "ada:x@example.org").unwrap().get_url();
        assert!(url.starts_with("otpauth://totp/Automate:ada_x%40example.org?secret="), "{url}");
    }
}
