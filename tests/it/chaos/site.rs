//! What the tests set up: a project with a published workflow, processes over it, and the service
//! that the workflow calls.

use std::sync::Arc;
use std::time::Duration;

use automate_tests::binary::Project;
use automate_tests::deliveries::{Addresses, SECRET, Sender};
use automate_tests::effects::Effects;
use automate_tests::processes::Process;

/// Connections of a sender.
const CONNECTIONS: usize = 16;

/// A workflow of four steps around one effect. `{address}`, `{effect}` and `{more}` are replaced.
const ORDERS: &str = r#"workflow: orders
title: Orders
on:
  - webhook: orders
    verify: { scheme: standard, secret: $secret:SIGNING }
retry: { max_attempts: 10, initial: 200ms, max: 2s }
steps:
  - { id: start, set: { n: "{{ event.payload.n }}" } }
  - { id: charge, uses: http.request, with: { method: POST, url: "http://{address}/{effect}", json: { n: "{{ vars.n }}" } } }
{more}  - { id: double, uses: data.transform, with: { value: "{{ vars.n * 2 }}" } }
  - { id: tell, uses: log.write, with: { message: "order {{ vars.n }}" } }
output: { n: "{{ steps.double.output }}", answer: "{{ steps.charge.output.body }}" }
"#;

/// A project, the service that its workflow calls, and a sender of webhooks.
pub(super) struct Site {
    pub(super) project: Arc<Project>,
    pub(super) effects: Effects,
    pub(super) addresses: Addresses,
    pub(super) sender: Sender,
    env: Vec<(&'static str, String)>,
}

impl Site {
    /// Over a project, with the workflow published. `effect` is the path of the service that it
    /// calls; `more` are further steps after the call.
    pub(super) async fn over(project: Project, effect: &str, more: &str) -> Self {
        let site = Self::unpublished(project).await;
        site.publish(effect, more);
        site
    }

    /// The same without the workflow, for a database that is not ready yet.
    pub(super) async fn unpublished(project: Project) -> Self {
        let effects = Effects::start().await;
        let addresses = Addresses::default();
        let sender = Sender::new("orders", &addresses, CONNECTIONS);
        let env = vec![
            ("AUTOMATE_SECRET_SIGNING", SECRET.to_owned()),
            ("AUTOMATE_EGRESS__ALLOW", effects.address().to_string()),
            ("AUTOMATE_OUTBOX__LEASE_SECONDS", "1".to_owned()),
            ("AUTOMATE_OUTBOX__REAP_INTERVAL_SECONDS", "1".to_owned()),
            ("AUTOMATE_WORKER__CONCURRENCY", "16".to_owned()),
        ];
        Self { project: Arc::new(project), effects, addresses, sender, env }
    }

    /// Publishes the workflow.
    pub(super) fn publish(&self, effect: &str, more: &str) {
        let text = ORDERS
            .replace("{address}", &self.effects.address().to_string())
            .replace("{effect}", effect)
            .replace("{more}", more);
        let file = self.project.write("orders.yaml", &text);
        let imported = self.project.run(&["workflow", "import", &file, "--json"]).exits(0).json();
        assert_eq!(imported["results"][0]["state"], "published", "{imported}");
    }

    /// Sets a variable of all processes that are made from now on.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.env.retain(|(other, _)| *other != name);
        self.env.push((name, value.to_owned()));
    }

    /// A process that is yet to be started.
    pub(super) fn process(&self, name: &str, args: &[&str]) -> Process {
        Process::new(&self.project, name, args, &self.env)
    }

    /// A server on a free port that is yet to be started.
    pub(super) fn server(&self, name: &str) -> Process {
        self.process(name, &["serve", "--bind", "127.0.0.1:0"])
    }

    /// Starts a server, and has the sender know of it.
    pub(super) async fn open(&self, server: &mut Process) {
        server.start().await;
        self.addresses.set(server.name(), &server.address());
    }
}

/// Waits until something is so, and says what was not.
pub(super) async fn until(what: &str, within: Duration, mut so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !so().await {
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A number of the default plan, scaled.
pub(super) fn scaled(number: u64, at_least: u64) -> u64 {
    let scale: f64 = std::env::var("AUTOMATE_CHAOS_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    let scaled = (number as f64 * scale).round() as u64;
    scaled.max(at_least)
}
