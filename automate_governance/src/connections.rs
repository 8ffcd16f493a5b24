//! Connections that are stored per tenant. Those of the configuration file are the installation's
//! and come after them.

mod fields;
mod writing;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use tokio::time::Instant;

pub use fields::{CheckedFields, check_fields, check_name, own_secrets, secret_key};
pub use writing::{ChangeError, ConnectionChange};

/// The table.
pub mod entity {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    /// A connection: named credentials of a connector.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "connections")]
    pub struct Model {
        /// Its id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// Whose.
        pub tenant_id: Uuid,
        /// The connector's key.
        pub connector: String,
        /// Its name, unique in the tenant.
        pub name: String,
        /// The fields, as a JSON object; secret ones hold `$secret:KEY`.
        pub fields: String,
        /// Grows with each change.
        pub row_version: i32,
        /// When it was made.
        pub created_at: DateTime<Utc>,
        /// When it was last changed.
        pub updated_at: DateTime<Utc>,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A connection as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredConnection {
    /// The connector's key.
    pub connector: String,
    /// Its fields; secret ones hold `$secret:KEY`.
    pub fields: BTreeMap<String, Value>,
}

/// The connections of a tenant, by name.
type OfTenant = Arc<BTreeMap<String, StoredConnection>>;

/// The stored connections, in memory for a few seconds. Cheap to clone.
#[derive(Clone)]
pub struct StoredConnections {
    db: Database,
    known: Arc<Mutex<HashMap<TenantId, (Instant, OfTenant)>>>,
}

impl StoredConnections {
    /// Over a database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, known: Arc::default() }
    }

    /// Forgets what is in memory of a tenant: after a change in this process.
    pub fn forget(&self, tenant: TenantId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    /// The connections of a tenant, at most [`POLICY_AGE`](limits::POLICY_AGE) old.
    ///
    /// # Errors
    /// Those of the database; `Corrupt` where a row's fields are no JSON object.
    pub async fn of(&self, tenant: TenantId) -> Result<OfTenant, StoreError> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, connections)) = known.get(&tenant).filter(|(at, _)| at.elapsed() < limits::POLICY_AGE) {
                return Ok(connections.clone());
            }
        }
        let at = Instant::now();
        let work = move |db: Database| async move {
            let find = entity::Entity::find().filter(entity::Column::TenantId.eq(tenant.0));
            find.all(db.orm_reader()).await.map_err(store_error)
        };
        let mut connections = BTreeMap::new();
        for row in self.db.run(work).await? {
            let fields = serde_json::from_str(&row.fields)
                .map_err(|error| StoreError::Corrupt(format!("the fields of connection `{}`: {error}", row.name)))?;
            connections.insert(row.name, StoredConnection { connector: row.connector, fields });
        }
        let connections = Arc::new(connections);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::POLICIES_KEPT {
            known.clear();
        }
        known.insert(tenant, (at, connections.clone()));
        Ok(connections)
    }
}
