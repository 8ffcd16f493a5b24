//! `automate connectors`.

use automate_core::actions::Catalog;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, JsonFlag, output};

/// Subcommands of `connectors`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorsCommand {
    /// Lists what was loaded, from where, and what was refused and why
    List(JsonFlag),
    /// Shows a connector's actions, or one action with its schemas
    Show(ShowArgs),
}

/// Arguments of `connectors show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// `connector`, or `connector.action`
    name: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// Shows the catalogue; needs no database.
pub(crate) fn run(context: &Context, command: ConnectorsCommand) -> Result<(), CliError> {
    match command {
        ConnectorsCommand::List(flag) => list(context, flag),
        ConnectorsCommand::Show(args) => show(context, &args),
    }
}

fn list(context: &Context, flag: JsonFlag) -> Result<(), CliError> {
    let report = context.app.load_report_with(context.config());
    if flag.json {
        return output::json(&report);
    }
    let catalog = context.app.catalog();
    let rows: Vec<Vec<String>> = report
        .entries
        .iter()
        .map(|e| {
            let what = match &e.refused {
                Some(reason) => format!("refused: {reason}"),
                None if e.kind == "connector" => catalog.actions(&e.key).join(", "),
                None => String::new(),
            };
            vec![e.key.clone(), e.kind.to_owned(), e.origin.clone(), what]
        })
        .collect();
    output::line(output::table(&["KEY", "KIND", "FROM", "ACTIONS"], &rows));
    match report.refused().count() {
        0 => Ok(()),
        n => Err(CliError::failed(format!("{n} entries were refused")).hint("the reasons are in the last column")),
    }
}

fn show(context: &Context, args: &ShowArgs) -> Result<(), CliError> {
    let catalog = context.app.catalog();
    let connector = args.name.split('.').next().unwrap_or_default();
    let names = catalog.actions(connector);
    if names.is_empty() {
        let known = catalog.connectors().join(", ");
        return Err(
            CliError::failed(format!("there is no connector `{connector}`")).hint(format!("there are: {known}"))
        );
    }
    let wanted: Vec<String> = match args.name.split_once('.') {
        Some(_) => vec![args.name.clone()],
        None => names.iter().map(|n| format!("{connector}.{n}")).collect(),
    };
    let mut actions = Vec::new();
    for uses in &wanted {
        let meta = catalog.action(uses).ok_or_else(|| {
            CliError::failed(format!("connector `{connector}` has no action `{uses}`"))
                .hint(format!("it has: {}", names.join(", ")))
        })?;
        actions.push(meta);
    }
    if args.json.json {
        let list: Vec<_> = actions
            .iter()
            .map(|a| {
                json!({
                    "uses": a.uses, "title": a.title, "effect": a.effect,
                    "timeout_seconds": a.timeout.map(|t| t.as_secs_f64()), "takes_connection": a.takes_connection,
                    "input_schema": a.input_schema, "output_schema": a.output_schema,
                })
            })
            .collect();
        return output::json(&list);
    }
    for action in &actions {
        output::line(format!("{}: {} ({})", action.uses, action.title, action.effect));
        output::line(fields("  with", &action.input_schema));
        if args.name.contains('.') {
            output::line(fields("  gives", &action.output_schema));
        }
    }
    if !args.name.contains('.') {
        output::note(&format!("more of one with `automate connectors show {}`", wanted[0]));
    }
    Ok(())
}

/// The fields of a schema, one a line: name, type, whether it must be there, what it means.
fn fields(label: &str, schema: &serde_json::Value) -> String {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(|v| v.as_str()).collect();
    let Some(properties) = schema["properties"].as_object() else {
        return format!("{label} anything");
    };
    let rows: Vec<Vec<String>> = properties
        .iter()
        .map(|(name, field)| {
            let kind = match &field["type"] {
                serde_json::Value::String(one) => one.clone(),
                serde_json::Value::Array(many) => many.iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join("|"),
                _ => "any".to_owned(),
            };
            let must = if required.contains(&name.as_str()) { "required" } else { "" };
            let meaning = field["description"].as_str().unwrap_or_default();
            vec![format!("{label} {name}"), kind, must.to_owned(), output::cut(meaning, 90)]
        })
        .collect();
    output::table(&["", "", "", ""], &rows).trim_start_matches('\n').to_owned()
}
