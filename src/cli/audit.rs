//! `automate audit`.

use automate_store::audit::ChainHead;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, JsonFlag, output};
use crate::app::{Parts, Role};

/// Subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Checks every chain from its beginning: names entries that were altered, taken out or put in
    Verify(VerifyArgs),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// An end that was noted earlier, as `SEQ:HASH`: it must still be in its chain, which tells
    /// whether the whole log was put back to an earlier state
    #[arg(long, value_name = "SEQ:HASH")]
    expect: Vec<Expected>,
    #[command(flatten)]
    json: JsonFlag,
}

/// A noted end of a chain.
#[derive(Debug, Clone)]
struct Expected {
    seq: i64,
    hash: String,
}

impl std::str::FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, hash) = text.split_once(':').ok_or("write it as SEQ:HASH, as `audit verify` prints it")?;
        let seq = seq.parse().map_err(|_| format!("`{seq}` is no number of an entry"))?;
        if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("the hash has 64 hexadecimal digits".to_owned());
        }
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

/// Does what was asked of the audit log.
pub(crate) async fn run(context: Context, command: AuditCommand) -> Result<(), CliError> {
    let parts = context.open(Role::Tool).await?;
    let result = match command {
        AuditCommand::Verify(args) => verify(&parts, args).await,
    };
    parts.close().await;
    result
}

async fn verify(parts: &Parts, args: VerifyArgs) -> Result<(), CliError> {
    let report = parts.audit.verify(None).await?;
    let mut gone = Vec::new();
    for expected in &args.expect {
        if !parts.audit.contains(expected.seq, &expected.hash).await? {
            gone.push(format!("{}:{}", expected.seq, expected.hash));
        }
    }
    if args.json.json {
        output::json(&json!({ "report": report, "expected_missing": gone }))?;
    } else {
        let end = |head: &ChainHead| format!("tenant {} ends with {}:{}", head.tenant, head.seq, head.hash);
        for head in &report.heads {
            output::line(end(head));
        }
        for finding in &report.findings {
            output::line(finding);
        }
        for noted in &gone {
            output::line(format!("the noted end {noted} is in no chain"));
        }
        output::line(format!("{} entries read, {} findings", report.entries, report.findings.len() + gone.len()));
    }
    if report.findings.is_empty() && gone.is_empty() {
        return Ok(());
    }
    Err(CliError::failed("the audit log is not what was written")
        .hint("keep a copy of the database as it is now, and look for who could write to it"))
}
