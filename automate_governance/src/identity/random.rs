//! Random texts that nobody guesses, and how they are stored.

use rand::TryRngCore as _;
use rand::distr::{Alphanumeric, SampleString as _};
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Characters of letters and digits that make 256 random bits: 62^43 > 2^256.
pub(crate) const SECRET_CHARS: usize = 43;

/// Letters and digits from the operating system's randomness.
pub(crate) fn text(characters: usize) -> Zeroizing<String> {
    Zeroizing::new(Alphanumeric.sample_string(&mut OsRng.unwrap_err(), characters))
}

/// What is stored of a random text. One pass of SHA-256 is enough where there are 256 random bits:
/// there is nothing to guess.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
