//! Every page that a link leads to, as somebody sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Browser, Page};

/// Pages that one crawl opens, at most.
const PAGES: usize = 3_000;

/// What two addresses have in common that show the same page with other rows.
fn kind(address: &str) -> (String, String) {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let place = |part: &str| {
        let id = part.len() >= 16 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if id || number || part.starts_with('=') { "N".to_owned() } else { part.to_owned() }
    };
    let mut parts: Vec<String> = path.split('/').map(place).collect();
    let named = matches!(parts.get(2).map(String::as_str), Some("workflows" | "connectors" | "queues" | "workers"));
    if named && parts.len() > 4 && !["new", "workflow", "version", "trigger", "connection"].contains(&parts[3].as_str())
    {
        "N".clone_into(&mut parts[3]);
    }
    if parts.len() > 5 && parts[2] == "secrets" && parts[3] == "key" {
        "N".clone_into(&mut parts[4]);
    }
    let keys: BTreeSet<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let place = parts.join("/");
    (format!("{place}?{}", keys.into_iter().collect::<Vec<_>>().join("&")), place)
}

impl Browser {
    /// Opens every page that links lead to from the overview, of each kind `most`; `look` gets each
    /// with its address. Answers how many there were.
    pub fn crawl(&mut self, most: usize, mut look: impl FnMut(&str, &Page)) -> usize {
        let mut waiting = VecDeque::from(["/admin/".to_owned(), "/admin/help/".to_owned()]);
        let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut opened = 0;
        while let Some(at) = waiting.pop_front().filter(|_| opened < PAGES) {
            // Filters, orders and pages of lists combine without end.
            let (kind, place) = kind(&at);
            let limits = [(kind, most), (format!("place {place}"), most * 4)];
            if limits.iter().any(|(key, most)| kinds.get(key).is_some_and(|count| count >= most)) {
                continue;
            }
            for (key, _) in limits {
                *kinds.entry(key).or_default() += 1;
            }
            let page = self.get(&at);
            opened += 1;
            look(&at, &page);
            if !page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
                continue;
            }
            for link in page.links() {
                let link = link.split('#').next().unwrap_or_default();
                let path = at.split('?').next().unwrap_or_default();
                let next = if link.starts_with('?') { format!("{path}{link}") } else { link.to_owned() };
                let ours = next.starts_with("/admin/") && !next.starts_with("/admin/static/");
                if ours && seen.insert(next.clone()) {
                    waiting.push_back(next);
                }
            }
        }
        opened
    }
}
