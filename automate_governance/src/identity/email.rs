//! E-mail addresses: which are taken, and which count as the same.

use unicode_normalization::UnicodeNormalization as _;

use super::IdentityError;

/// Bytes of an address (RFC 5321, section 4.5.3.1.3).
const ADDRESS_BYTES: usize = 254;

/// The address as it is compared: two that a reader cannot tell apart have one key (R11).
///
/// NFKC, lower case, then the Cyrillic, Greek and Armenian letters that look like a Latin one are that
/// one: the pairs between these scripts, in lower case, of Unicode's `confusables.txt` (UTS #39). Two
/// addresses in ASCII have one key only where they differ in case alone.
#[must_use]
pub fn email_key(address: &str) -> String {
    let folded: String =
        address.trim().nfkc().flat_map(char::to_lowercase).nfkc().filter(|c| !is_invisible(*c) && *c != '\0').collect();
    folded.chars().map(look_alike).collect()
}

/// Whether two addresses are the same one, written in whatever case: not only alike to the eye.
pub(crate) fn is_same_address(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.trim().nfc().flat_map(char::to_lowercase).collect::<String>();
    plain(one) == plain(other)
}

/// An address as it is stored: NFC, without blanks around it.
///
/// # Errors
/// [`IdentityError::Invalid`] where it is no address, or has characters that cannot be seen.
pub fn check_email(address: &str) -> Result<String, IdentityError> {
    let wrong = |message: &str| IdentityError::field("email", "INVALID_EMAIL", message);
    let address: String = address.trim().nfc().collect();
    if address.len() > ADDRESS_BYTES {
        return Err(wrong("the e-mail address has more than 254 bytes"));
    }
    if address.chars().any(|c| {
        c.is_whitespace() || is_unprintable(c) || matches!(c, '<' | '>' | '"' | '(' | ')' | ',' | ';' | ':' | '\\')
    }) {
        return Err(wrong("the e-mail address has characters that do not belong there"));
    }
    let well_formed = address.split_once('@').is_some_and(|(local, domain)| {
        let dots =
            |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
        dots(local) && dots(domain) && !domain.contains('@') && !domain.starts_with('-')
    });
    if well_formed { Ok(address) } else { Err(wrong("the e-mail address must look like name@example.org")) }
}

/// A name for people, of users, groups, tokens and tenants: NFC, on one line, without characters
/// that cannot be seen or that turn the direction of writing (A19).
///
/// # Errors
/// [`IdentityError::Invalid`] with `field` where it is not one.
pub fn check_name(field: &str, name: &str, required: bool) -> Result<String, IdentityError> {
    let name: String = name.trim().nfc().collect();
    let characters = name.chars().count();
    if (required && characters == 0) || characters > automate_core::limits::PERSON_NAME_CHARS {
        let most = automate_core::limits::PERSON_NAME_CHARS;
        return Err(IdentityError::field(
            field,
            "INVALID_LENGTH",
            format!("`{field}` must have 1 to {most} characters"),
        ));
    }
    if name.chars().any(is_unprintable) {
        let message = format!("`{field}` has characters that cannot be seen or that change the direction of writing");
        return Err(IdentityError::field(field, "INVALID_CHARACTERS", message));
    }
    Ok(name)
}

/// Control characters, and what changes how the text around it is read.
fn is_unprintable(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffd}')
}

/// Characters without a shape of their own (`Default_Ignorable_Code_Point` of UAX #44, apart from
/// the fillers of Hangul), among them the marks of direction.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The Latin letter that a lower-case letter looks like.
const fn look_alike(c: char) -> char {
    match c {
        'а' | 'α' | 'ɑ' => 'a',
        'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ҽ' => 'e',
        'һ' => 'h',
        'і' | 'ι' | 'ı' => 'i',
        'ӏ' => 'l',
        'ј' | 'ϳ' => 'j',
        'к' | 'κ' => 'k',
        'ո' => 'n',
        'о' | 'ο' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r11_twins_that_look_alike_have_one_key() {
        let same = [
            ("Ada@Example.org", "ada@example.org"),
            ("re\u{301}ne@x.org", "r\u{e9}ne@x.org"),
            ("a\u{200b}da@x.org", "ada@x.org"),
            ("аdа@x.org", "ada@x.org"),
            ("ΑDA@x.org", "ada@x.org"),
            ("ａｄａ@x.org", "ada@x.org"),
            ("ada@pаypal.org", "ada@paypal.org"),
            (" ada@x.org ", "ada@x.org"),
        ];
        for (one, other) in same {
            assert_eq!(email_key(one), email_key(other), "{one} {other}");
        }
        for (one, other) in [
            ("ada@x.org", "adb@x.org"),
            ("ada@x.org", "ada@x.com"),
            ("a.da@x.org", "ada@x.org"),
            ("b0b1@x.org", "bobl@x.org"),
        ] {
            assert_ne!(email_key(one), email_key(other), "{one} {other}");
        }
    }

    #[test]
    fn an_address_is_stored_composed_and_nonsense_is_refused() {
        assert_eq!(check_email(" re\u{301}ne@x.org ").unwrap(), "r\u{e9}ne@x.org");
        for bad in [
            "",
            "ada",
            "@x.org",
            "ada@",
            "a@b@c",
            "a b@x.org",
            "a\r\n@x.org",
            "a\u{200b}@x.org",
            "a\u{202e}@x.org",
            "<a@x.org>",
            ".a@x.org",
            "a..b@x.org",
            "a@.x",
            "a@x..org",
            "\0@x.org",
            &format!("{}@x.org", "a".repeat(260)),
        ] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a19_names_stay_on_one_line_and_hide_nothing() {
        assert_eq!(check_name("name", " Ada Łovelace ", true).unwrap(), "Ada Łovelace");
        for bad in [
            "",
            "a\nb",
            "a\rb",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200b}b",
            "a\0b",
            "a\u{2028}b",
            &"x".repeat(300),
        ] {
            assert!(check_name("name", bad, true).is_err(), "{bad:?}");
        }
    }
}
