//! What people and groups have been given, and what they can be given.

use std::collections::BTreeMap;

use automate_core::access::{EVERYTHING, NAMED_PERMISSIONS, all_permissions};
use automate_core::limits;
use automate_governance::identity::entity::{group_permission, user, user_group, user_permission};
use automate_governance::models::USERS;
use automate_store::error::store_error;
use automate_store::resource::{ListQuery, Ordering};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
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

pub(super) fn sorted(mut words: Vec<String>) -> Value {
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

/// Whether somebody may see and change who is in a group: it is the people who are changed.
pub(super) fn may_move(cx: &Cx) -> bool {
    cx.can("people.view_user") && cx.can("people.change_user")
}

/// The members of a group that its form shows, by address, and whether there are more.
pub(super) async fn members(cx: &Cx, id: Uuid) -> Result<(Vec<(String, String)>, bool), AdminError> {
    let found = cx.state().database().run(move |db| async move {
        let links = user_group::Entity::find().filter(user_group::Column::GroupId.eq(id));
        let links = links.order_by_asc(user_group::Column::UserId).limit(limits::GROUP_MEMBERS_SHOWN + 1);
        let mut ids: Vec<Uuid> =
            links.all(db.orm_reader()).await.map_err(store_error)?.into_iter().map(|link| link.user_id).collect();
        let more = ids.len() as u64 > limits::GROUP_MEMBERS_SHOWN;
        ids.truncate(usize::try_from(limits::GROUP_MEMBERS_SHOWN).unwrap_or(usize::MAX));
        let rows = user::Entity::find().filter(user::Column::Id.is_in(ids)).order_by_asc(user::Column::EmailKey);
        Ok((rows.all(db.orm_reader()).await.map_err(store_error)?, more))
    });
    let (rows, more) = found.await?;
    Ok((rows.into_iter().map(|row| (row.id.to_string(), called(&row.email, row.is_active))).collect(), more))
}

fn called(email: &str, is_active: bool) -> String {
    if is_active { email.to_owned() } else { format!("{email} (may not log in)") }
}

/// The people of the tenant, each with a box: first those who are in the group, then others.
pub(super) async fn people(cx: &Cx, group: Option<Uuid>) -> Result<Widget, AdminError> {
    let (inside, more) = match group {
        Some(id) => members(cx, id).await?,
        None => (Vec::new(), false),
    };
    let query = ListQuery {
        limit: limits::LIST_LIMIT_MAX,
        fields: vec!["id", "email", "is_active"],
        ordering: vec![Ordering { column: "email", descending: false }],
        ..ListQuery::default()
    };
    // Whoever works in no tenant sees nobody.
    let (found, cut) = match cx.tenant() {
        Ok(_) => {
            let page = cx.state().resources().list(&USERS, &cx.writer(), &query).await?;
            (page.results, page.next.is_some())
        }
        Err(_) => (Vec::new(), false),
    };
    let text = |row: &serde_json::Map<String, Value>, name: &str| {
        row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let outside = found.iter().filter(|row| !inside.iter().any(|(id, _)| *id == text(row, "id")));
    let outside = outside.map(|row| {
        let is_active = row.get("is_active").and_then(Value::as_bool).unwrap_or(true);
        Choice::new(text(row, "id"), called(&text(row, "email"), is_active), false)
    });
    let outside: Vec<Choice> = outside.collect();
    let inside: Vec<Choice> = inside.into_iter().map(|(id, email)| Choice::new(id, email, false)).collect();
    let heading = |what: &str, cut: bool, others: &str| {
        if cut { format!("{what}; {others} are added and taken out in their own forms") } else { what.to_owned() }
    };
    let mut groups = vec![
        (heading("Members", more, "further members"), inside),
        (heading("Others of this tenant", cut, "further people"), outside),
    ];
    groups.retain(|(_, choices)| !choices.is_empty());
    Ok(Widget::Checks(groups))
}

/// The texts of an array.
pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
