//! Texts in patterns of `LIKE`.

/// What stands before a character that means itself; statements name it: `LIKE … ESCAPE '!'`. Not a
/// backslash, which PostgreSQL and SQLite write differently in a text.
pub(crate) const ESCAPE: char = '!';

/// A text as a pattern of `LIKE` that finds only itself.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if matches!(character, '%' | '_' | ESCAPE) {
            escaped.push(ESCAPE);
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_as_it_is() {
        assert_eq!(escaped("a%b_c!d"), "a!%b!_c!!d");
    }
}
