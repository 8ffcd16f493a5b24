//! Recovery codes: what lets somebody in who has lost their second factor, each once.
//!
//! They are made with the second factor, and again when their owner asks for it, and shown then; what is stored is a hash of each. With 80
//! random bits in each there is nothing to guess, so one pass of SHA-256 is enough.

use automate_core::ids::UserId;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _,
    QueryFilter as _,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::entity::{recovery_code, user};
use super::{AuthError, Client, Identity, IdentityError, Password, Session};

/// The digits of Crockford's base 32: none that looks like another one.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of a code: 80 bits.
const DIGITS: usize = 16;
/// Digits between two hyphens.
const GROUP: usize = 4;

/// What somebody who is logged in proves again with who they are.
#[derive(Debug)]
pub enum Proof {
    /// Their password.
    Password(Password),
    /// The code that their second factor shows now; a recovery code is none.
    Code(String),
}

/// A new code, as it is shown: `0123-4567-89ab-cdef`.
fn make() -> Result<Zeroizing<String>, StoreError> {
    let mut bytes = Zeroizing::new([0_u8; DIGITS]);
    OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|e| StoreError::Internal(format!("no randomness: {e}")))?;
    // Its length is known before, so that no shorter copy of it is left behind.
    let mut code = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(code)
}

/// What is stored of a code that somebody typed; none where it cannot be one. Hyphens, spaces and
/// capitals are no matter, nor is an `o` for a zero or an `l` for a one.
fn stored(user: Uuid, typed: &str) -> Option<Vec<u8>> {
    let mut digits = Zeroizing::new([0_u8; DIGITS]);
    let mut count = 0;
    for character in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let digit = match character.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let digit = u8::try_from(digit).ok().filter(|digit| ALPHABET.contains(digit))?;
        *digits.get_mut(count)? = digit;
        count += 1;
    }
    if count != DIGITS {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(user.as_bytes());
    hash.update(digits.as_slice());
    Some(hash.finalize().to_vec())
}

impl Identity {
    /// How many recovery codes of a user are left.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recovery_codes_left(&self, user: UserId) -> Result<u64, IdentityError> {
        let own = recovery_code::Entity::find().filter(recovery_code::Column::UserId.eq(user.0));
        Ok(own.count(self.inner.db.orm_reader()).await.map_err(store_error)?)
    }

    /// Makes new recovery codes of one's own, for which the password or a code is asked. The old ones
    /// are worth nothing from then on. The new ones are shown now and never again.
    ///
    /// # Errors
    /// [`AuthError::Credentials`] where the proof is wrong, [`AuthError::Throttled`] after too many
    /// wrong ones, `Conflict` where there is no second factor.
    pub async fn renew_recovery_codes(
        &self,
        writer: Writer,
        session: &Session,
        proof: Proof,
        client: &Client,
    ) -> Result<Vec<Zeroizing<String>>, IdentityError> {
        let user = session.user;
        let attempt = self.attempt_of(user, client).await?;
        let hash = match &proof {
            Proof::Password(password) => Some(self.check_password(user, password).await?),
            Proof::Code(_) => None,
        };
        self.write(move |this, txn| async move {
            let row = this.own_row(&txn, &writer, user).await?;
            if row.totp_confirmed_at.is_none() {
                return Err(IdentityError::Conflict(
                    "there is no second factor that codes could stand in for".to_owned(),
                ));
            }
            let proved = match &proof {
                // It may have been changed since it was looked at.
                Proof::Password(_) => row.password_hash == hash,
                Proof::Code(code) => this.take_code(&txn, &row, code).await?,
            };
            if !proved {
                return Err(IdentityError::Auth(AuthError::Credentials));
            }
            attempt.succeed(&txn, true).await?;
            let codes = this.renew_codes(&txn, row.id).await?;
            let facts = json!({ "codes": codes.len() });
            this.audit(&txn, &writer, this.tenant_of(&row), "user.recovery_codes", "user", row.id, facts).await?;
            Ok((txn, codes))
        })
        .await
    }

    /// Makes new codes in place of the old ones.
    pub(crate) async fn renew_codes(
        &self,
        txn: &DatabaseTransaction,
        user: Uuid,
    ) -> Result<Vec<Zeroizing<String>>, StoreError> {
        self.drop_codes(txn, user).await?;
        let mut codes = Vec::with_capacity(limits::RECOVERY_CODES);
        for _ in 0..limits::RECOVERY_CODES {
            let code = make()?;
            let code_hash =
                stored(user, &code).ok_or_else(|| StoreError::Internal("a code that is none".to_owned()))?;
            let row = recovery_code::Model { user_id: user, code_hash, created_at: self.now() };
            recovery_code::Entity::insert(row.into_active_model()).exec(txn).await.map_err(store_error)?;
            codes.push(code);
        }
        Ok(codes)
    }

    /// Uses a code up. `false` where it is none of the user's, or was used before: of two at once one
    /// deletes the row.
    pub(crate) async fn take_recovery_code(
        &self,
        txn: &DatabaseTransaction,
        user: &user::Model,
        typed: &str,
    ) -> Result<bool, StoreError> {
        let Some(hash) = stored(user.id, typed) else { return Ok(false) };
        let gone = recovery_code::Entity::delete_by_id((user.id, hash)).exec(txn).await.map_err(store_error)?;
        Ok(gone.rows_affected == 1)
    }

    /// Deletes the codes of a user.
    pub(crate) async fn drop_codes(&self, txn: &DatabaseTransaction, user: Uuid) -> Result<(), StoreError> {
        let all = recovery_code::Entity::delete_many().filter(recovery_code::Column::UserId.eq(user));
        all.exec(txn).await.map_err(store_error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed_and_only_for_its_user() {
        let (ada, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let code = make().unwrap();
        assert_eq!((code.len(), code.matches('-').count()), (19, 3), "{}", *code);
        let hash = stored(ada, &code).unwrap();
        let bare = code.replace('-', "");
        for typed in [
            bare.clone(),
            code.to_uppercase(),
            format!(" {} ", code.replace('-', " ")),
            bare.replace('1', "l").replace('0', "O"),
        ] {
            assert_eq!(stored(ada, &typed).as_ref(), Some(&hash), "{typed}");
        }
        assert_ne!(stored(eve, &code).unwrap(), hash);
        for none in [
            "",
            "123456",
            &bare[1..],
            &format!("{bare}0"),
            &bare.replace(&bare[..1], "u"),
            &bare.replace(&bare[..1], "é"),
            &"-".repeat(10_000),
        ] {
            assert_eq!(stored(ada, none), None, "{none}");
        }
    }

    #[test]
    fn codes_differ() {
        let codes: std::collections::BTreeSet<String> = (0..100).map(|_| make().unwrap().to_string()).collect();
        assert_eq!(codes.len(), 100);
    }
}
