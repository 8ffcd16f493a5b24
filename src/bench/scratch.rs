//! A database for one measurement: a file beside the data, or a database of its own on the server.

use automate_core::config::{Config, mask_url};
use automate_store::db::Database;

use super::BenchError;

/// The database of a measurement.
pub(crate) struct Scratch {
    config: Config,
    kind: Kind,
}

enum Kind {
    /// A folder that goes as a whole.
    Folder(std::path::PathBuf),
    /// A database on the server that the configuration names.
    Server { admin: Box<Config>, name: String },
}

impl Scratch {
    /// Makes the database and applies the migrations.
    pub(crate) async fn make(config: &Config) -> Result<Self, BenchError> {
        let name = format!("automate_bench_{}", automate_core::ids::new_v7().simple());
        let mut inner = config.clone();
        // Refusing work for its amount would measure the refusal.
        inner.outbox.max_depth = 0;
        let failed = |e: std::io::Error| BenchError::Scratch(e.to_string());
        let kind = if config.database.url.starts_with("sqlite:") {
            // Beside the data, because that is the disk that is to be measured.
            let folder = config.data_dir.join(&name);
            std::fs::create_dir_all(&folder).map_err(failed)?;
            inner.database.url = format!("sqlite://{}", folder.join("bench.db").display());
            inner.data_dir = folder.clone();
            Kind::Folder(folder)
        } else {
            let admin = crate::app::connect(config).await?;
            let pool = admin.postgres().ok_or(BenchError::Unsupported)?;
            // The name is made of hexadecimal digits above.
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(pool).await.map_err(|e| {
                BenchError::Scratch(format!(
                    "{e}; the measurement runs in a database of its own, so the user needs CREATEDB"
                ))
            })?;
            admin.close().await;
            inner.database.url = with_database(&config.database.url, &name);
            Kind::Server { admin: Box::new(config.clone()), name }
        };
        let scratch = Self { config: inner, kind };
        let database = crate::app::connect(&scratch.config).await?;
        database.migrate_up(None).await?;
        database.close().await;
        Ok(scratch)
    }

    /// The configuration with this database in it.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Where it is, without a password.
    pub(crate) fn shown(&self) -> String {
        mask_url(&self.config.database.url)
    }

    /// Removes it.
    pub(crate) async fn remove(self) -> Result<(), BenchError> {
        match self.kind {
            Kind::Folder(folder) => {
                std::fs::remove_dir_all(&folder).map_err(|e| BenchError::Scratch(format!("cannot remove it: {e}")))
            }
            Kind::Server { admin, name } => {
                let database: Database = crate::app::connect(&admin).await?;
                let pool = database.postgres().ok_or(BenchError::Unsupported)?;
                sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(pool).await?;
                database.close().await;
                Ok(())
            }
        }
    }
}

/// The URL with another database's name; its parameters stay.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(b, q)| (b, Some(q)));
    let start = base.find("://").map_or(0, |at| at + 3);
    let host = base[start..].find('/').map_or(base, |at| &base[..start + at]);
    match query {
        Some(query) => format!("{host}/{name}?{query}"),
        None => format!("{host}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_database_changes() {
        assert_eq!(with_database("postgres://u:p@h:5432/db", "x"), "postgres://u:p@h:5432/x");
        assert_eq!(with_database("postgres://u@h", "x"), "postgres://u@h/x");
        assert_eq!(
            with_database("postgres:///db?host=/var/run/postgresql&user=u", "x"),
            "postgres:///x?host=/var/run/postgresql&user=u"
        );
    }
}
