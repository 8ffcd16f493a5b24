//! The pages about the installation: processes, providers, policies.

use std::time::{Duration, Instant};

use automate_core::ids::TenantId;
use automate_tests::admin::{Page, Site};
use automate_tests::both_databases;
use automate_tests::processes::Process;
use sea_orm::ConnectionTrait as _;

/// How long something may take that a process says of itself.
const BEAT: Duration = Duration::from_secs(30);

/// The page of workers, as soon as it is as it should be.
async fn workers(site: &Site, fits: impl Fn(&Page) -> bool) -> Page {
    let mut ada = site.log_in();
    let begun = Instant::now();
    loop {
        let page = ada.get("/admin/workers/").is(200);
        if fits(&page) {
            return page;
        }
        assert!(begun.elapsed() < BEAT, "{}", page.body);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

both_databases! {
    async fn an_idle_process_is_seen_and_one_that_is_killed_is_said_to_be_gone(db: TestDatabase) {
        let store = db.db.clone();
        let site = Site::start(db).await;
        let page = workers(&site, |page| page.has("automate serve")).await;
        assert!(page.has(">idle<") && page.has("all kinds") && page.has(&format!("process {}", site.process.pid())), "{}", page.body);
        let mut worker = Process::new(&site.project, "worker", &["worker", "--queues", "execution", "--concurrency", "3"], &[]);
        worker.start().await;
        let pid = format!("process {}", worker.pid());
        let page = workers(&site, |page| page.has(&pid)).await;
        assert!(page.has("automate worker") && page.has("0 of 3") && page.count(">idle<") == 2, "{}", page.body);
        // One that stops in an orderly way takes its row away.
        worker.signal("TERM");
        assert!(worker.ended_within(BEAT).await.is_some());
        let page = workers(&site, |page| !page.has(&pid)).await;
        assert_eq!(page.count(">idle<"), 1, "{}", page.body);
        // One that is killed does not: three beats later it is known.
        worker.start().await;
        let pid = format!("process {}", worker.pid());
        let _ = workers(&site, |page| page.has(&pid)).await;
        worker.kill();
        let later = match store.backend() {
            automate_store::db::Backend::Postgres => "beat_at - interval '46 seconds'",
            automate_store::db::Backend::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f+00:00', beat_at, '-46 seconds')",
        };
        let sql = format!("UPDATE processes SET beat_at = {later} WHERE role = 'worker'");
        store.orm().execute_unprepared(&sql).await.unwrap();
        let page = workers(&site, |page| page.has(">gone<")).await;
        assert!(page.has(&pid) && page.count(">idle<") == 1, "{}", page.body);
        // A day later the next process that begins takes it off the list.
        let long_ago = "UPDATE processes SET beat_at = '2001-01-01T00:00:00+00:00' WHERE role = 'worker'";
        store.orm().execute_unprepared(long_ago).await.unwrap();
        worker.start().await;
        let page = workers(&site, |page| !page.has(&pid)).await;
        assert!(!page.has(">gone<"), "{}", page.body);
    }

    async fn a_process_without_a_worker_is_told_from_one_that_has_one(db: TestDatabase) {
        let mut site = Site::start(db).await;
        site.start_again(&["--no-worker"]).await;
        let page = workers(&site, |page| page.has("accepts only")).await;
        assert!(page.has(">nothing<"), "{}", page.body);
    }

    async fn providers_are_shown_without_what_is_secret(db: TestDatabase) {
        let mut site = Site::start(db).await;
        site.project.write(
            "automate.toml",
            "[providers.openai]\napi_key = \"$secret:OPENAI_KEY\"\ndefault_model = \"gpt-4o-mini\"\nmodels = [\"gpt-4o-mini\"]\n\n\
             [providers.local]\nkind = \"openai\"\nbase_url = \"http://bot:hunter2@127.0.0.1:11434/v1\"\napi_key = \"sk-written-out-here\"\n\n\
             [providers.wrong]\nkind = \"opnai\"\n",
        );
        site.start_again(&[]).await;
        let mut ada = site.log_in();
        let page = ada.get("/admin/providers/").is(200);
        for text in ["gpt-4o-mini", "the secret OPENAI_KEY", "127.0.0.1:11434/v1", "class=\"badge\">default<", "opnai"] {
            assert!(page.has(text), "{text}: {}", page.body);
        }
        let sees = ["connectors.view_provider"];
        let mut viewer = site.person("viewer@example.org", TenantId::DEFAULT, &sees).await;
        let seen = viewer.get("/admin/providers/").is(200);
        assert!(!seen.has("OPENAI_KEY") && seen.has("api_key"), "{}", seen.body);
        for page in [&page, &seen] {
            assert!(!page.has("hunter2") && !page.has("sk-written"), "{}", page.body);
        }
        assert_eq!(ada.get("/admin/providers/?x=1").status, 400);
    }

    async fn policies_are_shown_side_by_side_to_superusers_and_ones_own_to_others(db: TestDatabase) {
        let site = Site::start(db).await;
        let zebra = site.tenant("zebra", None).await;
        let mut ada = site.log_in();
        let form = format!("/admin/tenants/tenant/{}/policy/", zebra.id);
        let version = ada.get(&form).is(200).hidden("row_version").unwrap();
        let fields = [
            ("row_version", version.as_str()),
            ("policy.executions_per_day", "10000"),
            ("policy.llm_cost_micros_per_day", "12500000"),
            ("policy.retention_days", "30"),
        ];
        assert_eq!(ada.post(&form, &fields).location(), form);
        let page = ada.get("/admin/policies/").is(200);
        for text in ["10\u{202f}000 executions a day", "12.50 for models a day", "30 days", "zebra", "default", form.as_str()] {
            assert!(page.has(text), "{text}: {}", page.body);
        }
        let behind = ada.get("/admin/policies/?after=default").is(200);
        assert!(behind.has("zebra") && behind.count("data-label=\"Tenant\"") == 1, "{}", behind.body);
        let mut own = site.person("own@example.org", TenantId::DEFAULT, &["tenants.view_policy"]).await;
        let page = own.get("/admin/policies/").is(200);
        assert!(page.has(">default<") && !page.has("zebra") && !page.has("/policy/\""), "{}", page.body);
    }
}
