//! Every address of the admin, made from the sources that declare them. `routes.txt` says of each
//! whose rows it shows and what it takes; an address without an entry fails the test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use automate_tests::admin::Rows;

const ROUTES: &str = include_str!("routes.txt");
/// An id that no row has.
pub(super) const NO_ROW: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Stands for the list of a model.
const MODEL: &str = "MODEL/";

/// Whose rows an address shows or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nobody's: it is for those who have not come in, about oneself, or about the installation.
    Nobody,
    /// Those of the tenant: lists, and what makes new rows.
    Own,
    /// The same, as a stream.
    Stream,
    /// One row, of a kind of [`Rows`].
    Row(String),
    /// The same, where one may also name what is not there, to make it.
    Name(String),
}

/// An address.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// With the names of its parameters in braces.
    pub(super) pattern: String,
    pub(super) whose: Whose,
    /// What `GET` takes, where there is one.
    pub(super) get: Option<Vec<String>>,
    /// What `POST` takes, where there is one.
    pub(super) post: Option<Vec<String>>,
}

impl Entry {
    /// The address of a row; nothing where the tenant has no such row.
    pub(super) fn of(&self, rows: &Rows) -> Option<String> {
        match &self.whose {
            Whose::Row(kind) | Whose::Name(kind) => Some(self.named(rows.get(kind)?)),
            Whose::Nobody | Whose::Own | Whose::Stream => Some(self.pattern.clone()),
        }
    }

    /// The address of a row that is not there.
    pub(super) fn of_nobody(&self) -> String {
        match &self.whose {
            Whose::Row(kind) | Whose::Name(kind) => self.named(absent(kind)),
            Whose::Nobody | Whose::Own | Whose::Stream => self.pattern.clone(),
        }
    }

    fn named(&self, name: &str) -> String {
        let part = |part| match part {
            "{number}" => "1",
            part if str::starts_with(part, '{') => name,
            part => part,
        };
        self.pattern.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// Whether it is this address.
    pub(super) fn is(&self, path: &str) -> bool {
        let (own, other): (Vec<&str>, Vec<&str>) = (self.pattern.split('/').collect(), path.split('/').collect());
        let same = |(own, other): (&&str, &&str)| own.starts_with('{') && !other.is_empty() || own == other;
        own.len() == other.len() && own.iter().zip(&other).all(same)
    }
}

/// A name that no row of a kind has.
pub(super) fn absent(kind: &str) -> &'static str {
    match kind {
        "workflow" => "absent-flow",
        "secret" => "ABSENT_KEY",
        "dead" => "0123456789abcdef",
        _ => NO_ROW,
    }
}

/// All entries; those of models once for each model.
pub(super) fn entries(models: &[String]) -> Vec<Entry> {
    let lines = lines();
    let mut all = Vec::new();
    for [methods, pattern, whose, takes] in &lines {
        let places: Vec<(String, &str)> = match pattern.strip_prefix(MODEL) {
            Some(below) => models.iter().map(|model| (format!("{model}{below}"), model.as_str())).collect(),
            None => vec![(pattern.clone(), "")],
        };
        for (pattern, model) in places {
            let (get, post) = takes.split_once(';').unwrap_or((takes, takes));
            let takes = |all: &str| {
                all.split(',')
                    .map(str::trim)
                    .filter(|t| !t.is_empty() && *t != "-")
                    .map(|t| permission(t, model))
                    .collect()
            };
            all.push(Entry {
                whose: match whose.as_str() {
                    "-" => Whose::Nobody,
                    "own" => Whose::Own,
                    "stream" => Whose::Stream,
                    "model" => Whose::Row(model.to_owned()),
                    kind => match kind.strip_prefix("name:") {
                        Some(kind) => Whose::Name(kind.to_owned()),
                        None => Whose::Row(kind.to_owned()),
                    },
                },
                pattern,
                get: methods.contains('G').then(|| takes(get)),
                post: methods.contains('P').then(|| takes(post)),
            });
        }
    }
    // What is written out goes before what stands for a name.
    all.sort_by_key(|entry| entry.pattern.matches('{').count());
    all
}

/// `view` of `/admin/people/group/` is `people.view_group`.
fn permission(word: &str, model: &str) -> String {
    let parts: Vec<&str> = model.trim_matches('/').split('/').collect();
    match parts[..] {
        [_, app, model] if !word.contains('.') => format!("{app}.{word}_{model}"),
        _ => word.to_owned(),
    }
}

fn lines() -> Vec<[String; 4]> {
    let lines = ROUTES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [route, whose, takes] = parts[..] else { panic!("`{line}` has not three parts") };
            let (methods, pattern) = route.split_once(' ').unwrap();
            [methods, pattern.trim(), whose, takes].map(str::to_owned)
        })
        .collect()
}

/// `GP /admin/me/totp/` for each route that the sources declare.
fn declared() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("admin/src");
    let mut found = BTreeSet::new();
    for file in sources(&root) {
        let text = std::fs::read_to_string(&file).unwrap();
        if file.ends_with("system/deeds.rs") {
            found.extend(deeds(&text));
        }
        for declaration in text.split(".route(").skip(1) {
            let end = ["get(", "post("].iter().filter_map(|word| declaration.find(word)).min();
            let (place, handlers) = declaration.split_at(end.unwrap_or_else(|| panic!("{declaration:.80}")));
            let place = match place.split('"').nth(1) {
                Some(literal) => literal.replace("{{", "{").replace("}}", "}").replace("{url}", ""),
                None => String::new(),
            };
            let place = match place.as_str() {
                // Those of the deeds are taken from what they are made of.
                "" if file.ends_with("system/deeds.rs") => continue,
                place if file.ends_with("generated.rs") => format!("{MODEL}{place}"),
                "" => panic!("{}: a route whose address is not written out", file.display()),
                place => place.to_owned(),
            };
            let handlers = &handlers[..balanced(handlers)];
            let gets = if handlers.contains("get(") { "G" } else { "" };
            let posts = if handlers.contains("post(") { "P" } else { "" };
            found.insert(format!("{gets}{posts} {place}"));
        }
    }
    found
}

/// How far a text goes until a `)` closes what was opened before it.
fn balanced(text: &str) -> usize {
    let mut open = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open == 0 => return at,
            ')' => open -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The deeds of single rows: `model: || &USERS` and `page: "password"`.
fn deeds(text: &str) -> Vec<String> {
    let mut model = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("model: || &") {
            model = match name.trim_end_matches(',') {
                "USERS" => "people/user",
                "TOKENS" => "people/token",
                "TENANTS" => "tenants/tenant",
                other => panic!("the place of {other} is not known here"),
            };
        } else if let Some(page) = line.strip_prefix("page: \"") {
            found.push(format!("GP /admin/{model}/{{id}}/{}/", page.trim_end_matches("\",")));
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_route_of_the_admin_has_its_entry() {
    let known: BTreeSet<String> = lines().iter().map(|[methods, pattern, ..]| format!("{methods} {pattern}")).collect();
    let declared = declared();
    let missing: Vec<_> = declared.difference(&known).collect();
    let gone: Vec<_> = known.difference(&declared).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without an entry: {missing:#?}\nno more: {gone:#?}");
    assert!(declared.len() > 80, "only {} were found", declared.len());
    let permissions: BTreeSet<String> = automate_core::access::all_permissions().into_iter().collect();
    for entry in entries(&["/admin/people/group/".to_owned()]) {
        for permission in entry.get.iter().chain(&entry.post).flatten() {
            assert!(permissions.contains(permission), "{entry:?}: there is no {permission}");
        }
    }
}
