//! Answers.

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};

use super::{Cx, Flash, Reply};
use crate::error::AdminError;

/// A page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Reply {
    let text = page.render()?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    Ok((status, headers, text).into_response())
}

/// A part of a page, for a script that asked for it.
pub(crate) fn html_fragment(part: &impl Template) -> Reply {
    html(StatusCode::OK, part)
}

/// JSON, for a script that asked for it.
pub(crate) fn json(value: &serde_json::Value) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (headers, value.to_string()).into_response()
}

/// A file to be kept. `name` is one of ours: letters, digits, dots and dashes.
pub(crate) fn csv_attachment(name: &str, media_type: &'static str, body: Body) -> Reply {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .map_err(|_| AdminError::Internal("a file's name".to_owned()))?;
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(media_type)), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, body).into_response())
}

/// The way to another page of ours: what a form is answered with.
pub(crate) fn see_other(to: &str) -> Reply {
    let location = HeaderValue::from_str(to).map_err(|_| AdminError::Internal("an address to go to".to_owned()))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// Adds `Set-Cookie`.
pub(crate) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

impl Cx {
    /// A page. What it says about what was done before is said once.
    ///
    /// # Errors
    /// `Internal` where the template fails.
    pub fn page(&self, page: &impl Template) -> Reply {
        self.page_with(StatusCode::OK, page)
    }

    /// A page with another status.
    ///
    /// # Errors
    /// As [`Cx::page`].
    pub fn page_with(&self, status: StatusCode, page: &impl Template) -> Reply {
        let response = html(status, page)?;
        let said = !self.flashes().is_empty() && !self.is_fragment();
        Ok(if said { with_cookie(response, &Flash::clear_cookie()) } else { response })
    }

    /// The way to another page, with a sentence that it will show.
    ///
    /// # Errors
    /// `Internal` where the address is none.
    pub fn done(&self, to: &str, flash: Flash) -> Reply {
        Ok(with_cookie(see_other(to)?, &flash.set_cookie(self.is_https())))
    }

    /// The way to another page.
    ///
    /// # Errors
    /// `Internal` where the address is none.
    pub fn go(&self, to: &str) -> Reply {
        see_other(to)
    }

    /// The same answer with a cookie.
    #[must_use]
    pub fn cookie(&self, response: Response, cookie: &str) -> Response {
        with_cookie(response, cookie)
    }
}
