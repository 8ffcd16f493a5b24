//! Styles, scripts and icons: in the binary, under addresses that change with what they hold.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// Characters of the hash in an address.
const HASH_CHARS: usize = 16;

struct Asset {
    media_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal: $media_type:literal),+ $(,)?) => {
        &[$(($name, Asset { media_type: $media_type, bytes: include_bytes!(concat!("../../../templates/static/", $name)) })),+]
    };
}

const ASSETS: &[(&str, Asset)] = assets![
    "admin.css": "text/css; charset=utf-8",
    "admin.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "icons.svg": "image/svg+xml",
];

static URLS: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
    let url = |(name, asset): &(&'static str, Asset)| {
        let hash = hex::encode(Sha256::digest(asset.bytes));
        (*name, format!("/admin/static/{}/{name}", &hash[..HASH_CHARS]))
    };
    ASSETS.iter().map(url).collect()
});

/// The address of an asset.
pub(crate) fn asset(name: &str) -> &'static str {
    URLS.get(name).map_or("", String::as_str)
}

/// The address of an icon.
pub(crate) fn icon_url(icon: &str) -> String {
    format!("{}#{icon}", asset("icons.svg"))
}

/// Serves an asset. Whatever hash the address has, the one asset of that name is meant: a page that is
/// older than the program gets a style, if not its own.
pub(crate) async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some((_, asset)) = ASSETS.iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let current = URLS.get(name.as_str()).is_some_and(|url| url.contains(&format!("/{hash}/")));
    let cache = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, asset.bytes).into_response()
}
