//! The entity: a table of the application's own.
#![expect(unreachable_pub, reason = "sea-orm's derives expect public models")]

use automate::store::db::Database;
use automate::store::error::store_error;
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, Schema};

/// A book. What the names `tenant_id`, `row_version`, `created_at` and `updated_at` say is done.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "books")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub title: String,
    pub author: String,
    pub pages: i32,
    pub row_version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Makes the table where it is not there; a real application has migrations.
pub async fn make_table(database: Database) -> Result<(), automate::core::store::StoreError> {
    let orm = database.orm();
    let mut table = Schema::new(orm.get_database_backend()).create_table_from_entity(Entity);
    orm.execute(table.if_not_exists()).await.map_err(store_error)?;
    Ok(())
}
