//! Cancelling, retrying, deciding, signalling, explaining, repeating.

use automate_core::ids::ExecutionId;
use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use automate_tests::store_conformance::change;
use serde_json::{Value, json};

use super::site::Site;
use crate::engine::bed::{ended, reaches};

const WAITS: &str = "workflow: waits\non: [{ manual: true }]\nsteps:\n  - { id: ok, wait: { signal: approved, timeout: 1h } }\n  - { id: after, uses: idem.do, with: { value: \"{{ steps.ok.output.by }}\" } }\noutput: \"{{ steps.after.output }}\"";
const FAILS: &str = "workflow: fails\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: once.do, with: { value: 1 } }\n  - { id: b, uses: once.do, with: { fail: FORBIDDEN, fail_times: 1 } }\noutput: \"{{ steps.a.output }}\"";
const HANGS: &str =
    "workflow: hangs\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: idem.do, with: { gate: true } }";

async fn act(site: &Site, id: ExecutionId, verb: &str, body: &Value) -> super::site::Answer {
    site.post(&format!("/executions/{id}/{verb}"), body).await
}

both_databases! {
    async fn an_execution_that_waits_is_cancelled_at_once_and_once(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WAITS).await;
        let id = site.run_to("waits", &json!({}), ExecutionStatus::Waiting).await;
        let target = format!("/executions/{id}/cancel");
        let cancelled = site.ask("admin", "POST", &target).send().await;
        assert_eq!((cancelled.status, cancelled.json()["status"].as_str()), (200, Some("cancelled")));
        assert_eq!(site.ask("admin", "POST", &target).send().await.status, 200, "it is what was asked for");
        let retried = site.ask("admin", "POST", &format!("/executions/{id}/retry")).send().await;
        assert_eq!((retried.status, retried.code().as_str()), (409, "CONFLICT"));
        assert!(retried.json()["detail"].as_str().unwrap().contains("cancelled"), "{retried:?}");
        let deeds = ["execution.cancel", "execution.retry"];
        let log: Vec<_> = site.audited().await.into_iter().filter(|line| deeds.iter().any(|deed| line.starts_with(deed))).collect();
        assert_eq!(log, ["execution.cancel asked", "execution.cancel asked", "execution.retry asked", "execution.retry failed"]);
    }

    async fn an_execution_that_runs_is_asked_to_stop(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(HANGS).await;
        let id = site.run("hangs", &json!({})).await;
        site.bed.world.called("a").await;
        let asked = site.ask("admin", "POST", &format!("/executions/{id}/cancel")).send().await;
        assert_eq!(asked.status, 202, "{asked:?}");
        assert_eq!(ended(&site.engine, id).await.status, ExecutionStatus::Cancelled);
    }

    async fn what_has_ended_is_not_cancelled(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(FAILS).await;
        let id = site.run_to("fails", &json!({}), ExecutionStatus::Failed).await;
        let late = site.ask("admin", "POST", &format!("/executions/{id}/cancel")).send().await;
        assert_eq!((late.status, late.code().as_str()), (409, "EXECUTION_ENDED"));
    }

    async fn a_failed_execution_goes_on_in_place(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(FAILS).await;
        let id = site.run_to("fails", &json!({}), ExecutionStatus::Failed).await;
        let retried = site.ask("admin", "POST", &format!("/executions/{id}/retry")).send().await;
        assert_eq!((retried.status, &retried.json()["attempt"]), (202, &json!(2)), "{retried:?}");
        ended(&site.engine, id).await;
        assert_eq!((site.bed.world.calls_of("a").len(), site.bed.world.calls_of("b").len()), (1, 2));
    }

    async fn a_signal_is_sent_once_and_its_payload_is_the_output(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WAITS).await;
        let id = site.run_to("waits", &json!({}), ExecutionStatus::Waiting).await;
        let explained = site.show(&format!("/executions/{id}/explain")).await;
        assert_eq!((explained["code"].as_str(), explained["reasons"][0]["signal"].as_str()), (Some("SIGNAL"), Some("approved")));
        for bad in [json!({}), json!({ "name": "" }), json!({ "name": "no way" }), json!({ "name": "x", "payload": "x".repeat(300_000) })] {
            let refused = act(&site, id, "signal", &bad).await;
            assert_eq!(refused.status, 422, "{bad}: {refused:?}");
        }
        let what = json!({ "name": "approved", "payload": { "by": "Ada" }, "dedupe_key": "d" });
        let sent = act(&site, id, "signal", &what).await;
        assert_eq!((sent.status, &sent.json()["duplicate"]), (202, &json!(false)));
        assert_eq!(ended(&site.engine, id).await.output.as_deref(), Some("\"Ada\""));
        let late = act(&site, id, "signal", &json!({ "name": "approved" })).await;
        assert_eq!((late.status, late.code().as_str()), (409, "EXECUTION_ENDED"));
    }

    async fn a_step_whose_outcome_is_not_known_is_decided(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WAITS).await;
        let id = site.run_to("waits", &json!({}), ExecutionStatus::Waiting).await;
        let early = act(&site, id, "resolve", &json!({ "step": "ok", "outcome": "failed" })).await;
        assert_eq!((early.status, early.code().as_str()), (409, "CONFLICT"));
        change(&site.db, "UPDATE steps SET status = 'outcome_unknown' WHERE execution_id = $1", vec![id.0.into()]).await;
        change(&site.db, "DELETE FROM outbox", vec![]).await;
        assert_eq!(act(&site, id, "resolve", &json!({ "step": "nothing", "outcome": "failed" })).await.status, 404);
        assert_eq!(act(&site, id, "resolve", &json!({ "step": "ok", "outcome": "perhaps" })).await.status, 422);
        let decided = act(&site, id, "resolve", &json!({ "step": "ok", "outcome": "completed", "output": { "by": "Bo" } })).await;
        assert_eq!(decided.status, 202, "{decided:?}");
        assert_eq!(ended(&site.engine, id).await.output.as_deref(), Some("\"Bo\""));
    }

    async fn an_execution_is_run_again_whole_from_a_step_and_on_paper(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(FAILS).await;
        let id = site.run_to("fails", &json!({}), ExecutionStatus::Failed).await;
        let plan = act(&site, id, "replay", &json!({ "from": "b", "dry_run": true })).await;
        let will: Vec<_> = plan.json()["steps"].as_array().unwrap().iter().map(|s| s["will"].as_str().unwrap().to_owned()).collect();
        assert_eq!((plan.status, will), (200, vec!["keep".to_owned(), "run".to_owned()]));
        assert_eq!(plan.json()["repeated_effects"][0]["path"], "b");
        assert_eq!(site.show("/executions?count=true").await["count"], 1, "nothing was done");
        let replayed = act(&site, id, "replay", &json!({ "from": "b" })).await;
        let new = ExecutionId(replayed.json()["id"].as_str().unwrap().parse().unwrap());
        assert_eq!((replayed.status, &replayed.json()["replay_of"]), (202, &json!(id)));
        assert_eq!(replayed.headers["location"], format!("/api/v1/executions/{new}"));
        reaches(&site.engine, new, ExecutionStatus::Failed).await;
        assert_eq!(site.bed.world.calls_of("a").len(), 1, "it was kept");
        assert_eq!(site.show(&format!("/executions?replay_of={id}")).await["results"][0]["id"], json!(new));
        for (body, status, code) in [
            (json!({ "from": "nothing" }), 422, "UNKNOWN_STEP"),
            (json!({ "version": 9 }), 404, "NOT_FOUND"),
            (json!({ "version": "newest" }), 422, "INVALID_INPUT"),
            (json!({ "from": "x".repeat(2_000) }), 422, "INVALID_INPUT"),
        ] {
            let refused = act(&site, id, "replay", &body).await;
            assert_eq!((refused.status, refused.code().as_str()), (status, code), "{body}");
        }
        let live = site.ask("admin", "POST", &format!("/executions/{id}/replay")).header("idempotency-key", "once").json(&json!({ "version": "live", "input": { "x": 1 } }));
        assert_eq!(live.send().await.status, 202);
        let open = site.run("fails", &json!({})).await;
        site.publish(WAITS).await;
        let waiting = site.run_to("waits", &json!({}), ExecutionStatus::Waiting).await;
        let refused = act(&site, waiting, "replay", &json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "EXECUTION_NOT_ENDED"));
        ended(&site.engine, open).await;
    }
}
