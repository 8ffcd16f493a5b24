//! The outbox on its own, in a program that has a database of its own: an order and the mail that
//! belongs to it are stored in one transaction, so neither is ever there without the other, and a
//! worker sends the mail afterwards, again if need be.
//!
//! `cargo run --example outbox`

use std::sync::Arc;
use std::time::Duration;

use automate_core::clock::{self, SystemClock};
use automate_core::outbox::{
    ClaimRequest, ClaimState, HandlerError, NewOutboxItem, OutboxHandler, OutboxItem, OutboxReaper, OutboxStore,
};
use automate_store::db::{ConnectOptions, Database};
use automate_store::outbox::{OutboxOptions, TransactionalOutbox, open};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

/// The kind of our work: which handler takes it.
const MAIL: &str = "shop.mail";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("automate-outbox-example-{}", std::process::id()));
    let url = format!("sqlite://{}/shop.db", folder.display());
    let db = Database::connect(&url, &ConnectOptions::default()).await?;
    db.migrate_up(None).await?;
    db.orm().execute_unprepared("CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL)").await?;
    let outbox = open(&db, Arc::new(SystemClock), OutboxOptions::default())?;

    place_order(&db, 1, "ada@example.com").await?;
    place_order(&db, 2, "grace@example.com").await?;

    // A transaction that fails takes its queued work along.
    let transaction = db.orm().begin().await?;
    transaction.enqueue(&[mail(3, "nobody@example.com")]).await?;
    transaction.rollback().await?;

    let sent = work_until_empty(outbox.as_ref(), &MailHandler).await?;
    println!("{sent} mails sent");
    println!("{:?}", outbox.stats().await?);

    // What every worker does now and then: give back what workers that died were holding.
    let reaper = OutboxReaper { stale_threshold: Duration::from_secs(5), ..OutboxReaper::new(outbox) };
    println!("{} leases have run out", reaper.stale_count().await?);
    reaper.reap_stale_items().await?;

    db.close().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// The order and its mail, in one transaction.
async fn place_order(db: &Database, id: i64, customer: &str) -> Result<(), Box<dyn std::error::Error>> {
    let transaction = db.orm().begin().await?;
    let insert = sea_orm::Statement::from_sql_and_values(
        transaction.get_database_backend(),
        "INSERT INTO orders (id, customer) VALUES ($1, $2)",
        [id.into(), customer.into()],
    );
    transaction.execute_raw(insert).await?;
    transaction.enqueue(&[mail(id, customer)]).await?;
    transaction.commit().await?;
    Ok(())
}

fn mail(order: i64, to: &str) -> NewOutboxItem {
    NewOutboxItem { max_attempts: 5, ..NewOutboxItem::new(MAIL, format!("order-{order}"), json!({ "to": to })) }
}

struct MailHandler;

#[async_trait::async_trait]
impl OutboxHandler for MailHandler {
    fn kind(&self) -> &str {
        MAIL
    }

    async fn handle(&self, item: &OutboxItem) -> Result<(), HandlerError> {
        let Some(to) = item.payload["to"].as_str() else {
            return Err(HandlerError::Dead { code: "NO_ADDRESS".to_owned(), message: "`to` is missing".to_owned() });
        };
        // The first attempt of one of them fails, to show a retry.
        if item.attempt_count == 0 && to.starts_with("ada") {
            let after = Some(Duration::from_millis(50));
            return Err(HandlerError::Retry { code: "BUSY".to_owned(), message: "try later".to_owned(), after });
        }
        // The id stays the same over all attempts: a receiver can tell a repetition by it.
        println!("mail {} to {to} about {}", item.id, item.key);
        Ok(())
    }
}

/// A worker in its smallest form: claim, handle, mark. A mark says whether the lease was still ours;
/// where it was not, somebody else has the item and our result does not count.
async fn work_until_empty(
    outbox: &dyn OutboxStore,
    handler: &dyn OutboxHandler,
) -> Result<usize, Box<dyn std::error::Error>> {
    let request = ClaimRequest {
        owner: format!("example-{}", std::process::id()),
        limit: 10,
        lease: Duration::from_secs(30),
        kinds: vec![handler.kind().to_owned()],
    };
    let mut done = 0;
    loop {
        let claimed = outbox.claim_batch(&request).await?;
        if claimed.is_empty() {
            match outbox.next_due_in().await? {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Ok(done),
            }
        }
        for work in claimed {
            let state = match handler.handle(&work.item).await {
                Ok(()) => {
                    done += 1;
                    outbox.mark_success(&[work.claim]).await?[0]
                }
                Err(HandlerError::Retry { code, message, after }) => {
                    let next = clock::now() + after.unwrap_or(Duration::from_secs(1));
                    outbox.mark_retry(work.claim, next, &code, &message).await?
                }
                Err(HandlerError::Dead { code, message }) => outbox.mark_failed(work.claim, &code, &message).await?,
            };
            if state == ClaimState::LeaseLost {
                eprintln!("the lease of {} was lost", work.item.id);
            }
        }
    }
}
