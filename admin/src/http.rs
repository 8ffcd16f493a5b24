//! Requests and answers of pages: who asks, what a form holds, what every answer carries.

mod assets;
mod cx;
mod enter;
mod fields;
mod flash;
mod headers;
mod page;
mod prefs;
mod shell;
mod upload;

pub use cx::{Cx, Visitor};
pub use fields::Fields;
pub use flash::{Flash, FlashKind};
pub use prefs::{Density, Prefs, Theme};
pub use shell::{Crumb, NavGroup, NavItem, Shell};

pub(crate) use assets::{asset, icon_url, serve as serve_asset};
pub(crate) use cx::cookie;
pub(crate) use enter::{enter, greet, lost};
pub(crate) use page::{csv_attachment, html, html_fragment, json, see_other, with_cookie};
pub(crate) use upload::Upload;

/// What handlers of pages answer.
pub type Reply = Result<axum::response::Response, crate::error::AdminError>;

/// A time as `datetime` attributes have it.
#[must_use]
pub fn iso(time: &chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
