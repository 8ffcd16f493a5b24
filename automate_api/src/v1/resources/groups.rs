//! `/groups`: names for sets of permissions.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use automate_core::ids::GroupId;
use automate_core::store::StoreError;
use automate_governance::identity::entity::group_permission;
use automate_governance::identity::{GroupChange, Identity, NewGroup};
use automate_governance::models::GROUPS;
use automate_store::error::store_error;
use automate_store::resource::Model;
use http::StatusCode;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::changing::{change, must_be_as_read};
use super::giving::{check_known, giver};
use super::nested::row_shape;
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{Action, BaseReadOnlyViewSet, Call, Content, Faces, Operation, Reply};

/// Groups of users.
pub(super) struct Groups;

/// A new group.
#[derive(Deserialize, ToSchema)]
#[schema(as = GroupCreate)]
#[serde(deny_unknown_fields)]
struct NewGroupBody {
    /// Its name, unique in the tenant.
    #[schema(min_length = 1, max_length = 150, example = "on call")]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 150)]
    description: String,
    /// What its members may do; `*` is everything.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!(["workflows.view_workflow", "workflow.run"]))]
    permissions: Vec<String>,
}

/// What of a group is changed.
#[derive(Deserialize, ToSchema)]
#[schema(as = GroupUpdate)]
#[serde(deny_unknown_fields)]
struct GroupPatch {
    /// Its name.
    #[schema(min_length = 1, max_length = 150)]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 150)]
    description: Option<String>,
    /// All that its members may do.
    #[schema(max_items = 1000)]
    permissions: Option<Vec<String>>,
}

#[async_trait]
impl BaseReadOnlyViewSet for Groups {
    fn model(&self) -> &'static Model {
        &GROUPS
    }

    fn faces(&self) -> Faces {
        faces()
    }

    async fn represent_all(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        // Whoever names fields wants no others.
        if call.query("fields").is_some() {
            return Ok(rows.into_iter().map(Value::Object).collect());
        }
        let db = call.api.database();
        let rows = db.run(move |db| async move { add_permissions(db.orm_reader(), rows).await }).await?;
        Ok(rows.into_iter().map(Value::Object).collect())
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let shape = row_shape(&GROUPS, faces());
        vec![
            Operation::post("/groups", Action::Create)
                .summary("Creates one group")
                .description("Nobody gives a group a permission that they do not have themselves.")
                .reads::<NewGroupBody>()
                .answers_with(StatusCode::CREATED, "The new group.", Content::Json(shape.clone()))
                .with_etag()
                .handler(create),
            Operation::patch("/groups/{id}", Action::Update)
                .summary("Changes one group")
                .description(
                    "Changes the fields that are given, and no others; `permissions` as a whole. Members have them, \
                     and lose others, on all nodes within five seconds.",
                )
                .reads::<GroupPatch>()
                .answers_with(StatusCode::OK, "The group as it is now.", Content::Json(shape))
                .with_etag()
                .with_if_match()
                .may_fail_with(StatusCode::CONFLICT)
                .handler(update),
            Operation::delete("/groups/{id}", Action::Destroy)
                .summary("Deletes one group")
                .description("Its members lose what it gave them. A default group comes back at the next start.")
                .answers_nothing("It is deleted.")
                .with_if_match()
                .may_fail_with(StatusCode::CONFLICT)
                .handler(destroy),
        ]
    }
}

fn faces() -> Faces {
    Faces::columns().adds::<Vec<String>>("permissions")
}

/// Adds `permissions` to rows of groups.
async fn add_permissions<C: ConnectionTrait>(
    db: &C,
    mut rows: Vec<Map<String, Value>>,
) -> Result<Vec<Map<String, Value>>, StoreError> {
    let id_of = |row: &Map<String, Value>| row.get("id")?.as_str()?.parse::<Uuid>().ok();
    let ids: Vec<Uuid> = rows.iter().filter_map(id_of).collect();
    if ids.is_empty() {
        return Ok(rows);
    }
    let mut permissions: HashMap<Uuid, Vec<String>> = HashMap::new();
    let find = group_permission::Entity::find().filter(group_permission::Column::GroupId.is_in(ids));
    for row in find.order_by_asc(group_permission::Column::Permission).all(db).await.map_err(store_error)? {
        permissions.entry(row.group_id).or_default().push(row.permission);
    }
    for row in &mut rows {
        let Some(id) = id_of(row) else { continue };
        row.insert("permissions".to_owned(), json!(permissions.remove(&id).unwrap_or_default()));
    }
    Ok(rows)
}

/// A group as the caller sees it within a transaction.
async fn shown(call: &Call, txn: &DatabaseTransaction, id: Uuid) -> Result<Map<String, Value>, Problem> {
    let row = call.api.resources().get_in(txn, &GROUPS, &call.writer(), id).await?;
    let mut rows = add_permissions(txn, vec![row.shown(&GROUPS, &call.principal)]).await?;
    rows.pop().ok_or_else(Problem::internal)
}

async fn create(call: Call) -> Result<Reply, Problem> {
    let body: NewGroupBody = call.read()?;
    check_known(&call, &body.permissions)?;
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        let new = NewGroup {
            name: body.name,
            description: body.description,
            permissions: body.permissions,
            ..NewGroup::default()
        };
        let row = people.create_group_in(&txn, &giver(&call), new).await?;
        let body = shown(&call, &txn, row.id).await?;
        let reply = Reply::created(&format!("{PREFIX}/groups/{}", row.id), body)?;
        Ok((txn, reply.with_version(row.row_version.into())))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

async fn update(call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let patch: GroupPatch = call.read()?;
    check_known(&call, patch.permissions.as_deref().unwrap_or_default())?;
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        let row = call.api.resources().get_in(&txn, &GROUPS, &call.writer(), id).await?;
        must_be_as_read(&call, row.version)?;
        let change = GroupChange {
            name: patch.name,
            description: patch.description,
            permissions: patch.permissions,
            ..GroupChange::default()
        };
        let row = people.change_group_in(&txn, &giver(&call), GroupId(id), change, None).await?;
        let body = shown(&call, &txn, id).await?;
        Ok((txn, Reply::ok(body)?.with_version(row.row_version.into())))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

async fn destroy(call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        let row = call.api.resources().get_in(&txn, &GROUPS, &call.writer(), id).await?;
        must_be_as_read(&call, row.version)?;
        people.delete_group_in(&txn, &giver(&call), GroupId(id)).await?;
        Ok((txn, Reply::no_content()))
    })
    .await?;
    identity.forget();
    Ok(reply)
}
