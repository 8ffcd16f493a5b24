//! `automate secrets`: values come from stdin and are never printed.

use std::io::{IsTerminal, Read};

use automate_core::secrets::SecretValue;
use automate_governance::secrets::{Rewrapped, SecretWrite};
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::record::{entry, on_record};
use super::users::operator;
use super::{CliError, Context, JsonFlag, TENANT, output};
use crate::app::{Parts, Role};

/// Bytes of a value, at most.
const VALUE_BYTES: u64 = 64 * 1024;

/// Subcommands of `secrets`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Stores a value, encrypted, as a new version
    Set(SetArgs),
    /// Lists the keys
    List(JsonFlag),
    /// Gives an existing secret a new value; without a key, wraps everything with the current master key
    Rotate(RotateArgs),
    /// Deletes a secret with all its versions
    Delete(DeleteArgs),
}

/// Arguments of `secrets set`.
#[derive(Debug, Args)]
#[command(after_help = "The value is read from stdin, without its last line break:\n  \
                        printf %s \"$TOKEN\" | automate secrets set CRM_TOKEN\n  \
                        automate secrets set CRM_TOKEN < token.txt")]
pub(crate) struct SetArgs {
    /// The key: letters, digits, `_`, `-` and `.`
    key: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `secrets rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The key; its new value is read from stdin
    #[arg(required_unless_present = "master_key")]
    key: Option<String>,
    /// Wraps everything with the current master key, so that earlier ones can go
    #[arg(long, conflicts_with = "key")]
    master_key: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `secrets delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The key
    key: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// Reads a value from stdin; one line break at its end is not part of it.
fn value() -> Result<SecretValue, CliError> {
    let stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        output::note("type the value, then Ctrl-D (it is shown while you type; a pipe or a file does not show it)");
    }
    let mut bytes = Zeroizing::new(Vec::new());
    stdin
        .take(VALUE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| CliError::failed(format!("cannot read stdin: {e}")))?;
    if bytes.len() as u64 > VALUE_BYTES {
        return Err(CliError::failed(format!("the value has more than {}", output::bytes(VALUE_BYTES))));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| CliError::failed("the value is not UTF-8").hint("encode it, in base64 for example"))?;
    let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
    if text.is_empty() {
        return Err(CliError::usage("the value is empty")
            .hint("it is read from stdin: printf %s \"$TOKEN\" | automate secrets set KEY"));
    }
    Ok(SecretValue::new(text.to_owned()))
}

/// Does what was asked of the stored secrets.
pub(crate) async fn run(context: Context, command: SecretsCommand) -> Result<(), CliError> {
    // Read first: a call without a value should not open a database.
    let given = match &command {
        SecretsCommand::Set(_) | SecretsCommand::Rotate(RotateArgs { key: Some(_), .. }) => Some(value()?),
        _ => None,
    };
    let parts = context.open(Role::Tool).await?;
    let stored = &parts.stored_secrets;
    match command {
        SecretsCommand::Set(args) => {
            if let Some(value) = given {
                let version = write(&parts, &args.key, &value, SecretWrite::Set).await?;
                told(&args.key, version, args.json)?;
            }
        }
        SecretsCommand::Rotate(RotateArgs { key: Some(key), json, .. }) => {
            if let Some(value) = given {
                let version = write(&parts, &key, &value, SecretWrite::Rotate).await?;
                told(&key, version, json)?;
            }
        }
        SecretsCommand::Rotate(args) => {
            let asked = entry("secret.rotate_master_key").about("master_key", "");
            let (report, factors, chains) = on_record(&parts, asked.clone(), rotate_master_key(&parts)).await?;
            let done = json!({ "versions": report.rewrapped, "second_factors": factors, "audit_logs": chains });
            parts.audit.record(vec![asked.with(done)]).await?;
            if args.json.json {
                let mut shown =
                    serde_json::to_value(&report).map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
                shown["second_factors"] = json!(factors);
                shown["audit_logs"] = json!(chains);
                output::json(&shown)?;
            } else {
                output::line(format!(
                    "{} versions wrapped anew, and {factors} second factors; {chains} ends of audit logs signed anew",
                    report.rewrapped
                ));
            }
            if !report.corrupt.is_empty() || !report.missing_keys.is_empty() {
                let missing: Vec<&str> = report.missing_keys.keys().map(String::as_str).collect();
                return Err(CliError::failed(format!(
                    "{} versions are corrupt; master keys that are missing: {}",
                    report.corrupt.len(),
                    if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
                ))
                .hint("give earlier master keys after the current one, separated by commas"));
            }
        }
        SecretsCommand::List(flag) => {
            let list = stored.list(TENANT).await?;
            if flag.json {
                output::json(&list)?;
            } else {
                let rows: Vec<Vec<String>> = list
                    .iter()
                    .map(|s| vec![s.key.clone(), s.version.to_string(), s.key_id.clone(), output::time(s.updated_at)])
                    .collect();
                output::line(output::table(&["KEY", "VERSION", "MASTER KEY", "SET (UTC)"], &rows));
            }
        }
        SecretsCommand::Delete(args) => {
            let (database, audit) = (&parts.database, &parts.audit);
            if !stored.delete_on_record(database, audit, &operator(), TENANT, &args.key).await? {
                return Err(CliError::failed(format!("there is no stored secret `{}`", args.key))
                    .hint("`automate secrets list` shows the keys; those of the environment are not stored here"));
            }
            if args.json.json {
                output::json(&json!({ "key": args.key, "deleted": true }))?;
            } else {
                output::line(format!("{}: deleted", args.key));
            }
        }
    }
    parts.close().await;
    Ok(())
}

/// Puts the current master key in the place of earlier ones: what it wraps, and what it signs.
async fn rotate_master_key(parts: &Parts) -> Result<(Rewrapped, u64, u64), CliError> {
    let report = parts.stored_secrets.rotate_master_key().await?;
    let factors = parts.identity.reseal_factors().await?;
    Ok((report, factors, parts.audit.resign().await?))
}

/// Stores a value, on record.
async fn write(parts: &Parts, key: &str, value: &SecretValue, deed: SecretWrite) -> Result<i32, CliError> {
    let (stored, database, audit) = (&parts.stored_secrets, &parts.database, &parts.audit);
    Ok(stored.write_on_record(database, audit, &operator(), TENANT, key, value, deed).await?)
}

fn told(key: &str, version: i32, flag: JsonFlag) -> Result<(), CliError> {
    if flag.json {
        return output::json(&json!({ "key": key, "version": version }));
    }
    output::line(format!("{key}: version {version} is stored, encrypted"));
    Ok(())
}
