//! The program itself, and not only its parts in a test, has the connector.

use std::process::Command;

#[test]
fn the_program_lists_the_connector() {
    let output = Command::new(env!("CARGO_BIN_EXE_acme-app")).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "acme (connector-acme 0.3.0): reserve, stock\n");
}
