//! What users have been given: their groups and permissions, looked up for a page at once.

use std::collections::HashMap;

use automate_core::store::StoreError;
use automate_governance::identity::entity::{user_group, user_permission};
use automate_store::error::store_error;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Adds `groups` and `permissions` to rows of users.
pub(super) async fn add<C: ConnectionTrait>(
    db: &C,
    mut rows: Vec<Map<String, Value>>,
) -> Result<Vec<Map<String, Value>>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().filter_map(id_of).collect();
    let mut groups: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    let find = user_group::Entity::find().filter(user_group::Column::UserId.is_in(ids.clone()));
    for row in find.order_by_asc(user_group::Column::GroupId).all(db).await.map_err(store_error)? {
        groups.entry(row.user_id).or_default().push(row.group_id);
    }
    let mut permissions: HashMap<Uuid, Vec<String>> = HashMap::new();
    let find = user_permission::Entity::find().filter(user_permission::Column::UserId.is_in(ids));
    for row in find.order_by_asc(user_permission::Column::Permission).all(db).await.map_err(store_error)? {
        permissions.entry(row.user_id).or_default().push(row.permission);
    }
    for row in &mut rows {
        let Some(id) = id_of(row) else { continue };
        row.insert("groups".to_owned(), json!(groups.remove(&id).unwrap_or_default()));
        row.insert("permissions".to_owned(), json!(permissions.remove(&id).unwrap_or_default()));
    }
    Ok(rows)
}

fn id_of(row: &Map<String, Value>) -> Option<Uuid> {
    row.get("id")?.as_str()?.parse().ok()
}
