//! Documents in files and directories.

use std::path::{Path, PathBuf};

use automate_core::document::Diagnostic;

use super::super::{CliError, output};

/// Bytes of a document, and one more to tell that there are too many.
const READ: u64 = automate_core::limits::DOCUMENT_BYTES as u64 + 1;
/// Documents of one call.
const FILES: usize = 10_000;

/// A document as it stands in a file.
#[derive(Debug)]
pub(super) struct File {
    /// Where, as given.
    pub(super) name: String,
    /// Its text.
    pub(super) source: String,
}

/// Reads files, and of directories everything that ends in .yaml, .yml or .json, in the order of
/// their names. `-` is stdin.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<File>, CliError> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            if found.len() == before {
                return Err(CliError::failed(format!("{} holds no .yaml, .yml or .json", path.display())));
            }
        } else {
            found.push(path.clone());
        }
        if found.len() > FILES {
            return Err(CliError::failed(format!("more than {FILES} files")).hint("import them in parts"));
        }
    }
    found.iter().map(|path| one(path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |e: std::io::Error| CliError::failed(format!("cannot read {}: {e}", folder.display()));
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for path in entries {
        let hidden = path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with('.'));
        // A link to a folder could lead back up.
        if hidden || (path.is_dir() && path.is_symlink()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| matches!(e, "yaml" | "yml" | "json")) {
            found.push(path);
        }
    }
    Ok(())
}

fn one(path: &Path) -> Result<File, CliError> {
    use std::io::Read;
    let name = path.display().to_string();
    let failed = |e: std::io::Error| CliError::failed(format!("cannot read {name}: {e}"));
    let mut bytes = Vec::new();
    if name == "-" {
        std::io::stdin().lock().take(READ).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(READ).read_to_end(&mut bytes).map_err(failed)?;
    }
    let source = String::from_utf8(bytes).map_err(|e| {
        CliError::failed(format!("{name} is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
            .hint("save it as UTF-8")
    })?;
    Ok(File { name, source })
}

/// Findings as lines.
pub(super) fn findings(file: &str, findings: &[Diagnostic]) -> String {
    findings.iter().map(|d| output::diagnostic(file, d)).collect::<Vec<_>>().join("\n")
}
