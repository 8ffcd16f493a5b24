//! A connector that somebody else writes, in a crate of its own outside the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the tests of the example, without the network where its packages are there.
fn cargo_test() -> Output {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/connector-acme/Cargo.toml");
    let run = |network: &[&str]| {
        Command::new("cargo")
            .arg("test")
            .args(network)
            .args(["--locked", "--manifest-path"])
            .arg(&manifest)
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_TERM_COLOR", "never")
            .output()
            .unwrap()
    };
    let offline = run(&["--offline"]);
    let missing = ["--offline was specified", "in offline mode", "failed to download"];
    let said = String::from_utf8_lossy(&offline.stderr);
    if !offline.status.success() && missing.iter().any(|text| said.contains(text)) { run(&[]) } else { offline }
}

/// A folder beside what the workspace builds, so that neither waits for the other's lock.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("connector-acme")
}

#[track_caller]
fn good(output: Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

#[test]
fn a_connector_crate_passes_its_tests_and_is_found_by_a_program_that_only_depends_on_it() {
    let tested = good(cargo_test());
    for test in ["a_dependency_is_all_it_takes", "the_program_lists_the_connector"] {
        assert!(tested.contains(&format!("{test} ... ok")), "{test}: {tested}");
    }
    let ran = tested.lines().filter(|line| line.starts_with("test ") && line.ends_with("... ok")).count();
    assert!(ran > 3, "the conformance battery ran: {tested}");
}
