//! People.

use std::sync::LazyLock;

use async_trait::async_trait;
use automate_core::ids::{GroupId, UserId};
use automate_core::limits;
use automate_governance::identity::entity::{api_token, user};
use automate_governance::identity::{NewUser, Password, UserChange};
use automate_governance::models::{GROUPS, TOKENS, USERS};
use automate_store::resource::{Column, ColumnKind, ListQuery, Model, Row, Selection};
use serde_json::{Map, Value};

use super::grants;
use crate::column::ListColumn;
use crate::control::Choice;
use crate::error::AdminError;
use crate::filter::ListFilter;
use crate::form::{Fieldset, Widget};
use crate::http::Cx;
use crate::inline::InlineBaseAdmin;
use crate::model_admin::BaseModelAdmin;
use crate::spec::{AdminSpec, Spec};

/// [`USERS`] with what forms give: the service for rows writes none of it.
static FORM: LazyLock<Model> = LazyLock::new(|| {
    let mut model = USERS.clone();
    for column in &mut model.columns {
        if ["email", "name", "is_staff", "is_superuser"].contains(&column.name) {
            (column.on_create, column.on_update) = (true, true);
        }
        column.on_update |= column.name == "is_active";
        column.optional |= column.name == "name";
        if ["email", "name"].contains(&column.name) {
            column.max_length = 254;
        }
    }
    let input = |name, kind, doc| Column {
        on_create: true,
        optional: true,
        stored: false,
        shown: false,
        doc,
        ..Column::plain(name, kind)
    };
    let password = "12 characters at least. Without one they log in elsewhere, or not at all.";
    model.columns.push(input("password", ColumnKind::Text, password));
    model.columns.push(Column {
        on_update: true,
        ..input("groups", ColumnKind::Json, "What groups may do, their members may do.")
    });
    model
        .columns
        .push(Column { on_update: true, ..input("permissions", ColumnKind::Json, "Besides those of their groups.") });
    model
});

/// The tokens of a user.
struct OwnTokens;

impl InlineBaseAdmin for OwnTokens {
    type Entity = api_token::Entity;
    const FOREIGN_KEY: api_token::Column = api_token::Column::UserId;

    fn model(&self) -> &'static Model {
        &TOKENS
    }

    fn columns(&self) -> Vec<api_token::Column> {
        use api_token::Column::*;
        vec![Name, Prefix, ExpiresAt, LastUsedAt, RevokedAt]
    }

    fn title(&self) -> String {
        "API tokens".to_owned()
    }
}

/// The admin of users.
pub(super) struct Users;

fn fieldset(title: &'static str, fields: &[&'static str]) -> Fieldset {
    Fieldset { title, description: "", fields: fields.to_vec(), folded: false }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    fields.shift_remove(name).and_then(|value| value.as_str().map(str::to_owned))
}

fn flag(fields: &Map<String, Value>, name: &str) -> Option<bool> {
    fields.get(name).and_then(Value::as_bool)
}

fn groups(fields: &Map<String, Value>) -> Option<Vec<GroupId>> {
    let given = fields.get("groups")?;
    Some(grants::texts(given).iter().filter_map(|id| id.parse().ok()).map(GroupId).collect())
}

#[async_trait]
impl BaseModelAdmin for Users {
    type Entity = user::Entity;
    type Layers = ();

    fn model(&self) -> &'static Model {
        &FORM
    }

    fn configure(&self, spec: &mut AdminSpec<user::Entity>) {
        use user::Column::*;
        spec.placed("People", "Users")
            .text(Email)
            .list_display([Email, Name, IsActive, IsStaff, IsSuperuser, LastLoginAt, CreatedAt])
            .list_filter([
                ListFilter::of(IsActive),
                ListFilter::of(IsStaff),
                ListFilter::of(IsSuperuser),
                ListFilter::date(LastLoginAt),
                ListFilter::custom("logins", &[("never", "never logged in", &[("last_login_at__isnull", "true")])]),
            ])
            .label(IsActive, "May log in")
            .label(IsStaff, "May open the admin")
            .label(IsSuperuser, "May do everything")
            .label(TotpConfirmedAt, "Second factor since")
            .inline(OwnTokens);
        spec.spec.widgets.push(("password", Widget::Secret));
    }

    fn get_fieldsets(&self, _cx: &Cx, _spec: &Spec, row: Option<&Row>) -> Vec<Fieldset> {
        let mut sets = vec![
            fieldset("", if row.is_none() { &["email", "name", "password"] } else { &["email", "name", "is_active"] }),
            fieldset("What they may do", &["is_staff", "is_superuser", "groups", "permissions"]),
        ];
        if row.is_some() {
            let facts = ["totp_confirmed_at", "last_login_at", "password_changed_at", "created_at", "updated_at"];
            sets.push(fieldset("Facts", &facts));
        }
        sets
    }

    async fn get_widgets(&self, cx: &Cx, _row: Option<&Row>) -> Result<Vec<(&'static str, Widget)>, AdminError> {
        let query = ListQuery { limit: limits::LIST_LIMIT_MAX, fields: vec!["id", "name"], ..ListQuery::default() };
        let found = match cx.tenant() {
            Ok(_) => cx.state().resources().list(&GROUPS, &cx.writer(), &query).await?.results,
            Err(_) => Vec::new(),
        };
        let word =
            |row: &Map<String, Value>, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let choices = found.iter().map(|row| Choice::new(word(row, "id"), word(row, "name"), false));
        let groups = Widget::Checks(vec![("Groups of this tenant".to_owned(), choices.collect())]);
        Ok(vec![("groups", groups), ("permissions", grants::permissions(cx))])
    }

    async fn get_initial(&self, cx: &Cx, row: Option<&Row>) -> Result<Map<String, Value>, AdminError> {
        let Some(id) = row.and_then(|row| row.id(&FORM)) else { return Ok(Map::new()) };
        let (groups, permissions) = grants::of_user(cx, id).await?;
        Ok(Map::from_iter([("groups".to_owned(), groups), ("permissions".to_owned(), permissions)]))
    }

    fn get_row_links(&self, cx: &Cx, row: &Row) -> Vec<(String, String)> {
        let Some(id) = row.id(&FORM) else { return Vec::new() };
        let link = |text: &str, deed: &str| (text.to_owned(), format!("/admin/people/user/{id}/{deed}/"));
        let mut links = Vec::new();
        if cx.can("people.view_session") {
            links.push(link("Sessions", "sessions"));
        }
        if cx.can("people.change_user") {
            links.extend([link("Set a password", "password"), link("End sessions", "end-sessions")]);
            if row.fields.get("totp_confirmed_at").is_some_and(|since| !since.is_null()) {
                links.push(link("Take the second factor away", "reset-totp"));
            }
        }
        links
    }

    async fn save_model(
        &self,
        cx: &Cx,
        _spec: &Spec,
        row: Option<&Row>,
        mut fields: Map<String, Value>,
        version: Option<i64>,
    ) -> Result<Row, AdminError> {
        let identity = cx.state().identity();
        let id = match row.map(|row| row.id(&FORM).ok_or(AdminError::NotFound)).transpose()? {
            None => {
                let new = NewUser {
                    groups: groups(&fields).unwrap_or_default(),
                    permissions: fields.get("permissions").map(grants::texts).unwrap_or_default(),
                    is_staff: flag(&fields, "is_staff").unwrap_or_default(),
                    is_superuser: flag(&fields, "is_superuser").unwrap_or_default(),
                    email: text(&mut fields, "email").unwrap_or_default(),
                    name: text(&mut fields, "name").unwrap_or_default(),
                    password: text(&mut fields, "password").map(Password::new),
                    tenant: None,
                };
                identity.create_user(cx.writer(), new).await?.id
            }
            Some(id) => {
                let change = UserChange {
                    groups: groups(&fields),
                    permissions: fields.get("permissions").map(grants::texts),
                    is_active: flag(&fields, "is_active"),
                    is_staff: flag(&fields, "is_staff"),
                    is_superuser: flag(&fields, "is_superuser"),
                    email: text(&mut fields, "email"),
                    name: text(&mut fields, "name"),
                };
                if !fields.is_empty() || change.email.is_some() || change.name.is_some() {
                    identity.change_user(cx.writer(), UserId(id), change, version).await?;
                }
                id
            }
        };
        identity.forget();
        Ok(cx.state().resources().get(&FORM, &cx.writer(), id, &Selection::default()).await?)
    }

    async fn delete_model(&self, cx: &Cx, _spec: &Spec, row: &Row) -> Result<(), AdminError> {
        let id = row.id(&FORM).ok_or(AdminError::NotFound)?;
        cx.state().identity().delete_user(cx.writer(), UserId(id)).await?;
        cx.state().identity().forget();
        Ok(())
    }

    fn get_list_display(&self, _cx: &Cx, spec: &Spec) -> Vec<ListColumn> {
        spec.list_display.clone()
    }
}
