//! Passwords: what they must be like, and how they are kept.
//!
//! Argon2id (RFC 9106) with the first of the parameters that OWASP's cheat sheet recommends: 19 MiB,
//! two passes, one lane. A hash of other parameters is replaced at the next log-in.

use std::fmt;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use automate_core::limits;
use automate_core::store::StoreError;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{AuthError, IdentityError};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Long passwords that many people have, one a line, in lower case.
const COMMON: &str = include_str!("password/common.txt");

/// A password as somebody typed it, in NFKC, so that every keyboard writes the same. It is wiped
/// from memory when dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes ownership of what was typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        let text = Zeroizing::new(text);
        // Longer ones are refused anyway; composing them would be work for nothing.
        if text.len() > 4 * limits::PASSWORD_BYTES {
            return Self(text);
        }
        Self(Zeroizing::new(text.nfkc().collect()))
    }

    /// Whether it may become the password of the account with these texts.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] on the field `password`, with what would be right.
    pub fn check(&self, about: &[&str]) -> Result<(), IdentityError> {
        let wrong = |code, message: String| Err(IdentityError::field("password", code, message));
        let characters = self.0.chars().count();
        if characters < limits::PASSWORD_CHARS_MIN {
            let least = limits::PASSWORD_CHARS_MIN;
            return wrong("PASSWORD_TOO_SHORT", format!("the password must have at least {least} characters"));
        }
        if self.0.len() > limits::PASSWORD_BYTES {
            let most = limits::PASSWORD_BYTES;
            return wrong("PASSWORD_TOO_LONG", format!("the password must have at most {most} bytes"));
        }
        let lower = Zeroizing::new(self.0.to_lowercase());
        if is_common(&lower) {
            return wrong(
                "PASSWORD_TOO_COMMON",
                "the password is one that many people have, or one pattern".to_owned(),
            );
        }
        let personal = about.iter().flat_map(|text| [*text, text.split('@').next().unwrap_or_default()]);
        for text in personal.map(str::to_lowercase).filter(|text| text.chars().count() >= 4) {
            // What is left without it must be a password by itself.
            if lower.replace(&text, "").chars().count() < limits::PASSWORD_CHARS_MIN / 2 && lower.contains(&text) {
                return wrong(
                    "PASSWORD_TOO_SIMILAR",
                    "the password is little more than the address or name".to_owned(),
                );
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// Whether a password, in lower case, is in the list, few characters again and again, or a run of
/// the alphabet, the digits or the keyboard.
fn is_common(lower: &str) -> bool {
    let bare = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    if COMMON.lines().any(|line| line == lower || (line == bare && bare.len() >= 8)) {
        return true;
    }
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    if distinct.len() < 5 {
        return true;
    }
    const RUNS: [&str; 5] = [
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        "01234567890123456789012345678901234567890",
        "qwertyuiopasdfghjklzxcvbnm",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
        "1q2w3e4r5t6y7u8i9o0p",
    ];
    let backwards: String = lower.chars().rev().collect();
    RUNS.iter().any(|run| run.contains(lower) || run.contains(&backwards))
}

/// Hashes and verifies passwords, on threads of their own, a few at once. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
}

/// What a look at a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verified {
    /// It is another one, or there is none.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash should be made anew.
    RightButOld,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(limits::PASSWORD_HASHES)) }
    }
}

impl Hasher {
    /// The hash of a password that was checked, as a PHC string.
    pub(crate) async fn hash(&self, password: &Password) -> Result<String, AuthError> {
        let password = password.clone();
        self.in_turn(move || hash(&password)).await?
    }

    /// Looks at a password. Without a hash to compare it takes as long and is wrong (A7).
    pub(crate) async fn verify(&self, password: &Password, hash: Option<&str>) -> Result<Verified, AuthError> {
        let (password, hash) = (password.clone(), hash.map(str::to_owned));
        self.in_turn(move || verify(&password, hash.as_deref())).await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AuthError> {
        let turn = tokio::time::timeout(limits::PASSWORD_WAIT, self.turns.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return Err(AuthError::Busy) };
        // The turn goes with the work: a caller that goes away does not make room for another one.
        let work = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        work.await.map_err(|e| AuthError::Store(StoreError::Internal(format!("a password was not hashed: {e}"))))
    }
}

fn argon2() -> Argon2<'static> {
    // The parameters are constants that are within bounds; a test holds that.
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &Password) -> Result<String, AuthError> {
    let hash: PasswordHash = argon2()
        .hash_password(password.0.as_bytes())
        .map_err(|e| AuthError::Store(StoreError::Internal(format!("a password was not hashed: {e}"))))?;
    Ok(hash.to_string())
}

fn verify(password: &Password, stored: Option<&str>) -> Verified {
    /// The hash of a password that nobody has.
    static NOBODY: LazyLock<Option<PasswordHash>> = LazyLock::new(|| {
        let text = hash(&Password::new(automate_core::ids::new_v7().to_string())).ok()?;
        PasswordHash::new(&text).ok()
    });
    let stored = stored.and_then(|text| PasswordHash::new(text).ok());
    let known = stored.is_some();
    let Some(hash) = stored.or_else(|| NOBODY.clone()) else { return Verified::Wrong };
    // Truncated rather than hashed in full: one that long is nobody's.
    let bytes = password.0.as_bytes();
    let fits = bytes.len() <= limits::PASSWORD_BYTES;
    let right = argon2().verify_password(bytes.get(..limits::PASSWORD_BYTES).unwrap_or(bytes), &hash).is_ok();
    if !(right && known && fits) {
        return Verified::Wrong;
    }
    let current =
        Params::try_from(&hash).is_ok_and(|p| (p.m_cost(), p.t_cost(), p.p_cost()) == (MEMORY_KIB, PASSES, LANES));
    if current && hash.algorithm.as_str() == "argon2id" { Verified::Right } else { Verified::RightButOld }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str) -> Option<&'static str> {
        match Password::new(password.to_owned()).check(&["ada.lovelace@example.org", "Ada Lovelace"]) {
            Ok(()) => None,
            Err(IdentityError::Invalid(problems)) => Some(problems[0].code),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn short_common_and_personal_passwords_are_refused() {
        assert_eq!(code("correct horse battery"), None);
        assert_eq!(code("пароль и ещё слово"), None);
        assert_eq!(code("elevenchars"), Some("PASSWORD_TOO_SHORT"));
        assert_eq!(code(&"long enough ".repeat(100)), Some("PASSWORD_TOO_LONG"));
        for common in [
            "Password1234",
            "passwordpassword",
            "123456789012",
            "abcdefghijklm",
            "qwertyuiopasd",
            "aaaaaaaaaaaa",
            "abababababab",
            "1qaz2wsx3edc",
            "letmeinletmein",
            "administrator1",
            "password123!!!",
        ] {
            assert_eq!(code(common), Some("PASSWORD_TOO_COMMON"), "{common}");
        }
        for own in ["ada.lovelace", "ada.lovelace@example.org", "Ada Lovelace1"] {
            assert_eq!(code(own), Some("PASSWORD_TOO_SIMILAR"), "{own}");
        }
    }

    #[test]
    fn the_list_is_as_it_is_compared() {
        assert!(COMMON.lines().count() > 100);
        assert!(COMMON.lines().all(|line| line == line.to_lowercase() && line.len() >= 8), "lower case, 8 or more");
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_of_owasps_parameters_and_opens_for_its_password_only() {
        let hasher = Hasher::default();
        let password = Password::new("correct horse battery".to_owned());
        let hash = hasher.hash(&password).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(hasher.verify(&password, Some(&hash)).await.unwrap(), Verified::Right);
        let other = Password::new("correct horse batterx".to_owned());
        assert_eq!(hasher.verify(&other, Some(&hash)).await.unwrap(), Verified::Wrong);
        assert_eq!(hasher.verify(&password, None).await.unwrap(), Verified::Wrong);
        assert_eq!(hasher.verify(&password, Some("nonsense")).await.unwrap(), Verified::Wrong);
        assert!(!format!("{password:?}").contains("horse"));
    }

    #[tokio::test]
    async fn what_a_keyboard_composes_is_the_same_password_and_an_old_hash_is_told() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&Password::new("re\u{301}sume\u{301} of words".to_owned())).await.unwrap();
        let composed = Password::new("r\u{e9}sum\u{e9} of words".to_owned());
        assert_eq!(hasher.verify(&composed, Some(&hash)).await.unwrap(), Verified::Right);
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let old: PasswordHash = weak.hash_password(composed.0.as_bytes()).unwrap();
        assert_eq!(hasher.verify(&composed, Some(&old.to_string())).await.unwrap(), Verified::RightButOld);
    }

    #[tokio::test]
    async fn a_long_one_does_not_match_what_it_begins_with() {
        let hasher = Hasher::default();
        let most = "x1!y".repeat(limits::PASSWORD_BYTES / 4);
        let hash = hasher.hash(&Password::new(most.clone())).await.unwrap();
        assert_eq!(hasher.verify(&Password::new(most.clone()), Some(&hash)).await.unwrap(), Verified::Right);
        assert_eq!(hasher.verify(&Password::new(format!("{most}z")), Some(&hash)).await.unwrap(), Verified::Wrong);
    }
}
