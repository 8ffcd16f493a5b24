//! Looking changes nothing, whatever is looked at.

use std::collections::BTreeSet;
use std::time::Duration;

use automate_core::ids::TenantId;
use automate_tests::admin::{Site, tables};
use automate_tests::both_databases;

use super::routes::entries;

/// What the log says of a look: that somebody saw what is kept from others, or took it with them.
const LOOKS: &[&str] = &["view", "export", "read", "reveal"];

both_databases! {
    async fn a2_no_get_changes_anything(db: TestDatabase) {
        let mut site = Site::start(db).await;
        let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
        let rows = site.fill(&ours).await;
        // From here on nothing but the pages may change anything.
        site.start_again(&["--no-worker"]).await;
        let mut ada = site.log_in();
        let log = "SELECT action AS name FROM audit_log ORDER BY seq";
        let recorded = tables::texts(&site.database.db, log).await.len();
        let before = tables::contents(&site.database.db).await;
        let mut found = Vec::new();
        for entry in entries(&rows.models) {
            let Some(at) = entry.of(&rows).filter(|at| !at.contains('{')) else { continue };
            if at.ends_with("/live") {
                drop(ada.stream(&at, None).next(Duration::from_millis(300)));
                continue;
            }
            // What is only posted to is looked at too: by mistake, or by whoever follows a link.
            for query in ["", "?_method=POST&action=delete&confirm=1&op=cancel"] {
                let page = ada.get(&format!("{at}{query}"));
                if page.status >= 500 || entry.get.is_none() && page.status < 400 {
                    found.push(format!("{at}{query}: {}", page.status));
                }
            }
            if ada.send("HEAD", &at, &[], None).status >= 500 {
                found.push(format!("HEAD {at}"));
            }
            for method in ["PUT", "PATCH", "DELETE"] {
                let status = ada.send(method, &at, &[], None).status;
                if status != 405 {
                    found.push(format!("{method} {at}: {status}"));
                }
            }
        }
        let opened = ada.crawl(3, |at, page| {
            if page.status >= 400 {
                found.push(format!("{at}: {}", page.status));
            }
        });
        assert!(opened > 100, "only {opened} pages");
        let after = tables::contents(&site.database.db).await;
        found.extend(tables::differences(&before, &after).into_iter().filter(|one| !one.starts_with("audit")));
        let entries: BTreeSet<String> = tables::texts(&site.database.db, log).await.into_iter().skip(recorded).collect();
        let entries = entries.into_iter().filter(|action| !LOOKS.iter().any(|look| action.contains(look)));
        found.extend(entries.map(|action| format!("{action} is on record")));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
