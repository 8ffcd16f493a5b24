//! The forms in which a value could be written somewhere, and the search for all of them.

use std::io::Read as _;
use std::io::Write as _;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A value that must be found nowhere.
pub(super) struct Canary {
    /// Its key among the secrets.
    pub(super) key: &'static str,
    /// What it is.
    pub(super) value: String,
    /// Parts of it that are secret by themselves, because no other text has them.
    parts: Vec<Vec<u8>>,
}

impl Canary {
    /// A random value with characters that JSON, HTML, URLs and shells write otherwise. They stand
    /// around a random middle that every encoding of texts leaves as it is.
    pub(super) fn token(key: &'static str) -> Self {
        let middle = hex::encode(rand::random::<[u8; 16]>());
        let value = format!("?~>'{middle}/+=&\"<");
        Self { key, parts: vec![value.clone().into_bytes(), middle.into_bytes()], value }
    }

    /// A random signing secret, as Standard Webhooks writes them.
    pub(super) fn signing(key: &'static str) -> Self {
        let bytes = rand::random::<[u8; 24]>();
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        Self { key, value: format!("whsec_{text}"), parts: vec![text.into_bytes(), bytes.to_vec()] }
    }

    /// Whether a text has the value as it is.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.contains(&self.value)
    }

    fn forms(&self) -> Vec<(String, Vec<u8>)> {
        let mut forms = Vec::new();
        for part in &self.parts {
            let mut of_part = vec![("plain", part.clone()), ("reversed", part.iter().rev().copied().collect())];
            of_part.push(("URL-encoded", percent(part, true)));
            of_part.push(("URL-encoded in lower case", percent(part, false)));
            for offset in 0..3 {
                for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
                    let text = engine.encode([&vec![0_u8; offset], part.as_slice()].concat());
                    // What the neighbours have a say in is cut off.
                    let from = (offset * 8).div_ceil(6);
                    let to = (offset + part.len()) * 8 / 6;
                    of_part.push((name, text.as_bytes()[from..to].to_vec()));
                }
            }
            // A dump shows bytes as hexadecimal; so any form may stand there once more.
            for (name, form) in of_part {
                let shown = hex::encode(&form);
                forms.push((format!("{name} in HEX"), shown.to_uppercase().into_bytes()));
                forms.push((format!("{name} in hex"), shown.into_bytes()));
                forms.push((name.to_owned(), form));
            }
        }
        forms
    }
}

fn percent(bytes: &[u8], upper: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            _ if upper => text.push_str(&format!("%{byte:02X}")),
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text.into_bytes()
}

/// Looks for many canaries at once.
pub(super) struct Search {
    names: Vec<String>,
    automaton: AhoCorasick,
    /// What was found, and around what.
    pub(super) found: Vec<String>,
    /// How many bytes were looked through.
    pub(super) bytes: usize,
}

impl Search {
    pub(super) fn new<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        let (mut names, mut forms) = (Vec::new(), Vec::new());
        for canary in canaries {
            for (name, form) in canary.forms() {
                names.push(format!("{} {name}", canary.key));
                forms.push(form);
            }
        }
        Self { names, automaton: AhoCorasick::new(forms).unwrap(), found: Vec::new(), bytes: 0 }
    }

    /// Looks through something. What is found is kept, so that a test tells all of it at its end.
    pub(super) fn look(&mut self, place: &str, haystack: impl AsRef<[u8]>) {
        let haystack = haystack.as_ref();
        self.bytes += haystack.len();
        self.look_for_forms(place, haystack);
        for unpacked in packed(haystack) {
            self.look_for_forms(&format!("{place}, in base64 of gzip"), &unpacked);
        }
    }

    /// The same without unpacking anything, for what is large.
    pub(super) fn look_plainly(&mut self, place: &str, haystack: &[u8]) {
        self.bytes += haystack.len();
        self.look_for_forms(place, haystack);
    }

    fn look_for_forms(&mut self, place: &str, haystack: &[u8]) {
        for hit in self.automaton.find_iter(haystack).take(5) {
            let around = &haystack[hit.start().saturating_sub(160)..haystack.len().min(hit.end() + 60)];
            let name = &self.names[hit.pattern().as_usize()];
            self.found.push(format!("{place}: {name}: …{}…", String::from_utf8_lossy(around)));
        }
    }
}

/// What stands in a text as base64 of gzip.
fn packed(haystack: &[u8]) -> Vec<Vec<u8>> {
    let beginnings = haystack.windows(4).enumerate().filter(|(_, window)| window == b"H4sI").map(|(at, _)| at);
    let unpacked = beginnings.map(|at| {
        let digits = haystack[at..].iter().copied().take_while(|b| b.is_ascii_alphanumeric() || b"+/".contains(b));
        let mut digits: Vec<u8> = digits.collect();
        // Whole groups alone: what follows may be text.
        digits.truncate(digits.len() / 4 * 4);
        let bytes = STANDARD_NO_PAD.decode(digits).unwrap_or_default();
        let mut found = Vec::new();
        // What is damaged at its end has been read up to there.
        drop(flate2::read::GzDecoder::new(bytes.as_slice()).take(1 << 20).read_to_end(&mut found));
        found
    });
    unpacked.collect()
}

#[test]
fn the_search_finds_what_it_looks_for_in_every_form() {
    let canary = Canary::token("K");
    let secret = canary.value.clone();
    let base64 = base64::engine::general_purpose::STANDARD;
    for hidden in [
        secret.clone(),
        hex::encode(&secret),
        hex::encode_upper(&secret),
        base64.encode(&secret),
        base64.encode(format!("user:{secret}@x")),
        base64.encode(format!("ab{secret}")),
        base64::engine::general_purpose::URL_SAFE.encode(format!("a{secret}")),
        hex::encode(base64.encode(&secret)),
        serde_json::to_string(&serde_json::to_string(&secret).unwrap()).unwrap(),
        String::from_utf8(percent(secret.as_bytes(), true)).unwrap(),
        secret.chars().rev().collect(),
        {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(format!("a long text before it, and then {secret} and more").as_bytes()).unwrap();
            base64.encode(packed.finish().unwrap())
        },
    ] {
        let mut search = Search::new([&canary]);
        search.look("a place", format!("before {hidden} after"));
        assert!(!search.found.is_empty(), "{hidden}");
    }
    let mut search = Search::new([&canary]);
    search.look("a place", Canary::token("K").value);
    assert_eq!(search.found, Vec::<String>::new());
}
