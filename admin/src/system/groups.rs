//! Groups of people.

use std::sync::LazyLock;

use async_trait::async_trait;
use automate_core::ids::GroupId;
use automate_governance::identity::entity::group;
use automate_governance::identity::{GroupChange, NewGroup};
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
    model.columns.push(Column {
        on_create: true,
        on_update: true,
        optional: true,
        stored: false,
        shown: false,
        doc: "What its members may do, besides their own. Nobody gives what they do not have.",
        ..Column::plain("permissions", ColumnKind::Json)
    });
    model
});

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

    fn get_fieldsets(&self, _cx: &Cx, _spec: &Spec, _row: Option<&Row>) -> Vec<Fieldset> {
        let fields = vec!["name", "description", "permissions"];
        vec![Fieldset { title: "", description: "", fields, folded: false }]
    }

    async fn get_widgets(&self, cx: &Cx, _row: Option<&Row>) -> Result<Vec<(&'static str, Widget)>, AdminError> {
        Ok(vec![("permissions", grants::permissions(cx))])
    }

    async fn get_initial(&self, cx: &Cx, row: Option<&Row>) -> Result<Map<String, Value>, AdminError> {
        let Some(id) = row.and_then(|row| row.id(&FORM)) else { return Ok(Map::new()) };
        Ok(Map::from_iter([("permissions".to_owned(), grants::of_group(cx, id).await?)]))
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
                };
                identity.create_group(cx.writer(), new).await?.id
            }
            Some(id) if fields.is_empty() => id,
            Some(id) => {
                let change = GroupChange { name: text("name"), description: text("description"), permissions };
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
