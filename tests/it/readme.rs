//! What the README says can be done is done, and what the pages link to is there.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use automate_tests::binary::{Answer, Project, automate};

use crate::serving::Serving;

/// How the README runs the program.
const PROGRAM: &str = "cargo run --release -- ";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The texts of the fenced blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if tag == language {
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

/// A command of the README in a folder, with a shell's quotes and the program that is built.
fn shell(project: &Project, arguments: &str) -> Command {
    // For its environment only: nothing of the caller's configures the program.
    let plain = project.command(&[]);
    let mut command = Command::new("sh");
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(["-c", &format!("exec \"$PROGRAM\" {arguments}")])
        .env("PROGRAM", automate())
        // As somebody has it who has configured nothing; a test must not take the usual port.
        .env_remove("DATABASE_URL")
        .env("AUTOMATE_SERVER__BIND", "127.0.0.1:0")
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let text = read("README.md");
    let project = Project::embedded();
    let documents = blocks(&text, "yaml");
    assert_eq!(documents.len(), 1, "the README has one document");
    let name = documents[0].lines().next().and_then(|line| line.strip_prefix("# ")).expect("its name stands first");
    project.write(name, &documents[0]);

    let mut done = BTreeSet::new();
    for line in blocks(&text, "sh").iter().flat_map(|block| block.lines()).filter(|line| !line.trim().is_empty()) {
        if line == "scripts/test.sh" {
            the_test_script_is_what_ci_runs(line);
            done.insert("scripts/test.sh");
            continue;
        }
        let arguments = line.strip_prefix(PROGRAM).unwrap_or_else(|| panic!("this test does not know `{line}`"));
        let run = |arguments: &str| Answer::of(shell(&project, arguments).output().unwrap()).exits(0).out;
        let words: Vec<&str> = arguments.split_whitespace().collect();
        match words.as_slice() {
            ["demo"] => {
                let told = run("demo --once");
                for part in ["attempt 1 failed", "done on attempt 2", "its condition was false", "Completed in"] {
                    assert!(told.contains(part), "`{part}` is missing in\n{told}");
                }
                done.insert("demo");
            }
            ["workflow", "validate", file] => {
                assert!(run(arguments).contains(&format!("{file}: ok")));
                done.insert("validate");
            }
            ["workflow", "import", _] => {
                assert!(run(arguments).contains("hello"));
                done.insert("import");
            }
            ["run", "hello", ..] => {
                let told = run(arguments);
                assert!(told.contains("Hello, Ada!") && told.contains("Completed in"), "{told}");
                done.insert("run");
            }
            ["executions", "list"] => {
                let told = run(arguments);
                assert!(told.contains("hello") && told.contains("completed"), "{told}");
                done.insert("list");
            }
            ["serve"] => {
                let server = Serving::start(shell(&project, arguments), project.path());
                server.ready();
                assert_eq!(server.get("/healthz").0, 200);
                server.stop();
                done.insert("serve");
            }
            _ => panic!("this test does not know `{line}`"),
        }
    }
    let expected = ["scripts/test.sh", "demo", "validate", "import", "run", "list", "serve"];
    assert_eq!(done, BTreeSet::from(expected), "the README has lost a command");
}

/// It is not run: this test is a part of what it runs.
fn the_test_script_is_what_ci_runs(script: &str) {
    let mode = std::fs::metadata(repository().join(script)).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{script} is executable");
    let ci = read(".ci/run");
    assert!(ci.lines().any(|line| line.split_whitespace().next() == Some(script)), "CI runs {script}");
}

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    for folder in ["docs", "docs/errors"] {
        for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(repository()).unwrap().to_owned());
            }
        }
    }
    pages.sort();
    pages
}

/// A page without its code.
fn prose(text: &str) -> String {
    let (mut prose, mut fenced) = (String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every other part between backticks is code.
            for part in line.split('`').step_by(2) {
                prose.push_str(part);
                prose.push('`');
            }
            prose.push('\n');
        }
    }
    prose
}

/// What a page links to: `](target)` and `[name]: target`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed = prose.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    inline.chain(listed.map(|(_, target)| target.trim_end_matches('`'))).map(|link| link.trim().to_owned()).collect()
}

/// The names of a page's headings, as the places that show Markdown make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    anchors
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let (mut broken, mut checked) = (Vec::new(), 0);
    for page in pages() {
        let text = read(page.to_str().unwrap());
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = repository().join(&target);
            if !there.exists() {
                broken.push(format!("{}: {link}: no such file", page.display()));
            } else if !anchor.is_empty() && !anchors(&std::fs::read_to_string(there).unwrap()).contains(anchor) {
                broken.push(format!("{}: {link}: no such heading", page.display()));
            }
        }
    }
    assert!(checked > 30, "only {checked} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn links_are_found_in_prose_only() {
    let text = "a [b](c.md) `[d](e.md)` [f]\n```\n[g](h.md)\n```\n\n[f]: i.md\n";
    assert_eq!(links(text), ["c.md", "i.md"]);
    assert_eq!(anchors("# The `a` of b, c\n"), BTreeSet::from(["the-a-of-b-c".to_owned()]));
}
