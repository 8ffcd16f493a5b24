//! What ARCHITECTURE.md draws is what the code is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who of us may depend on whom, in what is shipped. Exactly so: an arrow that is not used any more
/// is taken away here too.
const ARROWS: [(&str, &[&str]); 12] = [
    ("automate_core", &[]),
    ("automate_macros", &[]),
    ("automate_migrations", &[]),
    ("automate_connectors", &["automate_core", "automate_macros"]),
    ("automate_store", &["automate_core", "automate_migrations"]),
    ("automate_governance", &["automate_connectors", "automate_core", "automate_migrations", "automate_store"]),
    ("automate_api", &["automate_connectors", "automate_core", "automate_governance", "automate_store"]),
    ("automate_admin", &["automate_connectors", "automate_core", "automate_governance", "automate_store"]),
    (
        "automate",
        &[
            "automate_admin",
            "automate_api",
            "automate_connectors",
            "automate_core",
            "automate_governance",
            "automate_migrations",
            "automate_store",
        ],
    ),
    // Somebody else's program: the facade is all it knows.
    ("automate_embed_example", &["automate"]),
    // The same, with a table of its own.
    ("automate_books_example", &["automate"]),
    (
        "automate_tests",
        &[
            "automate_api",
            "automate_connectors",
            "automate_core",
            "automate_governance",
            "automate_migrations",
            "automate_store",
        ],
    ),
];

/// The packages of others that few of us may know, and who they are. The tests may know everything.
const KNOWN_TO_FEW: [(&str, &[&str]); 15] = [
    // The one HTTP client is the egress guard's.
    ("reqwest", &["automate_governance"]),
    ("rustls", &["automate_governance"]),
    // The one HTTP server is the API's; the admin gives it routes. Of connectors only the conformance kit has one.
    ("axum", &["automate_admin", "automate_api"]),
    ("tower", &["automate_api"]),
    ("hyper", &["automate_api", "automate_connectors"]),
    ("hyper-util", &["automate_api", "automate_connectors"]),
    // SQL. The root package has it for its benchmark alone, see below.
    ("sqlx", &["automate_store", "automate"]),
    (
        "sea-orm",
        &[
            "automate_admin",
            "automate_api",
            "automate_books_example",
            "automate_governance",
            "automate_migrations",
            "automate_store",
        ],
    ),
    ("sea-orm-migration", &["automate_migrations"]),
    ("aes-gcm", &["automate_governance"]),
    // Vault, over the guard's client.
    ("vaultrs", &["automate_governance"]),
    ("rustify", &["automate_governance"]),
    // What only the operating system can say or do.
    ("rustix", &["automate_governance", "automate_store"]),
    ("clap", &["automate"]),
    ("syn", &["automate_macros"]),
];

/// Lines of a file, at most.
const LINES: usize = 500;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

struct Dependency {
    name: String,
    optional: bool,
}

/// The crates of the workspace with what they depend on in what is shipped: neither for tests nor
/// for build scripts.
fn crates() -> BTreeMap<String, Vec<Dependency>> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| Dependency {
                name: text(&dependency["name"]),
                optional: dependency["optional"].as_bool().unwrap(),
            })
            .collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (text(&package["name"]), dependencies(package))).collect()
}

#[test]
fn arrows_are_as_drawn() {
    let crates = crates();
    let ours: BTreeSet<&str> = crates.keys().map(String::as_str).collect();
    assert_eq!(ours, ARROWS.iter().map(|(name, _)| *name).collect(), "a crate is drawn nowhere, or is no more");
    for (name, drawn) in ARROWS {
        let arrows: BTreeSet<&str> =
            crates[name].iter().map(|d| d.name.as_str()).filter(|dependency| ours.contains(dependency)).collect();
        assert_eq!(arrows, drawn.iter().copied().collect(), "the arrows of {name}");
    }
}

#[test]
fn what_few_may_know_is_known_to_few() {
    let crates = crates();
    for (package, few) in KNOWN_TO_FEW {
        let know = crates.iter().filter(|(_, all)| all.iter().any(|dependency| dependency.name == package));
        let know: BTreeSet<&str> =
            know.map(|(name, _)| name.as_str()).filter(|name| *name != "automate_tests").collect();
        assert_eq!(know, few.iter().copied().collect(), "who knows {package}");
    }
    let kit = crates["automate_connectors"].iter().filter(|dependency| dependency.name.starts_with("hyper"));
    assert!(kit.into_iter().all(|dependency| dependency.optional), "only the conformance kit may have an HTTP library");
    let macros: BTreeSet<&str> = crates["automate_macros"].iter().map(|dependency| dependency.name.as_str()).collect();
    assert_eq!(macros, BTreeSet::from(["proc-macro2", "quote", "syn"]), "macros are linked into the compiler");
}

#[test]
fn sql_of_the_root_package_is_the_benchmarks() {
    for file in sources(&repository().join("src")) {
        let name = file.strip_prefix(repository()).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("sqlx") || name.starts_with("src/bench") || name == Path::new("src/bench.rs"),
            "{} knows SQL; that belongs into automate_store",
            name.display()
        );
    }
}

/// A process that we started would have our environment, in which the master key may be (S8). The
/// benchmark starts itself, with an environment that is empty.
#[test]
fn s8_nothing_that_is_shipped_starts_a_process() {
    let shipped = crates().into_keys().filter(|name| name != "automate_tests" && !name.ends_with("_example"));
    for name in shipped {
        let folder = match name.as_str() {
            "automate" => repository().join("src"),
            "automate_migrations" => repository().join("migrations/src"),
            "automate_admin" => repository().join("admin/src"),
            name => repository().join(name).join("src"),
        };
        for file in sources(&folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_test = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
            let starts = shipped.contains("process::Command") || shipped.contains("Command::new(");
            if is_test || !starts {
                continue;
            }
            assert!(
                file.ends_with("src/bench/load.rs") && shipped.contains(".env_clear()"),
                "{} starts a process",
                file.strip_prefix(repository()).unwrap().display()
            );
        }
    }
}

/// All Rust files below a folder, apart from what is built.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files.extend(sources(&path));
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn files_stay_small() {
    let files = sources(repository());
    assert!(files.len() > 200, "only {} files were found", files.len());
    let mut findings = Vec::new();
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        if lines > LINES {
            findings.push(format!(
                "{}: {lines} lines; make two files of it",
                file.strip_prefix(repository()).unwrap().display()
            ));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
