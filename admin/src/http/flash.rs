//! What a page says after something was done on another: carried over by a cookie, since a form is
//! answered with the way to the next page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The cookie.
pub(crate) const COOKIE: &str = "automate_flash";
/// Bytes that it holds at most; browsers keep 4 KiB.
const BYTES: usize = 2_048;

/// What kind of news it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashKind {
    /// It was done.
    Success,
    /// It was not done.
    Error,
    /// It was done, but.
    Warning,
    /// Something else to know.
    Info,
}

impl FlashKind {
    /// As the style names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A sentence on the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// What kind of news.
    pub kind: FlashKind,
    /// The sentence.
    pub text: String,
}

impl Flash {
    /// It was done.
    pub fn success(text: impl Into<String>) -> Self {
        Self { kind: FlashKind::Success, text: text.into() }
    }

    /// It was not done.
    pub fn error(text: impl Into<String>) -> Self {
        Self { kind: FlashKind::Error, text: text.into() }
    }

    /// It was done, but.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { kind: FlashKind::Warning, text: text.into() }
    }

    /// Something else to know.
    pub fn info(text: impl Into<String>) -> Self {
        Self { kind: FlashKind::Info, text: text.into() }
    }

    /// `Set-Cookie` that carries it to the next page.
    pub(crate) fn set_cookie(&self, secure: bool) -> String {
        let mut flash = self.clone();
        while flash.text.len() > BYTES / 2 {
            flash.text = flash.text.chars().take(flash.text.chars().count() / 2).chain(['…']).collect();
        }
        let json = serde_json::to_vec(&flash).unwrap_or_default();
        let value = URL_SAFE_NO_PAD.encode(json);
        format!(
            "{COOKIE}={value}; Path=/admin/; Max-Age=60; HttpOnly; SameSite=Lax{}",
            if secure { "; Secure" } else { "" }
        )
    }

    /// Reads the cookie's value. What anybody else put there is shown as text at most.
    pub(crate) fn read(value: &str) -> Option<Self> {
        if value.len() > BYTES * 2 {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).ok()?).ok()
    }

    /// `Set-Cookie` that takes it away.
    pub(crate) fn clear_cookie() -> String {
        format!("{COOKIE}=; Path=/admin/; Max-Age=0; HttpOnly; SameSite=Lax")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_goes_through_its_cookie() {
        for text in ["Saved.", "„Größe“; a=b", &"x".repeat(10_000)] {
            let cookie = Flash::success(text).set_cookie(false);
            let value = cookie.split(['=', ';']).nth(1).unwrap();
            let read = Flash::read(value).unwrap();
            assert!(read.text == text || text.starts_with(read.text.trim_end_matches('…')));
            assert!(cookie.len() < 4_096);
        }
        assert_eq!(Flash::read("nonsense"), None);
    }
}
