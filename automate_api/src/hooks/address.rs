//! The tenant and the path of a webhook's address.

/// Where a delivery was sent, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) tenant: String,
    pub(super) path: String,
}

impl Address {
    /// The address in a request's path, of either form. `None` where it cannot be one: an empty,
    /// `.` or `..` segment, an encoded slash, a control character, bytes outside UTF-8. Nothing
    /// is normalised, so that a path has one spelling for every reader.
    pub(super) fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/hooks/").or_else(|| path.strip_prefix("/api/v1/webhooks/"))?;
        let (tenant, path) = rest.split_once('/')?;
        let segments: Option<Vec<String>> = path.split('/').map(segment).collect();
        Some(Self { tenant: segment(tenant)?, path: segments?.join("/") })
    }
}

fn segment(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    let refused = text.is_empty()
        || text == "."
        || text == ".."
        || text
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    (!refused).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<(String, String)> {
        Address::of(path).map(|address| (address.tenant, address.path))
    }

    #[test]
    fn both_forms_name_a_tenant_and_a_path() {
        let expected = |path: &str| Some(("default".to_owned(), path.to_owned()));
        assert_eq!(of("/hooks/default/orders"), expected("orders"));
        assert_eq!(of("/hooks/default/a/b%20c/%C3%A9"), expected("a/b c/é"));
        assert_eq!(of("/api/v1/webhooks/default/order.created"), expected("order.created"));
    }

    #[test]
    fn w19_a_path_that_means_something_else_to_another_reader_is_none() {
        for path in [
            "/hooks/default/",
            "/hooks/default/..",
            "/hooks/default/a/../b",
            "/hooks/default/..%2fadmin",
            "/hooks/default/%2e%2e/b",
            "/hooks/default/a%2fb",
            "/hooks/default/a%5cb",
            "/hooks/default/a%00",
            "/hooks/default/a%0d%0ab",
            "/hooks/default/a%1b%5b2J",
            "/hooks/default/a%e2%80%aeb",
            "/hooks/default/a%ff",
            "/hooks/default/a%",
            "/hooks/default/a%zz",
            "/hooks/default/a//b",
            "/hooks//orders",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
