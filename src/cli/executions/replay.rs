//! `automate executions replay`.

use automate_core::engine::Will;
use automate_core::ids::ExecutionId;
use automate_core::runtime::{RerunPlan, RerunRequest, RerunVersion};
use automate_core::status::Effect;
use automate_core::store::version_name;
use clap::Args;
use serde_json::json;

use crate::app::Parts;
use crate::cli::record::{entry, on_record};
use crate::cli::{CliError, TENANT, output, run as running};

/// Arguments of `executions replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The execution
    id: ExecutionId,
    /// Begins at this step: those before it keep their outputs
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Another input: JSON, or @FILE
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<String>,
    /// The version: `live`, or its number [default: the one that the execution ran]
    #[arg(long, value_name = "N|live", value_parser = version)]
    version: Option<RerunVersion>,
    /// Only shows which steps are kept, which run, and which effects are repeated
    #[arg(long, conflicts_with_all = ["wait", "follow"])]
    dry_run: bool,
    /// Repeats effects of `once` actions without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    then: running::ThenArgs,
}

impl ReplayArgs {
    /// Whether this process stays and does the work.
    pub(super) const fn works(&self) -> bool {
        self.then.here()
    }
}

/// A version, as it is written in a flag.
pub(super) fn version(text: &str) -> Result<RerunVersion, String> {
    match text {
        "live" => Ok(RerunVersion::Live),
        number => match number.parse() {
            Ok(number) if number > 0 => Ok(RerunVersion::Number(number)),
            _ => Err("give the number of a version, or `live`".to_owned()),
        },
    }
}

/// Runs an execution again, or shows what that would do.
pub(super) async fn run(parts: &Parts, args: ReplayArgs) -> Result<(), CliError> {
    let request = RerunRequest {
        from: args.from,
        input: args.input.as_deref().map(running::input).transpose()?,
        version: args.version.unwrap_or_default(),
    };
    let plan = parts.engine.rerun_plan(TENANT, args.id, &request).await?;
    if args.dry_run {
        if args.then.json() {
            return output::json(&plan);
        }
        output::line(told(&plan));
        return Ok(());
    }
    if !args.yes {
        agreed(&plan)?;
    }
    let asked = entry("execution.replay").about("execution", args.id).with(json!({
        "from": request.from, "version": plan.version, "edited_input": request.input.is_some(),
    }));
    let id = on_record(parts, asked, parts.engine.rerun(TENANT, args.id, &request, args.then.here())).await?;
    running::after_start(parts, id, args.then).await
}

/// Repeating what must not happen twice needs somebody's word.
fn agreed(plan: &RerunPlan) -> Result<(), CliError> {
    let once: Vec<&str> = plan
        .repeated_effects
        .iter()
        .filter(|effect| effect.effect == Effect::Once && !effect.only_if_failed)
        .map(|effect| effect.path.as_str())
        .collect();
    if once.is_empty() {
        return Ok(());
    }
    let message = format!("this repeats what should happen once: {}", once.join(", "));
    if !output::can_ask() {
        return Err(CliError::failed(message)
            .hint("`--dry-run` shows all of it; `--yes` repeats it; `--from STEP` begins at a later step"));
    }
    output::note(&told(plan));
    if output::confirmed(&format!("{message}. Go on?")) {
        return Ok(());
    }
    Err(CliError::failed("nothing was started"))
}

fn told(plan: &RerunPlan) -> String {
    let from = plan.from.as_ref().map(|from| format!(" from step `{from}`")).unwrap_or_default();
    let input = if plan.edited_input { ", with another input" } else { "" };
    let version = version_name(plan.version);
    let mut text = format!("execution {} again, as {} {version}{from}{input}\n", plan.execution_id, plan.workflow);
    let rows: Vec<Vec<String>> = plan
        .steps
        .iter()
        .map(|step| {
            let repeated = plan.repeated_effects.iter().any(|effect| effect.path == step.path);
            vec![
                will(step.will).to_owned(),
                step.path.clone(),
                step.uses.clone(),
                step.was.map_or_else(|| "not begun".to_owned(), |was| was.to_string()),
                if repeated { format!("its effect ({}) is repeated", step.effect) } else { String::new() },
            ]
        })
        .collect();
    text.push_str(&output::table(&["WILL", "STEP", "USES", "WAS", ""], &rows));
    for warning in &plan.warnings {
        text.push_str(&format!("\nwarning: {} ({})", warning.message, warning.code));
    }
    text
}

const fn will(will: Will) -> &'static str {
    match will {
        Will::Keep => "keep",
        Will::Run => "run",
        Will::RunIfFailed => "run if failed",
    }
}
