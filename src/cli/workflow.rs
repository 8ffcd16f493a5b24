//! `automate workflow`.

mod files;
mod graph;
mod import;
mod validate;

use std::path::PathBuf;

use automate_core::runtime::Published;
use automate_core::store::VersionRecord;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::record::{entry, on_record};
use super::{CliError, Context, JsonFlag, TENANT, output};
use crate::app::{Parts, Role};

/// Subcommands of `workflow`.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Checks documents and prints every finding; needs no database
    Validate(validate::ValidateArgs),
    /// Brings documents in: a first version is published, later ones are drafts unless --publish
    Import(import::ImportArgs),
    /// Prints the document of a version
    Export(ExportArgs),
    /// Publishes the draft
    Publish(PublishArgs),
    /// Publishes an old version again
    Rollback(RollbackArgs),
    /// Shows what differs between two versions, or the live one and the draft
    Diff(DiffArgs),
    /// Lists workflows, or the versions of one
    List(ListArgs),
    /// Prints the JSON Schema of the document
    Schema,
    /// Draws the steps as text or SVG
    Graph(graph::GraphArgs),
}

/// Arguments of `workflow export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The workflow
    workflow: String,
    /// The version [default: the live one, or the draft where none is live]
    #[arg(long, value_name = "N", conflicts_with = "draft")]
    number: Option<i32>,
    /// The draft
    #[arg(long)]
    draft: bool,
    /// The document as data, not as it was written
    #[arg(long)]
    json: bool,
    /// Writes to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Arguments of `workflow publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The workflow
    workflow: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `workflow rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The workflow
    workflow: String,
    /// The version to publish again [default: the one before the live one]
    #[arg(long, value_name = "N")]
    to: Option<i32>,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `workflow diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The workflow
    workflow: String,
    /// The older version [default: the live one]
    #[arg(long, value_name = "N")]
    from: Option<i32>,
    /// The newer version [default: the draft]
    #[arg(long, value_name = "N")]
    to: Option<i32>,
}

/// Arguments of `workflow list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The versions of this one
    workflow: Option<String>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Who publishes, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct NoteArgs {
    /// Why, for the history
    #[arg(long, default_value = "", value_name = "TEXT")]
    note: String,
    /// Who [default: the user of the system]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

impl NoteArgs {
    fn author(&self) -> String {
        self.author.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "cli".to_owned())
    }
}

/// Does what was asked of documents.
pub(crate) async fn run(context: Context, command: WorkflowCommand) -> Result<(), CliError> {
    match command {
        WorkflowCommand::Validate(args) => return validate::run(&context, &args),
        WorkflowCommand::Schema => return output::json(&automate_core::document::schema()),
        WorkflowCommand::Graph(args) if args.is_file() => return graph::of_file(&context, &args),
        _ => {}
    }
    let parts = context.open(Role::Tool).await?;
    let result = match command {
        WorkflowCommand::Validate(_) | WorkflowCommand::Schema => Ok(()),
        WorkflowCommand::Import(args) => import::run(&parts, &args).await,
        WorkflowCommand::Export(args) => export(&parts, args).await,
        WorkflowCommand::Publish(args) => publish(&parts, &args).await,
        WorkflowCommand::Rollback(args) => rollback(&parts, &args).await,
        WorkflowCommand::Diff(args) => diff(&parts, &args).await,
        WorkflowCommand::List(args) => match &args.workflow {
            None => list(&parts, args.json).await,
            Some(slug) => versions(&parts, slug, args.json).await,
        },
        WorkflowCommand::Graph(args) => graph::of_workflow(&parts, &args).await,
    };
    parts.close().await;
    result
}

/// A version by its number.
async fn version(parts: &Parts, slug: &str, number: i32) -> Result<VersionRecord, CliError> {
    let versions = parts.store.versions(TENANT, slug).await?;
    versions.into_iter().find(|v| v.number == number).ok_or_else(|| {
        CliError::failed(format!("`{slug}` has no version {number}"))
            .hint(format!("`automate workflow list {slug}` shows those it has"))
    })
}

/// The draft's source.
async fn draft(parts: &Parts, slug: &str) -> Result<String, CliError> {
    parts.store.workflow(TENANT, slug).await?.draft.ok_or_else(|| {
        CliError::failed(format!("`{slug}` has no draft"))
            .hint("`automate workflow import FILE` saves one; with --publish it is live at once")
    })
}

/// The source of the live version, or of the draft where none is live.
async fn current(parts: &Parts, slug: &str) -> Result<String, CliError> {
    match parts.store.workflow(TENANT, slug).await?.live_version_id {
        Some(id) => Ok(parts.store.version(id).await?.source),
        None => draft(parts, slug).await,
    }
}

async fn export(parts: &Parts, args: ExportArgs) -> Result<(), CliError> {
    let source = match args.number {
        Some(number) => version(parts, &args.workflow, number).await?.source,
        None if args.draft => draft(parts, &args.workflow).await?,
        None => current(parts, &args.workflow).await?,
    };
    let text = if args.json {
        let (document, _) = parts
            .engine
            .validate(&source)
            .map_err(|findings| CliError::failed(files::findings(&args.workflow, &findings)))?;
        serde_json::to_string_pretty(&document.value).map_err(|e| CliError::failed(e.to_string()))?
    } else {
        source
    };
    match args.output {
        None => output::line(text.trim_end()),
        Some(path) => std::fs::write(&path, text.trim_end().to_owned() + "\n")
            .map_err(|e| CliError::failed(format!("cannot write {}: {e}", path.display())))?,
    }
    Ok(())
}

async fn publish(parts: &Parts, args: &PublishArgs) -> Result<(), CliError> {
    let source = draft(parts, &args.workflow).await?;
    let (author, note) = (args.note.author(), &args.note.note);
    let asked = entry("workflow.publish").about("workflow", &args.workflow).with(json!({ "note": note }));
    let published = on_record(parts, asked, parts.engine.publish(TENANT, &source, &author, note)).await?;
    told(&args.workflow, &published, args.json)
}

async fn rollback(parts: &Parts, args: &RollbackArgs) -> Result<(), CliError> {
    let slug = &args.workflow;
    let live = parts.store.workflow(TENANT, slug).await?.live_version;
    let number = args.to.or(live.map(|n| n - 1)).filter(|n| *n > 0).ok_or_else(|| {
        CliError::failed(format!("`{slug}` has no version before the live one"))
            .hint(format!("`automate workflow list {slug}` shows its versions; name one with --to"))
    })?;
    let note = match args.note.note.as_str() {
        "" => format!("rollback to version {number}"),
        note => note.to_owned(),
    };
    let author = args.note.author();
    let asked = entry("workflow.rollback").about("workflow", slug).with(json!({ "to": number, "note": note }));
    let published = on_record(parts, asked, parts.engine.rollback(TENANT, slug, number, &author, &note)).await?;
    told(slug, &published, args.json)
}

async fn diff(parts: &Parts, args: &DiffArgs) -> Result<(), CliError> {
    let slug = &args.workflow;
    let (from, old) = match args.from {
        Some(number) => (format!("version {number}"), version(parts, slug, number).await?.source),
        None => ("live".to_owned(), current(parts, slug).await?),
    };
    let (to, new) = match args.to {
        Some(number) => (format!("version {number}"), version(parts, slug, number).await?.source),
        None => ("draft".to_owned(), draft(parts, slug).await?),
    };
    let text = automate_core::document::diff_text(&old, &new);
    if text.is_empty() {
        output::note("no difference");
    } else {
        output::line(format!("{slug}: {from} -> {to}\n{}", text.trim_end()));
    }
    Ok(())
}

async fn list(parts: &Parts, flag: JsonFlag) -> Result<(), CliError> {
    let workflows = parts.store.workflows(TENANT).await?;
    if flag.json {
        let results: Vec<Value> = workflows
            .iter()
            .map(|w| {
                json!({
                    "id": w.id, "workflow": w.slug, "title": w.title, "description": w.description,
                    "live_version": w.live_version, "has_draft": w.draft.is_some(),
                    "created_at": w.created_at, "updated_at": w.updated_at,
                })
            })
            .collect();
        return output::json(&json!({ "results": results, "next": null }));
    }
    if workflows.is_empty() {
        output::note("there are no workflows yet; `automate workflow import FILE` brings one in");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = workflows
        .iter()
        .map(|w| {
            let live = w.live_version.map_or_else(|| "-".to_owned(), |n| format!("v{n}"));
            let draft = if w.draft.is_some() { "yes" } else { "" };
            vec![w.slug.clone(), live, draft.to_owned(), output::time(w.updated_at), output::cut(&w.title, 60)]
        })
        .collect();
    output::line(output::table(&["WORKFLOW", "LIVE", "DRAFT", "CHANGED (UTC)", "TITLE"], &rows));
    Ok(())
}

async fn versions(parts: &Parts, slug: &str, flag: JsonFlag) -> Result<(), CliError> {
    let live = parts.store.workflow(TENANT, slug).await?.live_version;
    let versions = parts.store.versions(TENANT, slug).await?;
    if flag.json {
        let results: Vec<Value> = versions
            .iter()
            .map(|v| {
                json!({
                    "id": v.id, "number": v.number, "live": live == Some(v.number), "sha256": v.sha256,
                    "author": v.author, "note": v.note, "created_at": v.created_at,
                })
            })
            .collect();
        return output::json(&json!({ "results": results, "next": null }));
    }
    let rows: Vec<Vec<String>> = versions
        .iter()
        .map(|v| {
            let mark = if live == Some(v.number) { "live" } else { "" };
            vec![
                format!("v{}", v.number),
                mark.to_owned(),
                output::time(v.created_at),
                v.author.clone(),
                v.sha256.chars().take(12).collect(),
                output::cut(&v.note, 60),
            ]
        })
        .collect();
    output::line(output::table(&["VERSION", "", "PUBLISHED (UTC)", "BY", "SHA-256", "NOTE"], &rows));
    Ok(())
}

fn told(slug: &str, published: &Published, flag: JsonFlag) -> Result<(), CliError> {
    for warning in &published.warnings {
        output::note(&output::diagnostic(slug, warning));
    }
    let version = &published.version;
    if flag.json {
        return output::json(&json!({
            "workflow": slug, "version": version.number, "sha256": version.sha256, "state": "published",
        }));
    }
    output::line(format!("{slug}: version {} is live", version.number));
    Ok(())
}
