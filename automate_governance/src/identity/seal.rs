//! Second factors' secrets, encrypted: AES-256-GCM (NIST SP 800-38D) with random nonces under a key
//! that is derived from the master key, bound to the user that they belong to.

use std::sync::Arc;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead as _, Generate as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use automate_core::store::StoreError;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::secrets::MasterKeys;

const PURPOSE: &str = "totp secret";
const NONCE_BYTES: usize = 12;

/// Encrypts with the current key, decrypts with all of them.
#[derive(Clone)]
pub(crate) struct Sealer {
    keys: Arc<[(String, Zeroizing<[u8; 32]>)]>,
}

impl Sealer {
    pub(crate) fn new(keys: &MasterKeys) -> Self {
        Self { keys: keys.derive(PURPOSE).into() }
    }

    /// The id of the key, a zero byte, the nonce and the ciphertext.
    pub(crate) fn seal(&self, user: Uuid, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let failed = || StoreError::Internal("a second factor could not be encrypted".to_owned());
        let (id, key) = self.keys.first().ok_or_else(failed)?;
        let nonce = Nonce::<U12>::generate();
        let cipher = Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| failed())?;
        let sealed = cipher.encrypt(&nonce, Payload { msg: plain, aad: user.as_bytes() }).map_err(|_| failed())?;
        Ok([id.as_bytes(), &[0], nonce.as_slice(), &sealed].concat())
    }

    /// What was sealed for a user; `Corrupt` where it was not, or where its key is not at hand.
    pub(crate) fn open(&self, user: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let failed = |why: &str| StoreError::Corrupt(format!("the second factor of the user {user}: {why}"));
        let end = sealed.iter().position(|b| *b == 0).ok_or_else(|| failed("not encrypted by us"))?;
        let (id, rest) = (&sealed[..end], &sealed[end + 1..]);
        let (_, key) = self
            .keys
            .iter()
            .find(|(own, _)| own.as_bytes() == id)
            .ok_or_else(|| failed("its master key is not among those of this process"))?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or_else(|| failed("too short"))?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| failed("too short"))?;
        let cipher = Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| failed("no key"))?;
        let plain = cipher
            .decrypt(&Nonce::<U12>::from(nonce), Payload { msg: text, aad: user.as_bytes() })
            .map_err(|_| failed("it does not belong to this row and key"))?;
        Ok(Zeroizing::new(plain))
    }

    /// Whether something is sealed with the current key.
    pub(crate) fn is_current(&self, sealed: &[u8]) -> bool {
        self.keys.first().is_some_and(|(id, _)| sealed.starts_with(id.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use crate::secrets::MasterKey;

    use super::*;

    #[test]
    fn s6_what_is_sealed_opens_for_its_user_and_keys_only() {
        let (old, new) = (MasterKey::generate(), MasterKey::generate());
        let before = Sealer::new(&MasterKeys::new(old.clone()));
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = before.seal(ada, b"secret").unwrap();
        assert_eq!(before.open(ada, &sealed).unwrap().as_slice(), b"secret");
        assert!(before.open(bob, &sealed).is_err());
        let after = Sealer::new(&MasterKeys::new(new.clone()).with_earlier(old));
        assert_eq!(after.open(ada, &sealed).unwrap().as_slice(), b"secret");
        assert!(before.is_current(&sealed) && !after.is_current(&sealed));
        assert!(Sealer::new(&MasterKeys::new(new)).open(ada, &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(before.open(ada, &sealed[..cut]).is_err());
        }
    }
}
