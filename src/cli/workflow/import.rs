//! `automate workflow import`.

use std::path::PathBuf;

use automate_core::runtime::PublishError;
use automate_core::store::StoreError;
use clap::Args;
use serde_json::{Value, json};

use super::super::record::{entry, on_record};
use super::super::{CliError, JsonFlag, TENANT, output};
use super::{NoteArgs, files};
use crate::app::Parts;

/// Arguments of `workflow import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files or directories; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Publishes at once, also where an earlier version is live
    #[arg(long)]
    publish: bool,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    json: JsonFlag,
}

/// Checks all documents, then stores them; nothing is stored where one of them has errors.
pub(crate) async fn run(parts: &Parts, args: &ImportArgs) -> Result<(), CliError> {
    let files = files::read(&args.paths)?;
    let mut slugs: Vec<(String, &files::File)> = Vec::new();
    let mut wrong = 0;
    for file in &files {
        match parts.engine.validate(&file.source) {
            Err(findings) => {
                output::note(&files::findings(&file.name, &findings));
                wrong += 1;
            }
            Ok((document, warnings)) => {
                if !warnings.is_empty() {
                    output::note(&files::findings(&file.name, &warnings));
                }
                let slug = document.workflow.slug;
                if let Some((_, first)) = slugs.iter().find(|(other, _)| *other == slug) {
                    output::note(&format!("{}: `{slug}` is in {} too", file.name, first.name));
                    wrong += 1;
                }
                slugs.push((slug, file));
            }
        }
    }
    if wrong > 0 {
        return Err(CliError::failed(format!("{wrong} of {} documents have errors", files.len()))
            .hint("nothing was stored; correct them and import again"));
    }
    let bar = output::progress(slugs.len() as u64, "importing");
    let mut results: Vec<Value> = Vec::new();
    for (slug, file) in slugs {
        let (state, version) = store(parts, &slug, &file.source, args).await.map_err(|e| match e {
            PublishError::Invalid(findings) => CliError::failed(files::findings(&file.name, &findings)),
            PublishError::Refused(refusal) => CliError::failed(format!("{}: {refusal}", file.name)),
            PublishError::Store(error) => error.into(),
        })?;
        results.push(json!({ "file": file.name, "workflow": slug, "state": state, "version": version }));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.json.json {
        return output::json(&json!({ "results": results }));
    }
    for result in &results {
        let (slug, file) =
            (result["workflow"].as_str().unwrap_or_default(), result["file"].as_str().unwrap_or_default());
        match result["version"].as_i64() {
            Some(number) => output::line(format!("{slug}: version {number} is live ({file})")),
            None => output::line(format!(
                "{slug}: saved as draft ({file}); make it live with `automate workflow publish {slug}`"
            )),
        }
    }
    Ok(())
}

/// Publishes or saves as a draft; answers which, and the number of the version.
async fn store(
    parts: &Parts,
    slug: &str,
    source: &str,
    args: &ImportArgs,
) -> Result<(&'static str, Option<i32>), PublishError> {
    let live = match parts.store.workflow(TENANT, slug).await {
        Ok(workflow) => workflow.live_version.is_some(),
        Err(StoreError::NotFound(_)) => false,
        Err(error) => return Err(error.into()),
    };
    if args.publish || !live {
        let (author, note) = (args.note.author(), &args.note.note);
        let asked = entry("workflow.publish").about("workflow", slug).with(json!({ "note": note }));
        let published = on_record(parts, asked, parts.engine.publish(TENANT, source, &author, note)).await?;
        Ok(("published", Some(published.version.number)))
    } else {
        let asked = entry("workflow.update").about("workflow", slug);
        on_record(parts, asked, parts.engine.save_draft(TENANT, source)).await?;
        Ok(("draft", None))
    }
}
