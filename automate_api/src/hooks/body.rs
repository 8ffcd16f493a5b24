//! The head's claims about the body, and the body itself, within its bounds.

use std::sync::Arc;

use automate_core::limits;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

pub(crate) use automate_core::body::Format;

/// Refuses by the head alone what would be refused after reading too.
pub(crate) fn check_head(headers: &HeaderMap, limit: usize) -> Result<Format, Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_ENCODING",
            "compressed bodies are not taken; send the body as it is",
        )
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .closing());
    }
    let format = format(headers).ok_or_else(|| {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "send JSON in UTF-8 (`application/json`) or a form (`application/x-www-form-urlencoded`)",
        )
        .closing()
    })?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(too_large(limit));
    }
    Ok(format)
}

/// The format that the content type names; a request has one at most.
fn format(headers: &HeaderMap) -> Option<Format> {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = all.next() else { return Format::of(None) };
    if all.next().is_some() {
        return None;
    }
    Format::of(Some(value.to_str().ok()?))
}

/// Reads the whole body. The permit stands for its bytes in memory and is to be held as long as
/// they are.
pub(crate) async fn read(
    body: Body,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Problem> {
    match tokio::time::timeout(limits::BODY_READ, collect(body, limit, memory)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "BODY_TIMEOUT",
            format!("the body did not arrive within {} s", limits::BODY_READ.as_secs()),
        )
        .closing()),
    }
}

async fn collect(
    mut body: Body,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Problem> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", "the body ended early or cannot be read").closing()
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        let permit = u32::try_from(data.len())
            .ok()
            .and_then(|bytes| Arc::clone(memory).try_acquire_many_owned(bytes).ok())
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "OVERLOADED",
                    "too many requests are under way; try again shortly",
                )
                .with_retry_after(std::time::Duration::from_secs(1))
                .closing()
            })?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        // Most bodies come in one piece and are not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok((if rest.is_empty() { first } else { rest.freeze() }, held))
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", format!("the body is larger than {limit} bytes"))
        .closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(pairs: &[(&'static str, &'static str)]) -> Result<Format, (u16, &'static str)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check_head(&headers, 100).map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    #[test]
    fn json_forms_and_silence_are_taken() {
        assert_eq!(head(&[]), Ok(Format::Json));
        assert_eq!(head(&[("content-type", "application/json")]), Ok(Format::Json));
        assert_eq!(head(&[("content-type", "Application/JSON; charset=\"UTF-8\"")]), Ok(Format::Json));
        assert_eq!(head(&[("content-type", "application/cloudevents+json")]), Ok(Format::Json));
        assert_eq!(head(&[("content-type", "application/x-www-form-urlencoded")]), Ok(Format::Form));
        assert_eq!(head(&[("content-encoding", "identity")]), Ok(Format::Json));
    }

    #[test]
    fn w14_compressed_bodies_are_refused_unread() {
        for encoding in ["gzip", "gzip, gzip", "br", "identity, gzip", "x"] {
            let refused = head(&[("content-encoding", encoding)]);
            assert_eq!(refused, Err((415, "UNSUPPORTED_ENCODING")), "{encoding}");
        }
    }

    #[test]
    fn w16_types_that_could_be_read_otherwise_are_refused() {
        for content_type in [
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/json; charset=utf-7",
            "application/json; charset=utf-16",
            "application/xml",
            "application/jsonp",
            "",
        ] {
            let refused = head(&[("content-type", content_type)]);
            assert_eq!(refused, Err((415, "UNSUPPORTED_MEDIA_TYPE")), "{content_type}");
        }
        let twice = head(&[("content-type", "application/json"), ("content-type", "text/plain")]);
        assert_eq!(twice, Err((415, "UNSUPPORTED_MEDIA_TYPE")));
    }

    #[tokio::test]
    async fn w12_a_body_over_the_limit_is_refused_by_its_length_and_while_reading() {
        assert_eq!(head(&[("content-length", "101")]), Err((413, "PAYLOAD_TOO_LARGE")));
        let memory = Arc::new(Semaphore::new(1_000));
        let (whole, permit) = read(Body::from("x".repeat(100)), 100, &memory).await.unwrap();
        assert_eq!((whole.len(), memory.available_permits()), (100, 900));
        drop(permit);
        assert_eq!(memory.available_permits(), 1_000);
        let refused = read(Body::from("x".repeat(101)), 100, &memory).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn bodies_beyond_the_memory_for_them_are_refused() {
        let memory = Arc::new(Semaphore::new(150));
        let held = read(Body::from("x".repeat(100)), 1_000, &memory).await.unwrap();
        let refused = read(Body::from("x".repeat(100)), 1_000, &memory).await.unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "OVERLOADED"));
        drop(held);
        assert!(read(Body::from("x".repeat(100)), 1_000, &memory).await.is_ok());
    }
}
