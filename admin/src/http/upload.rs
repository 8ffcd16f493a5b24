//! Forms that bring a file: `multipart/form-data`, of the pages that take one.

use automate_core::limits;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, FromRequestParts, Multipart, Request};
use http::header;
use http::request::Parts;

use super::Fields;
use crate::error::AdminError;

/// The file of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Upload {
    /// None was chosen.
    #[default]
    Nothing,
    /// What is in it.
    File(Bytes),
    /// It has more than [`limits::IMPORT_BYTES`], or its form has more than twice as many.
    TooLong,
}

impl<S: Send + Sync> FromRequestParts<S> for Upload {
    type Rejection = http::StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // Read with the form, by the layer around all pages.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Whether a page takes a file.
pub(super) fn takes_file(parts: &Parts) -> bool {
    parts.uri.path().ends_with("/import/")
}

/// What is left of the bytes that may be kept.
struct Room {
    form: usize,
    too_long: bool,
}

impl Room {
    /// Reads a field to its end, piece by piece. What is beyond its bound is read and dropped: who
    /// is cut off while sending does not read the answer.
    async fn read(&mut self, field: &mut Field<'_>, most: usize) -> Result<Vec<u8>, AdminError> {
        let mut bytes = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(|error| wrong(&error))? {
            if piece.len() > self.form || bytes.len() + piece.len() > most {
                self.too_long = true;
            }
            if !self.too_long {
                self.form -= piece.len();
                bytes.extend_from_slice(&piece);
            }
        }
        Ok(bytes)
    }
}

/// Reads a form and its file.
///
/// # Errors
/// `Form`: it is cut off, has no bounds between its fields, too many of them, or a text that is none.
pub(super) async fn read(parts: &Parts, body: Body) -> Result<(Fields, Upload), AdminError> {
    let mut request = Request::new(body);
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    DefaultBodyLimit::max(limits::IMPORT_DROPPED_BYTES).apply(&mut request);
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| AdminError::Form("it does not say what is between its fields".to_owned()))?;
    let (mut pairs, mut upload) = (Vec::new(), Upload::Nothing);
    let mut room = Room { form: 2 * limits::IMPORT_BYTES, too_long: false };
    while let Some(mut field) = form.next_field().await.map_err(|error| wrong(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            let bytes = room.read(&mut field, limits::IMPORT_BYTES).await?;
            // A browser sends an empty one where none was chosen.
            if !bytes.is_empty() {
                upload = Upload::File(bytes.into());
            }
            continue;
        }
        let bytes = room.read(&mut field, limits::IMPORT_BYTES * 2).await?;
        let text = String::from_utf8(bytes).map_err(|_| AdminError::Form(format!("`{name}` is not UTF-8")))?;
        Fields::has_room(pairs.len())?;
        pairs.push((name, text));
    }
    Ok((Fields::of(pairs), if room.too_long { Upload::TooLong } else { upload }))
}

fn wrong(error: &MultipartError) -> AdminError {
    AdminError::Form(error.body_text())
}
