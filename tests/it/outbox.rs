//! The queue on both databases.

use std::sync::Arc;

use automate_core::clock::SystemClock;
use automate_core::outbox::OutboxStore;
use automate_store::db::Database;
use automate_store::outbox::OutboxOptions;

fn open(db: &Database) -> Arc<dyn OutboxStore> {
    automate_store::outbox::open(db, Arc::new(SystemClock), OutboxOptions::default()).unwrap()
}

automate_tests::outbox_conformance!(open);
