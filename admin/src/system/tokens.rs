//! API tokens: shown once when they are made, and taken back.

use std::sync::LazyLock;

use async_trait::async_trait;
use automate_governance::identity::NewToken;
use automate_governance::identity::entity::api_token;
use automate_governance::models::TOKENS;
use automate_store::resource::{Model, Row, Selection};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::grants;
use crate::control::Choice;
use crate::error::AdminError;
use crate::filter::ListFilter;
use crate::form::{Fieldset, Widget};
use crate::http::Cx;
use crate::model_admin::BaseModelAdmin;
use crate::spec::{AdminSpec, Spec, Verb};

/// The secret in a row that was just made; no column is called so.
const SECRET: &str = "secret";

/// [`TOKENS`] with what forms give.
static FORM: LazyLock<Model> = LazyLock::new(|| {
    let mut model = TOKENS.clone();
    for column in &mut model.columns {
        column.on_create |= ["scopes", "rate_per_minute"].contains(&column.name);
    }
    model
});

/// The admin of tokens.
pub(super) struct Tokens;

#[async_trait]
impl BaseModelAdmin for Tokens {
    type Entity = api_token::Entity;
    type Layers = ();

    fn model(&self) -> &'static Model {
        &FORM
    }

    fn configure(&self, spec: &mut AdminSpec<api_token::Entity>) {
        use api_token::Column::*;
        spec.placed("People", "API tokens")
            .text(Name)
            .list_display([Name, Prefix, Scopes, ExpiresAt, LastUsedAt, RevokedAt])
            .list_filter([
                ListFilter::custom(
                    "works",
                    &[
                        ("yes", "works", &[("revoked_at__isnull", "true")]),
                        ("no", "taken back", &[("revoked_at__isnull", "false")]),
                    ],
                ),
                ListFilter::date(ExpiresAt),
                ListFilter::date(LastUsedAt),
            ])
            .label(RatePerMinute, "Requests a minute")
            .verbs([Verb::View, Verb::Add, Verb::Change]);
    }

    fn get_fieldsets(&self, _cx: &Cx, _spec: &Spec, row: Option<&Row>) -> Vec<Fieldset> {
        let mut fields = vec!["name", "expires_at", "rate_per_minute", "scopes"];
        if row.is_some() {
            fields.extend(["prefix", "last_used_at", "revoked_at", "created_at"]);
        }
        vec![Fieldset { title: "", description: "", fields, folded: false }]
    }

    async fn get_widgets(&self, cx: &Cx, _row: Option<&Row>) -> Result<Vec<(&'static str, Widget)>, AdminError> {
        let mut scopes: Vec<&str> = cx.state().identity().settings().scopes.names().collect();
        scopes.sort_unstable();
        let choices = scopes.into_iter().map(|scope| Choice::new(scope, scope, false)).collect();
        Ok(vec![("scopes", Widget::Checks(vec![("Scopes".to_owned(), choices)]))])
    }

    fn get_row_links(&self, cx: &Cx, row: &Row) -> Vec<(String, String)> {
        let works = row.fields.get("revoked_at").is_none_or(Value::is_null);
        let id = row.id(&FORM).filter(|_| works && cx.can("people.delete_token"));
        id.map(|id| ("Take it back".to_owned(), format!("/admin/people/token/{id}/revoke/"))).into_iter().collect()
    }

    fn get_shown_once(&self, row: &Row) -> Option<(String, String)> {
        let secret = row.fields.get(SECRET)?.as_str()?;
        Some(("The new token".to_owned(), secret.to_owned()))
    }

    async fn save_model(
        &self,
        cx: &Cx,
        spec: &Spec,
        row: Option<&Row>,
        fields: Map<String, Value>,
        version: Option<i64>,
    ) -> Result<Row, AdminError> {
        if row.is_some() {
            return crate::generated::save_row(cx, spec, row, fields, version).await;
        }
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let rate = fields.get("rate_per_minute").and_then(Value::as_i64);
        let new = NewToken {
            name: text("name").unwrap_or_default().to_owned(),
            user: cx.principal().user.ok_or(AdminError::NotFound)?,
            tenant: cx.principal().tenant,
            scopes: fields.get("scopes").map(grants::texts).unwrap_or_default(),
            // What is no such number is refused as 0 is.
            rate_per_minute: rate.map(|rate| u32::try_from(rate).unwrap_or_default()),
            expires_at: text("expires_at").and_then(|text| text.parse::<DateTime<Utc>>().ok()),
        };
        let made = cx.state().identity().create_token(cx.writer(), new).await?;
        let mut row = cx.state().resources().get(&FORM, &cx.writer(), made.row.id, &Selection::default()).await?;
        row.fields.insert(SECRET.to_owned(), Value::String(made.fresh.secret.to_string()));
        Ok(row)
    }
}
