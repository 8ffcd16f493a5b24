//! `If-Match` and `If-None-Match` (RFC 9110, section 13.1).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::Problem;

/// What a row must be like for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Whatever it is, but there.
    Any,
    /// At one of these versions. None where the client named no version of ours: nothing matches.
    Versions(Vec<i64>),
}

impl IfMatch {
    /// What a request says.
    ///
    /// # Errors
    /// 400 where it is not what the standard says.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(tags) = tags(headers, header::IF_MATCH)? else { return Ok(None) };
        if tags.iter().any(|tag| tag.star) {
            return Ok(Some(Self::Any));
        }
        // Weak tags match nothing here: the comparison is the strong one.
        let strong = tags.iter().filter(|tag| !tag.weak);
        Ok(Some(Self::Versions(strong.filter_map(|tag| version_of(&tag.value)).collect())))
    }

    /// Whether a version is one that the client accepts.
    #[must_use]
    pub fn holds(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// Whether the client has what an answer's tag names already.
///
/// # Errors
/// 400 where `If-None-Match` is not what the standard says.
pub(crate) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> Result<bool, Problem> {
    let Some(tags) = tags(headers, header::IF_NONE_MATCH)? else { return Ok(false) };
    let ours = tag.to_str().unwrap_or_default();
    let ours = ours.strip_prefix("W/").unwrap_or(ours).trim_matches('"');
    Ok(tags.iter().any(|tag| tag.star || tag.value == ours))
}

struct Tag {
    star: bool,
    weak: bool,
    value: String,
}

/// Tags of one header, at most.
const TAGS: usize = 16;

fn tags(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<Vec<Tag>>, Problem> {
    let mut tags = Vec::new();
    for value in headers.get_all(&name) {
        let text = value.to_str().map_err(|_| malformed(&name))?;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if tags.len() == TAGS {
                return Err(malformed(&name));
            }
            tags.push(tag_of(part).ok_or_else(|| malformed(&name))?);
        }
    }
    if tags.is_empty() {
        return if headers.contains_key(&name) { Err(malformed(&name)) } else { Ok(None) };
    }
    Ok(Some(tags))
}

fn tag_of(text: &str) -> Option<Tag> {
    if text == "*" {
        return Some(Tag { star: true, weak: false, value: String::new() });
    }
    // A version without its quotes is what many clients make of a tag, and can mean nothing else.
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Tag { star: false, weak: false, value: text.to_owned() });
    }
    let (weak, text) = text.strip_prefix("W/").map_or((false, text), |rest| (true, rest));
    let value = text.strip_prefix('"')?.strip_suffix('"')?;
    let plain = value.bytes().all(|b| b == 0x21 || (0x23..=0x7e).contains(&b));
    plain.then(|| Tag { star: false, weak, value: value.to_owned() })
}

/// The version in a tag: the whole of it, or what stands before the mark of a partial view.
fn version_of(tag: &str) -> Option<i64> {
    tag.split('.').next()?.parse().ok()
}

fn malformed(name: &header::HeaderName) -> Problem {
    let name = if *name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
    Problem::new(
        StatusCode::BAD_REQUEST,
        "INVALID_CONDITION",
        format!("{name} takes `*` or up to {TAGS} tags in quotes, as an ETag header gave them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &'static str) -> Result<Option<IfMatch>, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
        IfMatch::of(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn tags_are_read_as_the_standard_writes_them() {
        assert_eq!(if_match("*"), Ok(Some(IfMatch::Any)));
        assert_eq!(if_match("\"3\""), Ok(Some(IfMatch::Versions(vec![3]))));
        assert_eq!(if_match("\"3\", \"4.9f\""), Ok(Some(IfMatch::Versions(vec![3, 4]))));
        assert_eq!(if_match("W/\"3\""), Ok(Some(IfMatch::Versions(vec![]))), "weak tags match nothing");
        assert_eq!(if_match("\"x\""), Ok(Some(IfMatch::Versions(vec![]))));
        assert_eq!(if_match("3"), Ok(Some(IfMatch::Versions(vec![3]))), "the quotes were lost on the way");
        for wrong in ["\"3", "", "3\"", "\"a b\""] {
            assert_eq!(if_match(wrong), Err(400), "{wrong}");
        }
    }

    #[test]
    fn a_known_tag_is_known_weak_or_strong() {
        let ask = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, &HeaderValue::from_static("\"3\"")).unwrap()
        };
        assert!(ask("\"3\"") && ask("W/\"3\"") && ask("*") && ask("\"1\", \"3\""));
        assert!(!ask("\"4\""));
    }
}
