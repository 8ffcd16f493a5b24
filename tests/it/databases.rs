//! Opening databases and the schema, on both of them.

use automate_store::db::{ConnectOptions, Database};
use automate_tests::both_databases;

both_databases! {
    async fn a_second_migration_finds_nothing_to_do(test: TestDatabase) {
        assert!(test.db.migrate_up(None).await.unwrap().is_empty());
        assert!(test.db.migration_status().await.unwrap().iter().all(|state| state.applied));
    }

    async fn several_processes_may_migrate_at_once(test: TestDatabase) {
        let all = u32::try_from(test.db.migration_status().await.unwrap().len()).unwrap();
        assert_eq!(test.db.migrate_down(all).await.unwrap().len(), all as usize);
        let mut processes = Vec::new();
        for _ in 0..4 {
            let url = test.url.clone();
            processes.push(tokio::spawn(async move {
                let db = Database::connect(&url, &ConnectOptions::default()).await.unwrap();
                let applied = db.migrate_up(None).await.unwrap().len();
                db.close().await;
                applied
            }));
        }
        let mut applied = Vec::new();
        for process in processes {
            applied.push(process.await.unwrap());
        }
        applied.sort_unstable();
        assert_eq!(applied, [0, 0, 0, all as usize]);
    }
}
