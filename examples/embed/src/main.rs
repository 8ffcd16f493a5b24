//! Automate with a connector, a filter and a receiver of its own, and the whole command line:
//! `cargo run -p automate_embed_example -- connectors list`.

use std::process::ExitCode;

use automate::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

struct Tea;

register_connector!(Tea);

impl Connector for Tea {
    fn key(&self) -> &'static str {
        "tea"
    }

    fn display_name(&self) -> &'static str {
        "Tea"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[brew::ACTION]
    }
}

#[derive(Deserialize, JsonSchema)]
struct Brew {
    /// Which tea.
    sort: String,
    /// How many cups.
    cups: u32,
}

#[derive(Serialize, JsonSchema)]
struct Brewed {
    /// How long it takes.
    minutes: u32,
    /// What is served.
    served: String,
}

/// Brews tea.
#[action(effect = pure, example = json!({ "sort": "Assam", "cups": 2 }))]
async fn brew(ctx: &ActionContext, input: Brew) -> Result<Brewed, ConnectorError> {
    ctx.log(LogLevel::Info, format!("{} is brewed", input.sort), None);
    Ok(Brewed { minutes: 3 + input.cups / 4, served: format!("{} × {}", input.cups, input.sort) })
}

/// Adds a mark at the end.
#[filter("shout", signature = "text | shout(mark)", example = "{{ 'a' | shout }} -> a!")]
fn shout(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> {
    let text = input.as_str().ok_or_else(|| FilterError::new("the input must be text"))?;
    let mark = args.text(0, "mark")?.unwrap_or("!");
    Ok(format!("{text}{mark}").into())
}

#[receiver(workflow_failed)]
fn page(signal: &Signal) {
    if let Signal::WorkflowFailed(failed) = signal {
        eprintln!("{} of {} failed", failed.execution_id, failed.workflow);
    }
}

fn main() -> ExitCode {
    App::new().run()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use automate::core::ids::TenantId;
    use automate::core::runtime::StartRequest;
    use automate::core::status::ExecutionStatus;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const ROUND: &str = r#"workflow: round
on: [{ manual: true }]
steps:
  - { id: tea, uses: tea.brew, with: { sort: "{{ inputs.sort }}", cups: 8 } }
output: { served: "{{ steps.tea.output.served | shout }}", minutes: "{{ steps.tea.output.minutes }}" }
"#;

    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[receiver(workflow_completed)]
    fn remember(signal: &Signal) {
        if let Signal::WorkflowCompleted(completed) = signal {
            HEARD.lock().unwrap().push(completed.execution_id.to_string());
        }
    }

    #[receiver(workflow_completed)]
    fn break_down(_signal: &Signal) {
        panic!("a receiver that breaks down harms nobody");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_action_a_filter_and_a_receiver_are_there_without_being_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}", folder.path().join("automate.db").display());
        config.data_dir = folder.path().to_owned();
        let parts = App::new().build(&config, Role::Worker).await.unwrap();
        parts.engine.publish(TenantId::DEFAULT, ROUND, "test", "").await.unwrap();
        let stop = CancellationToken::new();
        let worker = tokio::spawn({
            let (engine, stop) = (parts.engine.clone(), stop.clone());
            async move { engine.run_worker(stop).await }
        });
        let request = StartRequest {
            tenant_id: TenantId::DEFAULT,
            workflow: "round".to_owned(),
            version: None,
            input: Some(json!({ "sort": "Assam" })),
            source: "test".to_owned(),
            correlation_id: "c-1".to_owned(),
            run_here: true,
        };
        let id = parts.engine.start(request).await.unwrap();
        let ended =
            parts.engine.wait_until_ended(TenantId::DEFAULT, id, Duration::from_secs(30)).await.unwrap().unwrap();
        assert_eq!(ended.status, ExecutionStatus::Completed, "{:?}", ended.error);
        let output: Value = automate::connectors::serde_json::from_str(ended.output.as_deref().unwrap()).unwrap();
        assert_eq!(output, json!({ "served": "8 × Assam!", "minutes": 5 }));
        stop.cancel();
        let _ = worker.await;
        assert_eq!(*HEARD.lock().unwrap(), [id.to_string()], "once, after the commit");
        parts.close().await;
    }

    #[test]
    fn the_load_report_says_where_everything_comes_from() {
        let report = App::new().load_report();
        let origin = format!("automate_embed_example {}", env!("CARGO_PKG_VERSION"));
        let mut ours: Vec<(&str, &str)> =
            report.entries.iter().filter(|e| e.origin == origin).map(|e| (e.kind, e.key.as_str())).collect();
        ours.sort_unstable();
        let receivers = [
            "automate_embed_example::page",
            "automate_embed_example::tests::break_down",
            "automate_embed_example::tests::remember",
        ];
        let mut expected = vec![("connector", "tea"), ("filter", "shout")];
        expected.extend(receivers.map(|name| ("receiver", name)));
        assert_eq!(ours, expected);
        assert!(report.refused().next().is_none());
    }
}
