//! `automate executions signal`.

use automate_core::ids::ExecutionId;
use automate_core::runtime::SignalRequest;
use clap::Args;
use serde_json::{Value, json};

use crate::app::Parts;
use crate::cli::record::{entry, on_record};
use crate::cli::{CliError, JsonFlag, TENANT, output, run as running};

/// Arguments of `executions signal`.
#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    /// The execution
    id: ExecutionId,
    /// The name that a step waits for
    name: String,
    /// What the waiting step takes as its output: JSON, @FILE, or @- for stdin
    #[arg(long, value_name = "JSON|@FILE")]
    data: Option<String>,
    /// Sends it once: a second signal of the execution with the same key is not taken
    #[arg(long, value_name = "KEY")]
    dedupe_key: Option<String>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Sends a signal.
pub(super) async fn run(parts: &Parts, args: SignalArgs) -> Result<(), CliError> {
    let payload = args.data.as_deref().map(running::input).transpose()?.unwrap_or(Value::Null);
    let request = SignalRequest {
        tenant_id: TENANT,
        execution_id: args.id,
        name: args.name,
        payload,
        dedupe_key: args.dedupe_key,
        source: "cli".to_owned(),
    };
    let asked = entry("execution.signal").about("execution", args.id).with(json!({ "name": request.name }));
    let signalled = on_record(parts, asked, parts.engine.signal(request)).await?;
    if args.json.json {
        return output::json(&signalled);
    }
    output::line(if signalled.duplicate {
        format!("execution {}: it had been sent before, as signal {}", args.id, signalled.seq)
    } else {
        format!("execution {}: signal {} is kept for the step that waits for it", args.id, signalled.seq)
    });
    Ok(())
}
