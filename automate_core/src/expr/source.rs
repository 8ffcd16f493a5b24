//! `$secret:KEY` and `$env:VAR` in the literal text of a template.

/// A piece of literal text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// `$secret:KEY` or `$secret:backend/KEY`.
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
    Some(if second.is_empty() { first } else { &text[..first.len() + 1 + second.len()] })
}

fn variable(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let name = &text[..end];
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}
