//! Runs over many rows, and views that are kept: what of them is stored.

use automate_core::access::{Actor, Principal};
use automate_core::audit::{AuditEntry, Origin};
use automate_core::ids::{TenantId, UserId, new_v7};
use automate_store::admin_runs::{self, AdminRun, NewRun, RowResult, RunStatus};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::db::Database;
use automate_store::resource::{ResourceError, Resources, Writer};
use automate_store::saved_views::{self, NewView};
use automate_tests::both_databases;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

fn log(db: &Database) -> AuditLog {
    AuditLog::new(db.clone(), vec![AuditKey { id: "k1".to_owned(), key: [7; 32].into() }]).unwrap()
}

fn entry(tenant: TenantId) -> AuditEntry {
    AuditEntry::new(tenant, Actor::system(), "book.bulk_delete")
}

async fn drafted(db: &Database, rows: usize) -> (AdminRun, Vec<Uuid>) {
    let ids: Vec<Uuid> = (0..rows).map(|_| new_v7()).collect();
    let new = NewRun {
        tenant: TenantId::DEFAULT,
        model: "books".to_owned(),
        action: "delete".to_owned(),
        user: UserId(new_v7()),
        actor: "ada@example.com".to_owned(),
        correlation_id: "c-1".to_owned(),
        address: "192.0.2.7".to_owned(),
        capped: false,
        ids: ids.clone(),
    };
    let id = admin_runs::draft(db, new).await.unwrap();
    (admin_runs::get(db, TenantId::DEFAULT, id).await.unwrap(), ids)
}

fn done(rows: &[admin_runs::TakenRow]) -> Vec<RowResult> {
    rows.iter().map(|row| RowResult { position: row.position, failed: None }).collect()
}

/// As if the process that holds it had died long ago.
async fn forget_lease(db: &Database) {
    db.orm().execute_unprepared("UPDATE admin_runs SET lease_until = '2020-01-01T00:00:00+00:00'").await.unwrap();
}

both_databases! {
    async fn a_run_has_the_rows_that_were_frozen_in_their_order(test: TestDatabase) {
        let (run, ids) = drafted(&test.db, 2_500).await;
        assert_eq!((run.status, run.rows), (RunStatus::Draft, 2_500));
        let sample = admin_runs::sample(&test.db, run.tenant, run.id, 3).await.unwrap();
        assert_eq!(sample, ids[..3]);
        let progress = admin_runs::progress(&test.db, run.tenant, run.id).await.unwrap();
        assert_eq!((progress.done, progress.failed, progress.left), (0, 0, 2_500));
        let elsewhere = TenantId::new();
        assert!(admin_runs::get(&test.db, elsewhere, run.id).await.is_err(), "another tenant's");
        assert!(admin_runs::sample(&test.db, elsewhere, run.id, 3).await.unwrap().is_empty());
    }

    async fn a_draft_is_confirmed_once(test: TestDatabase) {
        let (run, _) = drafted(&test.db, 3).await;
        let audit = log(&test.db);
        assert!(admin_runs::open(&test.db).await.unwrap().is_empty(), "nobody works on a draft");
        assert!(admin_runs::claim(&test.db, run.id).await.unwrap().is_none());
        assert!(admin_runs::confirm(&test.db, &audit, &run, None, entry(run.tenant)).await.unwrap());
        assert!(!admin_runs::confirm(&test.db, &audit, &run, None, entry(run.tenant)).await.unwrap());
        assert_eq!(admin_runs::open(&test.db).await.unwrap(), [run.id]);
    }

    async fn a_run_whose_process_died_is_gone_on_with_and_loses_no_row(test: TestDatabase) {
        let (run, ids) = drafted(&test.db, 70).await;
        let audit = log(&test.db);
        admin_runs::confirm(&test.db, &audit, &run, None, entry(run.tenant)).await.unwrap();
        let first = admin_runs::claim(&test.db, run.id).await.unwrap().unwrap();
        assert!(admin_runs::claim(&test.db, run.id).await.unwrap().is_none(), "it is held");
        let batch = admin_runs::next(&test.db, run.id, first.lease).await.unwrap().unwrap();
        assert_eq!(batch.len(), 50);
        assert!(batch.iter().all(|row| !row.again));
        // The process dies here, before anything was recorded.
        forget_lease(&test.db).await;
        let second = admin_runs::claim(&test.db, run.id).await.unwrap().unwrap();
        assert_eq!(admin_runs::record(&test.db, run.id, first.lease, done(&batch)).await.unwrap(), (false, false));
        assert_eq!(admin_runs::next(&test.db, run.id, first.lease).await.unwrap(), None, "the lease is lost");
        let again = admin_runs::next(&test.db, run.id, second.lease).await.unwrap().unwrap();
        assert!(again.iter().all(|row| row.again) && again.len() == 50);
        assert_eq!(again.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..50]);
        let mut results = done(&again);
        results[1].failed = Some("it is in use".to_owned());
        assert_eq!(admin_runs::record(&test.db, run.id, second.lease, results).await.unwrap(), (true, false));
        let rest = admin_runs::next(&test.db, run.id, second.lease).await.unwrap().unwrap();
        assert_eq!(rest.len(), 20);
        admin_runs::record(&test.db, run.id, second.lease, done(&rest)).await.unwrap();
        assert_eq!(admin_runs::next(&test.db, run.id, second.lease).await.unwrap(), Some(Vec::new()));
        let tenant = run.tenant;
        let told = move |done: i64, failed: i64| {
            assert_eq!((done, failed), (69, 1));
            entry(tenant)
        };
        admin_runs::finish(&test.db, &audit, &second, RunStatus::Completed, None, told).await.unwrap();
        let run = admin_runs::get(&test.db, tenant, run.id).await.unwrap();
        assert!(run.status == RunStatus::Completed && run.finished_at.is_some());
        let failed = admin_runs::failed(&test.db, tenant, run.id).await.unwrap();
        assert_eq!(failed, [(ids[1], "it is in use".to_owned())]);
        assert!(admin_runs::open(&test.db).await.unwrap().is_empty());
    }

    async fn a_run_ends_before_its_time_where_somebody_wants_it(test: TestDatabase) {
        let audit = log(&test.db);
        let (draft, _) = drafted(&test.db, 1).await;
        assert!(admin_runs::cancel(&test.db, &audit, draft.tenant, draft.id, entry(draft.tenant)).await.unwrap());
        assert!(admin_runs::get(&test.db, draft.tenant, draft.id).await.is_err(), "a draft is gone");
        let (run, _) = drafted(&test.db, 60).await;
        admin_runs::confirm(&test.db, &audit, &run, None, entry(run.tenant)).await.unwrap();
        let ours = admin_runs::claim(&test.db, run.id).await.unwrap().unwrap();
        let batch = admin_runs::next(&test.db, run.id, ours.lease).await.unwrap().unwrap();
        assert!(!admin_runs::cancel(&test.db, &audit, TenantId::new(), run.id, entry(run.tenant)).await.unwrap());
        assert!(admin_runs::cancel(&test.db, &audit, run.tenant, run.id, entry(run.tenant)).await.unwrap());
        assert_eq!(admin_runs::record(&test.db, run.id, ours.lease, done(&batch)).await.unwrap(), (true, true));
    }

    async fn a_view_is_ones_own_until_it_is_shared(test: TestDatabase) {
        let resources = Resources::new(test.db.clone(), log(&test.db), [9; 32]);
        let somebody = |tenant: TenantId| Writer {
            principal: Principal { user: Some(UserId(new_v7())), tenant: Some(tenant), ..Principal::anonymous() },
            origin: Origin::default(),
        };
        let (ours, theirs) = (TenantId::new(), TenantId::new());
        let (ada, bob, eve) = (somebody(ours), somebody(ours), somebody(theirs));
        let names = async |who: &Writer| -> Vec<String> {
            let (tenant, user) = (who.principal.tenant.unwrap(), who.principal.user.unwrap());
            let views = saved_views::list(&test.db, tenant, user, "books.book").await.unwrap();
            views.into_iter().map(|view| format!("{}{}", view.name, if view.default { "*" } else { "" })).collect()
        };
        let new = |name: &str, shared| NewView {
            page: "books.book".to_owned(),
            name: name.to_owned(),
            query: "pages__min=5".to_owned(),
            shared,
        };
        let long = saved_views::save(&resources, &ada, new("Long", false)).await.unwrap();
        let all = saved_views::save(&resources, &ada, new("Everybody's", true)).await.unwrap();
        assert_eq!(names(&ada).await, ["Everybody's", "Long"]);
        assert_eq!(names(&bob).await, ["Everybody's"]);
        assert!(names(&eve).await.is_empty(), "another tenant's");
        assert_eq!(saved_views::save(&resources, &ada, new("Long", false)).await.unwrap(), long, "it is replaced");
        assert!(matches!(
            saved_views::save(&resources, &ada, new("  ", false)).await,
            Err(ResourceError::Invalid(problems)) if problems[0].path == "name"
        ));
        saved_views::set_default(&resources, &bob, "books.book", Some(all)).await.unwrap();
        assert_eq!((names(&bob).await, names(&ada).await), (vec!["Everybody's*".into()], vec!["Everybody's".into(), "Long".into()]));
        for (who, page, view) in [(&bob, "books.book", long), (&eve, "books.book", all), (&bob, "books.shelf", all)] {
            let wrong = saved_views::set_default(&resources, who, page, Some(view)).await;
            assert!(matches!(wrong, Err(ResourceError::NotFound(_))));
        }
        assert_eq!(names(&bob).await, ["Everybody's*"], "what was refused changed nothing");
        assert!(saved_views::delete(&resources, &eve, all).await.is_err());
        saved_views::delete(&resources, &ada, all).await.unwrap();
        assert!(names(&bob).await.is_empty(), "and it is nobody's default any more");
    }
}
