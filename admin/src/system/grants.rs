//! What people and groups have been given, and what they can be given.

use std::collections::BTreeMap;

use automate_core::access::{EVERYTHING, NAMED_PERMISSIONS, all_permissions};
use automate_governance::identity::entity::{group_permission, user_group, user_permission};
use automate_store::error::store_error;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::Value;
use uuid::Uuid;

use crate::column::label_of;
use crate::control::Choice;
use crate::error::AdminError;
use crate::form::Widget;
use crate::http::Cx;

/// Every permission, by the part of the system that it is about; those of an application's own models
/// too.
pub(super) fn permissions(cx: &Cx) -> Widget {
    let mut all = all_permissions();
    for admin in cx.state().site().admins() {
        let model = admin.spec().model;
        all.extend(["view", "add", "change", "delete"].map(|verb| model.permission_for(verb)));
    }
    all.sort();
    all.dedup();
    let mut groups: BTreeMap<String, Vec<Choice>> = BTreeMap::new();
    for permission in all {
        let named = NAMED_PERMISSIONS.iter().find(|(name, _)| *name == permission).map(|(_, what)| *what);
        let (app, rest) = permission.split_once('.').unwrap_or(("", &permission));
        let label = named.map_or_else(|| rest.replace('_', " "), |what| format!("{rest}: {what}"));
        let title = if named.is_some() { "Single deeds".to_owned() } else { label_of(app) };
        groups.entry(title).or_default().push(Choice::new(permission.clone(), label, false));
    }
    let everything =
        ("Everything".to_owned(), vec![Choice::new(EVERYTHING, "all permissions, also those to come", false)]);
    Widget::Checks(std::iter::once(everything).chain(groups).collect())
}

fn sorted(mut words: Vec<String>) -> Value {
    words.sort();
    Value::Array(words.into_iter().map(Value::String).collect())
}

/// A user's groups and own permissions.
pub(super) async fn of_user(cx: &Cx, id: Uuid) -> Result<(Value, Value), AdminError> {
    let found = cx.state().database().run(move |db| async move {
        let groups = user_group::Entity::find().filter(user_group::Column::UserId.eq(id));
        let groups = groups.all(db.orm_reader()).await.map_err(store_error)?;
        let own = user_permission::Entity::find().filter(user_permission::Column::UserId.eq(id));
        Ok((groups, own.all(db.orm_reader()).await.map_err(store_error)?))
    });
    let (groups, own) = found.await?;
    let groups = groups.into_iter().map(|row| row.group_id.to_string()).collect();
    Ok((sorted(groups), sorted(own.into_iter().map(|row| row.permission).collect())))
}

/// A group's permissions.
pub(super) async fn of_group(cx: &Cx, id: Uuid) -> Result<Value, AdminError> {
    let found = cx.state().database().run(move |db| async move {
        let own = group_permission::Entity::find().filter(group_permission::Column::GroupId.eq(id));
        own.all(db.orm_reader()).await.map_err(store_error)
    });
    Ok(sorted(found.await?.into_iter().map(|row| row.permission).collect()))
}

/// The texts of an array.
pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
