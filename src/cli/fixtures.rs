//! `automate dumpdata` and `automate loaddata`.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use automate_core::limits;
use automate_core::store::StoreError;
use automate_governance::fixtures::tables;
use automate_store::resource::fixtures::{self, FixtureError, FixtureTable};
use clap::Args;
use serde_json::Value;

use super::users::operator;
use super::{CliError, Context, JsonFlag, output};
use crate::app::Role;

/// Arguments of `dumpdata`.
#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// Only these models, separated by commas, such as `workflows.workflow,workflows.version`
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    models: Vec<String>,
    /// Writes the hashes of passwords, too; keep such a file as you keep the database
    #[arg(long)]
    with_credentials: bool,
    /// The file [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Arguments of `loaddata`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// The file, as `dumpdata` wrote it; `-` is stdin
    file: PathBuf,
    #[command(flatten)]
    json: JsonFlag,
}

fn wanted(models: &[String]) -> Result<Vec<FixtureTable>, CliError> {
    let all = tables();
    let known: Vec<&str> = all.iter().map(|table| table.name).collect();
    if let Some(unknown) = models.iter().find(|model| !known.contains(&model.as_str())) {
        return Err(CliError::usage(format!("there is no model `{unknown}`; there are {}", known.join(", "))));
    }
    Ok(all.into_iter().filter(|table| models.is_empty() || models.iter().any(|model| model == table.name)).collect())
}

/// Writes a fixture.
pub(crate) async fn dump(context: Context, args: DumpArgs) -> Result<(), CliError> {
    let tables = wanted(&args.models)?;
    let parts = context.open(Role::Tool).await?;
    let result = async {
        let failed = |error: std::io::Error| StoreError::Internal(format!("the fixture cannot be written: {error}"));
        let mut out: Box<dyn std::io::Write + Send> = match &args.output {
            Some(path) => Box::new(std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?)),
            None => Box::new(std::io::BufWriter::new(std::io::stdout())),
        };
        let mut count = 0_u64;
        fixtures::dump(&parts.database, &tables, args.with_credentials, |row| {
            write!(out, "{}{row}", if count == 0 { "[\n" } else { ",\n" }).map_err(failed)?;
            count += 1;
            Ok(())
        })
        .await?;
        out.write_all(if count == 0 { b"[]\n" } else { b"\n]\n" }).and_then(|()| out.flush()).map_err(failed)?;
        Ok::<_, StoreError>(count)
    }
    .await;
    parts.close().await;
    let count = result?;
    if args.output.is_some() {
        output::note(&format!("{count} rows"));
    }
    Ok(())
}

/// Loads a fixture.
pub(crate) async fn load(context: Context, args: LoadArgs) -> Result<(), CliError> {
    let rows = read(&args.file)?;
    let parts = context.open(Role::Tool).await?;
    let result = fixtures::load(&parts.database, &parts.audit, operator().principal.actor, tables(), rows).await;
    parts.close().await;
    let loaded = match result {
        Ok(loaded) => loaded,
        Err(FixtureError::Store(error)) => return Err(error.into()),
        Err(error @ FixtureError::Row { .. }) => {
            return Err(CliError::failed(error.to_string()).hint("nothing of the file was loaded"));
        }
    };
    if args.json.json {
        return output::json(&loaded);
    }
    for (model, count) in &loaded {
        output::line(format!("{model}: {count}"));
    }
    Ok(())
}

fn read(file: &std::path::Path) -> Result<Vec<Value>, CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("cannot read {}: {error}", file.display()));
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limits::FIXTURE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let open = std::fs::File::open(file).map_err(failed)?;
        open.take(limits::FIXTURE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > limits::FIXTURE_BYTES {
        return Err(CliError::failed(format!("a fixture has {} at most", output::bytes(limits::FIXTURE_BYTES))));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| CliError::failed(format!("{} is no fixture: {error}", file.display())))
}
