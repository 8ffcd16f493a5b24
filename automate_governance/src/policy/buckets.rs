//! Token buckets, shared by all processes on PostgreSQL.
//!
//! A bucket in the database is asked for several tokens at once, which this process then gives out
//! by itself, so that not each request is a write. On SQLite there is one process, and the bucket
//! is in its memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::db::{Backend, Database};
use automate_store::error::store_error;
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::Instant;

/// The size of a bucket and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Tokens that fit in: the burst.
    pub capacity: u32,
    /// Tokens a second that come in.
    pub per_second: f64,
}

impl Bucket {
    /// So many a minute, all of which may come at once.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self { capacity: requests.max(1), per_second: f64::from(requests.max(1)) / 60.0 }
    }

    /// How many tokens a process takes at once: a twentieth of the bucket.
    fn chunk(self) -> f64 {
        f64::from((self.capacity / 20).clamp(1, 100))
    }
}

/// What became of a request for a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// Whether there was one.
    pub allowed: bool,
    /// Tokens left, as far as this process knows.
    pub remaining: u32,
    /// When the bucket is full again.
    pub reset: Duration,
    /// When there will be a token, where there was none.
    pub retry_after: Duration,
}

/// Buckets by key.
pub struct RateBuckets {
    db: Database,
    local: Mutex<HashMap<String, Local>>,
}

struct Local {
    /// On PostgreSQL what was taken out of the shared bucket and not given out yet; else the bucket.
    tokens: f64,
    /// What was left in the shared bucket.
    shared: f64,
    at: Instant,
    /// No token before then, as far as the shared bucket said.
    empty_until: Option<Instant>,
    /// Held by the one that draws; the others wait for what it brings.
    drawing: Arc<tokio::sync::Mutex<()>>,
}

impl RateBuckets {
    /// Buckets over a database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, local: Mutex::default() }
    }

    /// Takes a token out of a bucket.
    ///
    /// # Errors
    /// Those of the database. Nothing is taken then.
    pub async fn take(&self, key: &str, bucket: Bucket) -> Result<Taken, StoreError> {
        match self.db.backend() {
            Backend::Sqlite => Ok(self.take_here(key, bucket)),
            Backend::Postgres => self.take_shared(key, bucket).await,
        }
    }

    fn with<T>(&self, key: &str, bucket: Bucket, work: impl FnOnce(&mut Local, Instant) -> T) -> T {
        let now = Instant::now();
        let full = match self.db.backend() {
            Backend::Sqlite => f64::from(bucket.capacity),
            Backend::Postgres => 0.0,
        };
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.len() >= limits::RATE_BUCKETS && !local.contains_key(key) {
            // A bucket that nobody has touched for a while is full again, so it need not be known.
            local.retain(|_, l| now.duration_since(l.at) < limits::RATE_BUCKET_IDLE);
            if local.len() >= limits::RATE_BUCKETS {
                local.clear();
            }
        }
        let entry = local.entry(key.to_owned()).or_insert_with(|| Local {
            tokens: full,
            shared: full,
            at: now,
            empty_until: None,
            drawing: Arc::default(),
        });
        work(entry, now)
    }

    fn take_here(&self, key: &str, bucket: Bucket) -> Taken {
        self.with(key, bucket, |local, now| {
            let filled = now.duration_since(local.at).as_secs_f64() * bucket.per_second;
            local.tokens = (local.tokens + filled).min(f64::from(bucket.capacity));
            local.at = now;
            let allowed = local.tokens >= 1.0;
            if allowed {
                local.tokens -= 1.0;
            }
            taken(bucket, allowed, local.tokens)
        })
    }

    async fn take_shared(&self, key: &str, bucket: Bucket) -> Result<Taken, StoreError> {
        if let Some(taken) = self.take_drawn(key, bucket) {
            return Ok(taken);
        }
        let drawing = self.with(key, bucket, |local, _| local.drawing.clone());
        let _alone = drawing.lock().await;
        if let Some(taken) = self.take_drawn(key, bucket) {
            return Ok(taken);
        }
        let (got, left) = self.draw(key, bucket).await?;
        Ok(self.with(key, bucket, |local, now| {
            local.at = now;
            local.shared = left;
            local.tokens += got;
            if local.tokens >= 1.0 {
                local.tokens -= 1.0;
                local.empty_until = None;
                return taken(bucket, true, local.tokens + left);
            }
            let answer = taken(bucket, false, left);
            local.empty_until = Some(now + answer.retry_after.min(Duration::from_secs(1)));
            answer
        }))
    }

    /// What can be said without asking the shared bucket.
    fn take_drawn(&self, key: &str, bucket: Bucket) -> Option<Taken> {
        self.with(key, bucket, |local, now| {
            if now.duration_since(local.at) >= limits::RATE_BUCKET_IDLE {
                // Drawn so long ago that the shared bucket is full without them.
                local.tokens = 0.0;
            }
            if local.tokens >= 1.0 {
                local.tokens -= 1.0;
                return Some(taken(bucket, true, local.tokens + local.shared));
            }
            let empty = local.empty_until.is_some_and(|until| until > now);
            empty.then(|| taken(bucket, false, 0.0))
        })
    }

    /// Draws a chunk of tokens, or the one that is left, out of the shared bucket: one statement, by
    /// the database's clock. Answers with what was drawn and what is left.
    async fn draw(&self, key: &str, bucket: Bucket) -> Result<(f64, f64), StoreError> {
        let key = key.to_owned();
        let (capacity, per_second, chunk) = (f64::from(bucket.capacity), bucket.per_second, bucket.chunk());
        let work = move |db: Database| async move {
            let filled = "LEAST($2::float8, b.tokens + GREATEST(0, extract(epoch FROM clock_timestamp() - \
                          b.updated_at))::float8 * $3::float8)";
            let drawn = format!("CASE WHEN {filled} >= 1 THEN LEAST(floor({filled}), $4::float8) ELSE 0 END");
            let sql = format!(
                "INSERT INTO rate_buckets AS b (key, tokens, drawn, updated_at) \
                 VALUES ($1, $2::float8 - LEAST($2::float8, $4::float8), LEAST($2::float8, $4::float8), clock_timestamp()) \
                 ON CONFLICT (key) DO UPDATE SET tokens = {filled} - {drawn}, drawn = {drawn}, \
                 updated_at = clock_timestamp() RETURNING tokens, drawn"
            );
            let orm = db.orm();
            let values = vec![key.into(), capacity.into(), per_second.into(), chunk.into()];
            let statement = Statement::from_sql_and_values(orm.get_database_backend(), &sql, values);
            let row = orm.query_one_raw(statement).await.map_err(store_error)?;
            let row = row.ok_or_else(|| StoreError::Internal("a rate bucket gave no answer".to_owned()))?;
            let left: f64 = row.try_get("", "tokens").map_err(store_error)?;
            let drawn: f64 = row.try_get("", "drawn").map_err(store_error)?;
            Ok((drawn, left))
        };
        self.db.run(work).await
    }
}

fn taken(bucket: Bucket, allowed: bool, tokens: f64) -> Taken {
    let rate = bucket.per_second.max(f64::MIN_POSITIVE);
    let seconds = |tokens: f64| Duration::try_from_secs_f64(tokens.max(0.0) / rate).unwrap_or(Duration::MAX);
    // Tokens are never negative and far fewer than what fits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the capacity")]
    let remaining = tokens.max(0.0).min(f64::from(bucket.capacity)) as u32;
    Taken {
        allowed,
        remaining: if allowed { remaining } else { 0 },
        reset: seconds(f64::from(bucket.capacity) - tokens),
        retry_after: if allowed { Duration::ZERO } else { seconds(1.0 - tokens.min(1.0)) },
    }
}
