//! Keys for other purposes than wrapping, derived from the master keys.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::MasterKeys;

impl MasterKeys {
    /// A key for one purpose from each master key, with the master key's id, the current one first:
    /// HMAC-SHA256 of the purpose (HKDF's expansion for one block, RFC 5869, section 2.3; a master
    /// key is uniform already, so there is nothing to extract).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Vec<(String, Zeroizing<[u8; 32]>)> {
        self.ids()
            .into_iter()
            .filter_map(|id| {
                let mut mac = Hmac::<Sha256>::new_from_slice(self.get(&id)?.bytes()).ok()?;
                mac.update(purpose.as_bytes());
                mac.update(&[1]);
                let key: [u8; 32] = mac.finalize().into_bytes().into();
                Some((id, Zeroizing::new(key)))
            })
            .collect()
    }
}
