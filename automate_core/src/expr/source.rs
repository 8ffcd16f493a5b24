//! `$secret:KEY` and `$env:VAR` in the literal text of a template.

use crate::secrets::SecretRef;

/// A piece of literal text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// `$secret:KEY` or `$secret:backend/KEY`, either with `?version=N`.
    Secret(&'a str),
    /// `$env:NAME`.
    Env(&'a str),
}

/// The pieces of a literal text, in order. A `.` or `-` at the end of a key belongs to the text
/// after it, as the full stop of a sentence does.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut from = 0;
    while let Some(at) = text[from..].find('$').map(|i| from + i) {
        from = at + 1;
        let rest = &text[at..];
        let piece = if let Some(rest) = rest.strip_prefix("$secret:") {
            secret_key(rest).map(|key| ("$secret:".len() + key.len(), Piece::Secret(key)))
        } else if let Some(rest) = rest.strip_prefix("$env:") {
            variable(rest).map(|name| ("$env:".len() + name.len(), Piece::Env(name)))
        } else {
            None
        };
        if let Some((length, piece)) = piece {
            if start < at {
                found.push(Piece::Text(&text[start..at]));
            }
            found.push(piece);
            start = at + length;
            from = start;
        }
    }
    if start < text.len() {
        found.push(Piece::Text(&text[start..]));
    }
    found
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(text.len());
    text[..end].trim_end_matches(['.', '-'])
}

fn secret_key(text: &str) -> Option<&str> {
    let first = word(text);
    if first.is_empty() {
        return None;
    }
    let second = text[first.len()..].strip_prefix('/').map_or("", word);
    let name = if second.is_empty() { first.len() } else { first.len() + 1 + second.len() };
    Some(&text[..name + SecretRef::version_length(&text[name..])])
}

fn variable(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let name = &text[..end];
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_end_where_their_grammar_does() {
        use Piece::{Secret, Text};
        assert_eq!(pieces("$secret:KEY?version=3"), [Secret("KEY?version=3")]);
        assert_eq!(pieces("a $secret:vault/KEY?version=12."), [Text("a "), Secret("vault/KEY?version=12"), Text(".")]);
        // A question about a key is none about a version of it.
        assert_eq!(pieces("$secret:KEY?"), [Secret("KEY"), Text("?")]);
        assert_eq!(pieces("$secret:KEY?version=x"), [Secret("KEY"), Text("?version=x")]);
        assert_eq!(pieces("$secret:KEY?version=0"), [Secret("KEY"), Text("?version=0")]);
        assert_eq!(pieces("$secret:KEY?v=1"), [Secret("KEY"), Text("?v=1")]);
        assert_eq!(pieces("$secret:K. $secret:."), [Secret("K"), Text(". $secret:.")]);
    }
}
