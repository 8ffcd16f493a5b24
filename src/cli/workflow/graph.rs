//! `automate workflow graph`.

use std::path::{Path, PathBuf};

use automate_core::document::{Diagnostic, Document, Graph};
use clap::{Args, ValueEnum};

use super::super::{CliError, Context, output};
use super::files;
use crate::app::Parts;

/// Arguments of `workflow graph`.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A file, or the slug of a stored workflow
    #[arg(value_name = "FILE|WORKFLOW")]
    what: String,
    /// How to draw
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes to a file; one that ends in .svg is drawn as SVG
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// A picture
    Svg,
    /// Nodes and edges
    Json,
}

impl GraphArgs {
    /// Whether a document in a file is meant; slugs hold neither dots nor slashes.
    pub(super) fn is_file(&self) -> bool {
        self.what == "-" || self.what.contains(['.', '/']) || Path::new(&self.what).is_file()
    }

    fn format(&self) -> Format {
        let svg = self.output.as_ref().and_then(|p| p.extension()).is_some_and(|e| e == "svg");
        if svg { Format::Svg } else { self.format }
    }
}

/// Draws a document in a file; needs no database.
pub(super) fn of_file(context: &Context, args: &GraphArgs) -> Result<(), CliError> {
    for file in files::read(&[PathBuf::from(&args.what)])? {
        draw(&file.name, context.app.check(&file.source), args)?;
    }
    Ok(())
}

/// Draws a stored workflow.
pub(super) async fn of_workflow(parts: &Parts, args: &GraphArgs) -> Result<(), CliError> {
    let source = super::current(parts, &args.what).await?;
    draw(&args.what, parts.engine.validate(&source), args)
}

fn draw(
    name: &str,
    checked: Result<(Document, Vec<Diagnostic>), Vec<Diagnostic>>,
    args: &GraphArgs,
) -> Result<(), CliError> {
    let (document, _) = checked.map_err(|findings| CliError::failed(files::findings(name, &findings)))?;
    let graph = Graph::of(&document.workflow);
    let text = match args.format() {
        Format::Text => graph.to_text(),
        Format::Svg => graph.to_svg(),
        Format::Json => serde_json::to_string_pretty(&graph).map_err(|e| CliError::failed(e.to_string()))?,
    };
    match &args.output {
        None => output::line(text.trim_end()),
        Some(path) => std::fs::write(path, text.trim_end().to_owned() + "\n")
            .map_err(|e| CliError::failed(format!("cannot write {}: {e}", path.display())))?,
    }
    Ok(())
}
