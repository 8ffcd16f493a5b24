//! Groups of people.

use std::sync::LazyLock;

use async_trait::async_trait;
use automate_core::ids::{GroupId, UserId};
use automate_governance::identity::entity::group;
use automate_governance::identity::{GroupChange, MemberChange, NewGroup};
use automate_governance::models::GROUPS;
use automate_store::resource::{Column, ColumnKind, Model, Row, Selection};
use serde_json::{Map, Value};

use super::grants;
use crate::error::AdminError;
use crate::form::{Fieldset, Widget};
use crate::http::Cx;
use crate::model_admin::BaseModelAdmin;
use crate::spec::{AdminSpec, Spec};

/// [`GROUPS`] with what forms give.
static FORM: LazyLock<Model> = LazyLock::new(|| {
    let mut model = GROUPS.clone();
    for column in &mut model.columns {
        let given = ["name", "description"].contains(&column.name);
        (column.on_create, column.on_update) = (given, given);
        column.optional |= column.name == "description";
        if given {
            column.max_length = 150;
        }
    }
    let input = |name, doc| Column {
        on_create: true,
        on_update: true,
        optional: true,
        stored: false,
        shown: false,
        doc,
        ..Column::plain(name, ColumnKind::Json)
    };
    let permissions = "What its members may do, besides their own. Nobody gives what they do not have.";
    let members = "Nobody lets somebody into a group that gives what they do not have themselves, and nobody moves \
                   somebody who may do more than they.";
    model.columns.extend([input("permissions", permissions), input("members", members)]);
    model
});

fn users(ids: &[String]) -> Vec<UserId> {
    ids.iter().filter_map(|id| id.parse().ok()).map(UserId).collect()
}

/// Who joins and who leaves, where these are to be the members of those that the form shows.
async fn moves(cx: &Cx, id: uuid::Uuid, wanted: &Value) -> Result<MemberChange, AdminError> {
    let (before, _) = grants::members(cx, id).await?;
    let before: Vec<String> = before.into_iter().map(|(id, _)| id).collect();
    let wanted = grants::texts(wanted);
    let without = |all: &[String], those: &[String]| {
        users(&all.iter().filter(|id| !those.contains(id)).cloned().collect::<Vec<_>>())
    };
    Ok(MemberChange { join: without(&wanted, &before), leave: without(&before, &wanted) })
}

/// The admin of groups.
pub(super) struct Groups;

#[async_trait]
impl BaseModelAdmin for Groups {
    type Entity = group::Entity;
    type Layers = ();

    fn model(&self) -> &'static Model {
        &FORM
    }

    fn configure(&self, spec: &mut AdminSpec<group::Entity>) {
        use group::Column::*;
        spec.placed("People", "Groups").text(Name).list_display([Name, Description, UpdatedAt]);
    }

    fn get_fieldsets(&self, cx: &Cx, _spec: &Spec, _row: Option<&Row>) -> Vec<Fieldset> {
        let mut fields = vec!["name", "description", "members", "permissions"];
        fields.retain(|field| *field != "members" || grants::may_move(cx));
        vec![Fieldset { title: "", description: "", fields, folded: false }]
    }

    async fn get_widgets(&self, cx: &Cx, row: Option<&Row>) -> Result<Vec<(&'static str, Widget)>, AdminError> {
        let mut widgets = vec![("permissions", grants::permissions(cx))];
        if grants::may_move(cx) {
            widgets.push(("members", grants::people(cx, row.and_then(|row| row.id(&FORM))).await?));
        }
        Ok(widgets)
    }

    async fn get_initial(&self, cx: &Cx, row: Option<&Row>) -> Result<Map<String, Value>, AdminError> {
        let Some(id) = row.and_then(|row| row.id(&FORM)) else { return Ok(Map::new()) };
        let mut initial = Map::from_iter([("permissions".to_owned(), grants::of_group(cx, id).await?)]);
        if grants::may_move(cx) {
            let (members, _) = grants::members(cx, id).await?;
            let members = members.into_iter().map(|(id, _)| id).collect();
            initial.insert("members".to_owned(), grants::sorted(members));
        }
        Ok(initial)
    }

    async fn save_model(
        &self,
        cx: &Cx,
        _spec: &Spec,
        row: Option<&Row>,
        fields: Map<String, Value>,
        version: Option<i64>,
    ) -> Result<Row, AdminError> {
        let identity = cx.state().identity();
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let permissions = fields.get("permissions").map(grants::texts);
        let id = match row.map(|row| row.id(&FORM).ok_or(AdminError::NotFound)).transpose()? {
            None => {
                let new = NewGroup {
                    name: text("name").unwrap_or_default(),
                    description: text("description").unwrap_or_default(),
                    permissions: permissions.unwrap_or_default(),
                    members: fields.get("members").map(|ids| users(&grants::texts(ids))).unwrap_or_default(),
                };
                identity.create_group(cx.writer(), new).await?.id
            }
            Some(id) if fields.is_empty() => id,
            Some(id) => {
                let members = match fields.get("members") {
                    Some(wanted) => moves(cx, id, wanted).await?,
                    None => MemberChange::default(),
                };
                let change = GroupChange { name: text("name"), description: text("description"), permissions, members };
                identity.change_group(cx.writer(), GroupId(id), change, version).await?;
                id
            }
        };
        identity.forget();
        Ok(cx.state().resources().get(&FORM, &cx.writer(), id, &Selection::default()).await?)
    }

    async fn delete_model(&self, cx: &Cx, _spec: &Spec, row: &Row) -> Result<(), AdminError> {
        let id = row.id(&FORM).ok_or(AdminError::NotFound)?;
        cx.state().identity().delete_group(cx.writer(), GroupId(id)).await?;
        cx.state().identity().forget();
        Ok(())
    }
}
