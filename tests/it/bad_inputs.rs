//! The bad inputs that are promised to be handled, and the tests that hold them: a test that does
//! begins with the row's id, as `w3_…`, or has several in its name, as `w12_w14_…`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The rows: an id and what it is about on each line.
const ROWS: &str = include_str!("bad_inputs.txt");

/// The names of all functions below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            functions(&path, names);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            for rest in text.split("fn ").skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                names.insert(rest[..end].to_owned());
            }
        }
    }
}

#[test]
fn every_row_has_a_test_of_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = BTreeSet::new();
    functions(root, &mut names);
    assert!(names.len() > 1_000, "only {} functions were found", names.len());
    let mut ids = BTreeSet::new();
    let mut missing = Vec::new();
    for row in ROWS.lines() {
        let (id, about) = row.split_once(' ').unwrap_or_else(|| panic!("`{row}` says nothing"));
        assert!(ids.insert(id), "{id} is there twice");
        let word = id.to_lowercase();
        if !names.iter().any(|name| name.split('_').any(|part| part == word)) {
            missing.push(format!("{id}: {about}"));
        }
    }
    assert!(missing.is_empty(), "no test is named after {missing:#?}");
}
