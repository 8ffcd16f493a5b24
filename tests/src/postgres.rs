//! Databases for tests: a private PostgreSQL cluster shared by all test processes, and one database
//! per test, cloned from a migrated template. SQLite tests get a file of their own.
//!
//! A test that needs PostgreSQL fails where none can be started; with
//! `AUTOMATE_TEST_SKIP_POSTGRES=1` it says `SKIPPED` and passes instead.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use automate_store::db::{ConnectOptions, Database};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// An admin URL of a PostgreSQL to use instead of a private cluster.
pub const URL_VARIABLE: &str = "AUTOMATE_TEST_POSTGRES_URL";
/// `1` lets tests that need PostgreSQL pass where none can be started.
pub const SKIP_VARIABLE: &str = "AUTOMATE_TEST_SKIP_POSTGRES";
/// Seconds after which the shared cluster stops when no test process uses it.
const UNUSED_SECONDS: &str = "120";
/// The advisory lock under which a template is made.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A PostgreSQL server.
#[derive(Debug)]
pub struct PgServer {
    url: String,
    private: Option<Private>,
    // Held for as long as the server is used: the shared cluster stops when nobody holds it.
    _user: Option<File>,
}

#[derive(Debug)]
struct Private {
    folder: tempfile::TempDir,
    fsync: bool,
}

impl PgServer {
    /// The server of all tests: the one that [`URL_VARIABLE`] names, or else the private cluster,
    /// started where it is not running.
    ///
    /// # Errors
    /// Why there is none.
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<PgServer, String>> = OnceLock::new();
        SHARED.get_or_init(Self::start_shared).as_ref().map_err(Clone::clone)
    }

    fn start_shared() -> Result<Self, String> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Ok(Self { url, private: None, _user: None });
        }
        let folder = shared_folder()?;
        let user = lock_as_user(&folder)?;
        let url = script("start", &[("AUTOMATE_PG_UNUSED", UNUSED_SECONDS)])?;
        Ok(Self { url, private: None, _user: Some(user) })
    }

    /// A cluster of one test, which the test may stop and crash; it goes with the value.
    ///
    /// # Errors
    /// Why it could not be started.
    pub fn private(fsync: bool) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("automate-pg-").tempdir().map_err(|error| error.to_string())?;
        let private = Private { folder, fsync };
        let url = private.call("start")?;
        Ok(Self { url, private: Some(private), _user: None })
    }

    /// The URL of a database of this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let (before, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let base = before.rsplit_once('/').map_or(before, |(base, _)| base);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{base}/{database}{query}")
    }

    /// Starts a private server that was stopped, on the same port.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn start(&self) -> Result<(), String> {
        self.control("start")
    }

    /// Stops a private server in order.
    ///
    /// # Errors
    /// Why it does not stop.
    pub fn stop(&self) -> Result<(), String> {
        self.control("stop")
    }

    /// Ends a private server as a crash would: no checkpoint, recovery at the next start.
    ///
    /// # Errors
    /// Why it does not stop.
    pub fn crash(&self) -> Result<(), String> {
        self.control("kill")
    }

    fn control(&self, command: &str) -> Result<(), String> {
        let private = self.private.as_ref().ok_or("the shared server is not one test's to control")?;
        private.call(command).map(|_| ())
    }

    async fn admin(&self) -> Result<PgConnection, String> {
        PgConnection::connect(&self.url).await.map_err(|error| format!("PostgreSQL for tests: {error}"))
    }

    /// Makes a database with the schema and answers with its name.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn create_database(&self) -> Result<String, String> {
        let mut admin = self.admin().await?;
        let template = self.template(&mut admin).await?;
        let name = format!("automate_test_{}", Uuid::new_v4().simple());
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        let _ = admin.close().await;
        Ok(name)
    }

    async fn template(&self, admin: &mut PgConnection) -> Result<String, String> {
        let name = format!("automate_template_{}", schema_fingerprint()?);
        if is_template(admin, &name).await? {
            return Ok(name);
        }
        execute(admin, format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await?;
        let made = self.make_template(admin, &name).await;
        execute(admin, format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await?;
        made.map(|()| name)
    }

    async fn make_template(&self, admin: &mut PgConnection, name: &str) -> Result<(), String> {
        if is_template(admin, name).await? {
            return Ok(());
        }
        execute(admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        execute(admin, format!("CREATE DATABASE {name}")).await?;
        let options = ConnectOptions { max_connections: 1, ..ConnectOptions::default() };
        let db = Database::connect(&self.url(name), &options).await.map_err(|error| error.to_string())?;
        db.migrate_up(None).await.map_err(|error| error.to_string())?;
        db.close().await;
        // The mark that it is complete; and nobody may connect any more, so that cloning never finds
        // a connection that has not ended yet.
        execute(admin, format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
            .await?;
        execute(admin, format!("ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")).await
    }

    async fn drop_database(url: &str, name: &str) -> Result<(), String> {
        let mut admin = PgConnection::connect(url).await.map_err(|error| error.to_string())?;
        execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }
}

impl Private {
    fn call(&self, command: &str) -> Result<String, String> {
        let folder = self.folder.path().display().to_string();
        script(command, &[("AUTOMATE_PG_DIR", &folder), ("AUTOMATE_PG_FSYNC", if self.fsync { "on" } else { "off" })])
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Err(error) = self.call("kill") {
            eprintln!("the PostgreSQL of this test could not be stopped: {error}");
        }
    }
}

/// A migrated database of one test. It is dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    /// The open database.
    pub db: Database,
    /// Its URL, for more connections and other processes.
    pub url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder { _folder: tempfile::TempDir },
    Server { admin_url: String, name: String },
}

impl TestDatabase {
    /// A SQLite file.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub async fn sqlite() -> Self {
        let folder = must(tempfile::tempdir());
        let url = format!("sqlite://{}/automate.db", folder.path().display());
        let db = must(Database::connect(&url, &ConnectOptions::default()).await);
        must(db.migrate_up(None).await);
        Self { db, url, place: Place::Folder { _folder: folder } }
    }

    /// A PostgreSQL database; `None` where there is no server and [`SKIP_VARIABLE`] is set.
    ///
    /// # Panics
    /// Where there is no server and it is not set.
    pub async fn postgres() -> Option<Self> {
        // Starting the cluster waits for programs; other tasks of the test must not wait with it.
        match must(tokio::task::spawn_blocking(PgServer::shared).await) {
            Ok(server) => Some(Self::on(server).await),
            Err(reason) if std::env::var(SKIP_VARIABLE).is_ok_and(|value| value == "1") => {
                println!("SKIPPED: {reason}");
                None
            }
            Err(reason) => panic!("{reason} (set {SKIP_VARIABLE}=1 to pass without PostgreSQL)"),
        }
    }

    /// A database of a given server.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub async fn on(server: &PgServer) -> Self {
        let name = must(server.create_database().await);
        let url = server.url(&name);
        let db = must(Database::connect(&url, &ConnectOptions::default()).await);
        Self { db, url, place: Place::Server { admin_url: server.url.clone(), name } }
    }

    /// Has PostgreSQL log the statements of this database, from the next connections on; answers with
    /// the file. `None` on SQLite, and where the server is not ours.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn log_statements(&self) -> Option<PathBuf> {
        let Place::Server { admin_url, name } = &self.place else { return None };
        if std::env::var(URL_VARIABLE).is_ok() {
            println!("SKIPPED: the log of a server that {URL_VARIABLE} names is not known");
            return None;
        }
        let mut admin = must(PgConnection::connect(admin_url).await);
        let sql = AssertSqlSafe(format!("ALTER DATABASE {name} SET log_statement = 'all'"));
        must(sqlx::raw_sql(sql).execute(&mut admin).await);
        Some(must(shared_folder()).join("log"))
    }

    /// The same database, opened once more, as another process would.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub async fn open_again(&self) -> Database {
        must(Database::connect(&self.url, &ConnectOptions::default()).await)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Server { admin_url, name } = self else { return };
        let (admin_url, name) = (std::mem::take(admin_url), std::mem::take(name));
        // A runtime of its own: the test's may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                // A private server may be stopped by now; the shared one drops leftovers at its next start.
                runtime.block_on(async {
                    let work = PgServer::drop_database(&admin_url, &name);
                    let _ = tokio::time::timeout(Duration::from_secs(10), work).await;
                });
            }
        });
        let _ = dropping.join();
    }
}

/// Writes a test twice, `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// both_databases! {
///     async fn an_item_is_claimed_once(db: TestDatabase) { /* … */ }
/// }
/// ```
#[macro_export]
macro_rules! both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: TestDatabase) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($db: $crate::postgres::TestDatabase) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($crate::postgres::TestDatabase::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(db) = $crate::postgres::TestDatabase::postgres().await {
                    body(db).await;
                }
            }
        }
    )*};
}

fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the database of this test: {error}"),
    }
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), String> {
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await.map_err(|error| format!("{sql}: {error}"))?;
    Ok(())
}

async fn is_template(connection: &mut PgConnection, name: &str) -> Result<bool, String> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(|error| error.to_string())
}

/// Names the schema by the text of its migrations, so that a changed migration gets a new template.
fn schema_fingerprint() -> Result<String, String> {
    let folder = repository().join("migrations/src");
    let read = || -> std::io::Result<String> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.sort();
        let mut digest = Sha256::new();
        for file in files {
            digest.update(std::fs::read(file)?);
        }
        Ok(hex::encode(&digest.finalize()[..8]))
    };
    read().map_err(|error| format!("{}: {error}", folder.display()))
}

fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn script(command: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let file = repository().join("scripts/postgres.sh");
    let output = Command::new("sh")
        .arg(&file)
        .arg(command)
        .envs(variables.iter().copied())
        .output()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("no PostgreSQL for tests: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The folder of the shared cluster, as the script knows it.
fn shared_folder() -> Result<PathBuf, String> {
    Ok(PathBuf::from(script("folder", &[])?))
}

fn lock_as_user(folder: &Path) -> Result<File, String> {
    let users = folder.join("users");
    let open = || -> std::io::Result<File> {
        std::fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&users)?;
        file.lock_shared()?;
        Ok(file)
    };
    open().map_err(|error| format!("{}: {error}", users.display()))
}
