//! What a browser makes of a page: its elements with their attributes, and its text. The states of
//! the HTML standard's tokenizer (section 13.2.5) that decide what becomes an element.

/// Elements whose content is text until their end tag, whatever stands in it.
const TEXT_ONLY: &[&str] = &["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];
/// Elements that no page of ours has, and that do something by themselves.
const NEVER: &[&str] = &["base", "style", "iframe", "object", "embed", "frame", "applet", "math", "marquee", "portal"];
/// Attributes whose value is an address.
const ADDRESSES: &[&str] =
    &["href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcset", "ping", "background"];

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name in lower case.
    pub name: String,
    /// Its attributes, names in lower case, values as they are meant.
    pub attributes: Vec<(String, String)>,
    /// The text in it, for elements that take nothing else.
    pub content: String,
}

impl Element {
    /// An attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A page as a browser takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup {
    /// The elements in their order.
    pub elements: Vec<Element>,
    /// Everything that is text, what stands in text fields included.
    pub text: String,
}

impl Markup {
    /// Takes a page apart.
    #[must_use]
    pub fn of(html: &str) -> Self {
        let mut markup = Self::default();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            markup.text.push_str(&unescaped(&rest[..at]));
            rest = &rest[at + 1..];
            let first = rest.chars().next().unwrap_or(' ');
            if let Some(comment) = rest.strip_prefix("!--") {
                let ends = [comment.find("-->").map(|at| at + 3), comment.find("--!>").map(|at| at + 4)];
                let abrupt = [comment.strip_prefix('>').map(|_| 1), comment.strip_prefix("->").map(|_| 2)];
                let end = ends.into_iter().chain(abrupt).flatten().min();
                rest = &comment[end.unwrap_or(comment.len())..];
            } else if matches!(first, '!' | '?') {
                rest = after(rest, '>');
            } else if first == '/' {
                let named = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic());
                rest = if named { tag(&rest[1..]).1 } else { after(rest, '>') };
            } else if first.is_ascii_alphabetic() {
                let (mut element, behind) = tag(rest);
                rest = behind;
                if TEXT_ONLY.contains(&element.name.as_str()) {
                    let end = end_of(rest, &element.name);
                    element.content = match element.name.as_str() {
                        "textarea" | "title" => unescaped(&rest[..end]),
                        _ => rest[..end].to_owned(),
                    };
                    markup.text.push_str(&element.content);
                    rest = &rest[end..];
                }
                markup.elements.push(element);
            } else {
                markup.text.push('<');
            }
        }
        markup.text.push_str(&unescaped(rest));
        markup
    }

    /// The elements of a name.
    pub fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Element> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// Everything that could run, load or send something which is not ours.
    #[must_use]
    pub fn dangers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for element in &self.elements {
            let name = element.name.as_str();
            if NEVER.contains(&name) {
                found.push(format!("<{name}>"));
            }
            let own = |value: &str| value.starts_with("/admin/static/");
            if name == "script" && (!element.content.trim().is_empty() || !element.get("src").is_some_and(own)) {
                found.push(format!("<script> {:?} {:?}", element.get("src"), element.content));
            }
            if name == "meta" && element.get("http-equiv").is_some() {
                found.push("<meta http-equiv>".to_owned());
            }
            for (attribute, value) in &element.attributes {
                let odd = attribute.starts_with("on") || ["style", "srcdoc"].contains(&attribute.as_str());
                let quoted = attribute.contains(['"', '\'', '<']);
                if odd || quoted || ADDRESSES.contains(&attribute.as_str()) && !is_own(value) {
                    found.push(format!("<{name} {attribute}={value:?}>"));
                }
            }
        }
        found
    }
}

/// Whether an address leads to a page of ours; as a browser reads it, which drops white space and
/// control characters, and takes `\` for `/`.
fn is_own(value: &str) -> bool {
    let plain: String = value.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let plain = plain.replace('\\', "/");
    let path = plain.starts_with('/') && !plain.starts_with("//");
    path || plain.is_empty() || plain.starts_with(['#', '?'])
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// Where the end tag of an element begins.
fn end_of(text: &str, name: &str) -> usize {
    let lower = text.to_ascii_lowercase();
    let wanted = format!("</{name}");
    let mut from = 0;
    while let Some(at) = lower[from..].find(&wanted) {
        let at = from + at;
        let behind = lower[at + wanted.len()..].chars().next();
        if behind.is_none_or(|c| c.is_ascii_whitespace() || c == '/' || c == '>') {
            return at;
        }
        from = at + wanted.len();
    }
    text.len()
}

/// A tag from its name on, and what follows it.
fn tag(text: &str) -> (Element, &str) {
    let name_end = text.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').unwrap_or(text.len());
    let name = text[..name_end].to_ascii_lowercase();
    let mut attributes: Vec<(String, String)> = Vec::new();
    let mut rest = &text[name_end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        if let Some(behind) = rest.strip_prefix('>') {
            rest = behind;
            break;
        }
        // A `=` in front belongs to the name.
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let end = rest[first..].find(|c: char| c.is_ascii_whitespace() || "/>=".contains(c));
        let end = end.map_or(rest.len(), |end| end + first);
        let attribute = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(behind) = rest.trim_start().strip_prefix('=') {
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|c| *c == '"' || *c == '\'');
            let (raw, left) = match quote {
                Some(quote) => behind[1..].split_once(quote).unwrap_or((&behind[1..], "")),
                None => {
                    behind.split_at(behind.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(behind.len()))
                }
            };
            value = unescaped(raw);
            rest = left;
        }
        if !attributes.iter().any(|(known, _)| *known == attribute) {
            attributes.push((attribute, value));
        }
    }
    (Element { name, attributes, content: String::new() }, rest)
}

/// Text without its character references: those that our pages are written with, and numbers.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let end = behind.find(';').filter(|end| *end <= 8);
        let meant = end.and_then(|end| {
            let name = &behind[..end];
            let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => digits.parse().ok(),
            });
            let known = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", '\u{a0}')];
            let named = known.into_iter().find(|(known, _)| *known == name).map(|(_, c)| c);
            number.and_then(char::from_u32).or(named)
        });
        match (meant, end) {
            (Some(meant), Some(end)) => {
                out.push(meant);
                rest = &behind[end + 1..];
            }
            _ => {
                out.push('&');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_text_and_what_is_not_is_found() {
        let fine = Markup::of(
            "<!doctype html><title>a &lt;b></title><script src=\"/admin/static/1/a.js\"></script><p title='&quot;>'>1 < 2 &#60;img src=x \
             onerror=alert(1)&gt;</p><textarea></textareas><script>x</textarea><a href='/admin/?q=javascript:'>",
        );
        assert_eq!(fine.dangers(), Vec::<String>::new());
        assert!(fine.text.contains("<img src=x onerror=alert(1)>") && fine.text.contains("<script>x"));
        for bad in [
            "<script>alert(1)</script>",
            "<script src=//evil.example></script>",
            "<svg/onload=alert(1)>",
            "<p a=\"\"onclick=x>",
            "<textarea></textarea ><img src=/x onerror=1>",
            "<a href=' java\tscript:alert(1)'>",
            "<a href=/\\evil.example>",
            "<a href=&#106;avascript:1>",
            "<!--><img src=/x onerror=1>-->",
            "<base href=/x>",
            "<p style=x>",
            "<title></title><form action=https://evil.example>",
        ] {
            assert_eq!(Markup::of(bad).dangers().len(), 1, "{bad}: {:?}", Markup::of(bad));
        }
    }
}
