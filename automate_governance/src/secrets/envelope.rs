//! Envelope encryption: a value under a key of its own, that key under the master key.
//!
//! AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces. Each version of a secret has a fresh
//! random data key, so a data key encrypts one message; a master key wraps far fewer than the 2^32
//! messages after which random nonces become unsafe. Both layers are bound to tenant, secret and
//! version, so a ciphertext that is moved to another row does not open (S6).

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead as _, Generate as _, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce};
use uuid::Uuid;
use zeroize::{Zeroize as _, Zeroizing};

use super::master_key::MasterKey;

const NONCE_BYTES: usize = 12;

/// What a sealed value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) tenant: Uuid,
    pub(super) secret: Uuid,
    pub(super) version: i32,
}

impl Binding {
    fn aad(&self, layer: &[u8]) -> Vec<u8> {
        // Fields of fixed length after a label that differs per layer: no two bindings read alike.
        [layer, self.tenant.as_bytes(), self.secret.as_bytes(), &self.version.to_be_bytes()].concat()
    }
}

const VALUE: &[u8] = b"automate secret value 1\0";
const DATA_KEY: &[u8] = b"automate data key 1\0";

/// A sealed value, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    /// The nonce and the data key under the master key.
    pub(super) wrapped_key: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
}

/// The row does not open: the wrong master key, or not what was stored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext does not belong to this row and key")]
pub(super) struct NotAuthentic;

pub(super) fn seal(master: &MasterKey, binding: &Binding, value: &str) -> Result<Sealed, NotAuthentic> {
    let mut data_key = Key::<Aes256Gcm>::generate();
    let nonce = Nonce::<U12>::generate();
    let ciphertext = Aes256Gcm::new(&data_key)
        .encrypt(&nonce, Payload { msg: value.as_bytes(), aad: &binding.aad(VALUE) })
        .map_err(|_| NotAuthentic)?;
    let wrapped_key = wrap(master, binding, data_key.as_slice())?;
    data_key.zeroize();
    Ok(Sealed { wrapped_key, nonce: nonce.to_vec(), ciphertext })
}

pub(super) fn open(master: &MasterKey, binding: &Binding, sealed: &Sealed) -> Result<Zeroizing<String>, NotAuthentic> {
    let data_key = unwrap(master, binding, &sealed.wrapped_key)?;
    let value = Zeroizing::new(decrypt(&data_key, &sealed.nonce, &sealed.ciphertext, &binding.aad(VALUE))?);
    let text = std::str::from_utf8(&value).map_err(|_| NotAuthentic)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The data key under another master key; the value itself is not touched.
pub(super) fn rewrap(
    from: &MasterKey,
    to: &MasterKey,
    binding: &Binding,
    wrapped: &[u8],
) -> Result<Vec<u8>, NotAuthentic> {
    let data_key = unwrap(from, binding, wrapped)?;
    wrap(to, binding, &data_key)
}

fn wrap(master: &MasterKey, binding: &Binding, data_key: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
    let nonce = Nonce::<U12>::generate();
    let cipher = Aes256Gcm::new_from_slice(master.bytes()).map_err(|_| NotAuthentic)?;
    let wrapped =
        cipher.encrypt(&nonce, Payload { msg: data_key, aad: &binding.aad(DATA_KEY) }).map_err(|_| NotAuthentic)?;
    Ok([nonce.as_slice(), &wrapped].concat())
}

fn unwrap(master: &MasterKey, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (nonce, wrapped) = wrapped.split_at_checked(NONCE_BYTES).ok_or(NotAuthentic)?;
    decrypt(master.bytes(), nonce, wrapped, &binding.aad(DATA_KEY)).map(Zeroizing::new)
}

fn decrypt(key: &[u8], nonce: &[u8], ciphertext: &[u8], aad: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| NotAuthentic)?;
    let cipher = Aes256Gcm::new_from_slice(key).map_err(|_| NotAuthentic)?;
    cipher.decrypt(&Nonce::<U12>::from(nonce), Payload { msg: ciphertext, aad }).map_err(|_| NotAuthentic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Binding = Binding { tenant: Uuid::from_u128(1), secret: Uuid::from_u128(2), version: 3 };

    #[test]
    fn a_sealed_value_opens_with_its_key_and_binding() {
        let master = MasterKey::generate();
        for value in ["", "s3cret", "ключ\u{1F511}\n\0", &"x".repeat(64 * 1024)] {
            let sealed = seal(&master, &ONE, value).unwrap();
            assert_eq!(open(&master, &ONE, &sealed).unwrap().as_str(), value);
        }
        let (a, b) = (seal(&master, &ONE, "same").unwrap(), seal(&master, &ONE, "same").unwrap());
        assert!(a.ciphertext != b.ciphertext && a.wrapped_key != b.wrapped_key && a.nonce != b.nonce);
    }

    #[test]
    fn s6_a_ciphertext_moved_to_another_tenant_secret_or_version_does_not_open() {
        let master = MasterKey::generate();
        let sealed = seal(&master, &ONE, "s3cret").unwrap();
        let elsewhere = [
            Binding { tenant: Uuid::from_u128(9), ..ONE },
            Binding { secret: Uuid::from_u128(9), ..ONE },
            Binding { version: 4, ..ONE },
        ];
        for binding in elsewhere {
            assert_eq!(open(&master, &binding, &sealed), Err(NotAuthentic), "{binding:?}");
            assert_eq!(rewrap(&master, &MasterKey::generate(), &binding, &sealed.wrapped_key), Err(NotAuthentic));
        }
        // Not even with its own data key, if that was wrapped for the other row.
        let other = seal(&master, &elsewhere[2], "x").unwrap();
        let mixed = Sealed { wrapped_key: other.wrapped_key, ..sealed };
        assert_eq!(open(&master, &elsewhere[2], &mixed), Err(NotAuthentic));
    }

    #[test]
    fn s6_a_flipped_bit_anywhere_is_found() {
        let master = MasterKey::generate();
        let sealed = seal(&master, &ONE, "s3cret").unwrap();
        let flips = |bytes: &[u8]| -> Vec<Vec<u8>> {
            (0..bytes.len() * 8)
                .map(|bit| {
                    let mut copy = bytes.to_vec();
                    copy[bit / 8] ^= 1 << (bit % 8);
                    copy
                })
                .chain([Vec::new(), bytes[1..].to_vec()])
                .collect()
        };
        for wrapped_key in flips(&sealed.wrapped_key) {
            assert!(open(&master, &ONE, &Sealed { wrapped_key, ..sealed.clone() }).is_err());
        }
        for nonce in flips(&sealed.nonce) {
            assert!(open(&master, &ONE, &Sealed { nonce, ..sealed.clone() }).is_err());
        }
        for ciphertext in flips(&sealed.ciphertext) {
            assert!(open(&master, &ONE, &Sealed { ciphertext, ..sealed.clone() }).is_err());
        }
        assert!(open(&MasterKey::generate(), &ONE, &sealed).is_err());
    }

    #[test]
    fn rewrapping_changes_the_master_key_only() {
        let (old, new) = (MasterKey::generate(), MasterKey::generate());
        let sealed = seal(&old, &ONE, "s3cret").unwrap();
        let moved = Sealed { wrapped_key: rewrap(&old, &new, &ONE, &sealed.wrapped_key).unwrap(), ..sealed.clone() };
        assert_eq!(open(&new, &ONE, &moved).unwrap().as_str(), "s3cret");
        assert!(open(&old, &ONE, &moved).is_err());
        assert_eq!(moved.ciphertext, sealed.ciphertext);
    }
}
