//! Names: what people tell apart by looking at it, and what was meant by a wrong one.

use unicode_normalization::is_nfc;

use super::codes;

/// Whether a character shows nothing, or changes how what follows is shown. Of texts that may have
/// lines, tabs and line ends are not.
pub(super) fn is_unprintable(character: char, name: bool) -> bool {
    match character {
        '\t' | '\n' | '\r' => name,
        _ if character.is_control() => true,
        // Zero-width, and what turns the direction of writing (UAX #9): text may have them, names not.
        '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => name,
        _ => false,
    }
}

/// What is wrong with a name: a code and words.
pub(super) fn problem(text: &str) -> Option<(&'static str, &'static str)> {
    if text.trim().is_empty() {
        return Some((codes::REQUIRED, "must have at least one visible character"));
    }
    if text.trim() != text {
        return Some((codes::NOT_NORMALIZED, "must not begin or end with a space"));
    }
    if !is_nfc(text) {
        return Some((codes::NOT_NORMALIZED, "must be in Unicode's normal form C, so that equal names are equal"));
    }
    let scripts = text.chars().filter_map(confusable_script);
    let (mut first, mut mixed) = (None, false);
    for script in scripts {
        mixed |= *first.get_or_insert(script) != script;
    }
    mixed.then_some((
        codes::CONFUSABLE,
        "mixes Latin, Greek, Cyrillic or full-width letters, which look alike and are not; use one of them",
    ))
}

/// The scripts whose letters are taken for each other's (UTS #39), by block.
fn confusable_script(character: char) -> Option<u8> {
    match character {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(0),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(1),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => Some(2),
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}' => Some(3),
        '\u{13a0}'..='\u{13ff}' | '\u{530}'..='\u{58f}' => Some(4),
        _ => None,
    }
}

/// `; did you mean X?`, where one of the known names is near enough.
pub(super) fn suggestion<'n>(given: &str, known: impl Iterator<Item = &'n str>) -> String {
    // Comparing costs the product of the lengths.
    if given.len() > 64 {
        return String::new();
    }
    let near = known
        .map(|name| (strsim::damerau_levenshtein(name, given), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3) && *distance < name.len().max(1))
        .min_by_key(|(distance, _)| *distance);
    near.map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

/// What somebody wrote, as it can stand in a sentence.
pub(super) fn shortened(text: &str) -> String {
    let clean = text.chars().map(|c| if is_unprintable(c, true) { '\u{fffd}' } else { c });
    clean.take(64).collect()
}
