//! Filters of text.

use serde_json::Value;

use super::{FilterArgs, FilterError, FilterSpec, text_of};

pub(super) const SPECS: &[FilterSpec] = &[FilterSpec {
    name: "slugify",
    signature: "text | slugify",
    doc: "A text as it may stand in an address: lower-case ASCII letters, digits and single dashes.",
    example: "{{ 'Crème brûlée, 2 Stück' | slugify }} -> creme-brulee-2-stuck",
    function: slugify,
}];

fn slugify(input: &Value, _: &FilterArgs) -> Result<Value, FilterError> {
    let mut slug = String::new();
    for c in text_of(input)?.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if let Some(letters) = latin(c) {
            slug.push_str(letters);
        } else if !matches!(c, '\'' | '’') && !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    Ok(slug.into())
}

/// The basic letters of the Latin letters with marks that European languages write.
fn latin(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' | 'ĝ' | 'ġ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ķ' => "k",
        'ł' | 'ĺ' | 'ļ' | 'ľ' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        // The dot that lower-casing `İ` leaves over.
        '\u{307}' => "",
        _ => return None,
    })
}
