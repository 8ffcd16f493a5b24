//! Tenants, for superusers.

use std::sync::LazyLock;

use async_trait::async_trait;
use automate_governance::identity::NewTenant;
use automate_governance::identity::entity::tenant;
use automate_governance::models::TENANTS;
use automate_store::resource::{Model, Row, Selection};
use serde_json::{Map, Value};

use crate::error::AdminError;
use crate::http::Cx;
use crate::model_admin::BaseModelAdmin;
use crate::spec::{AdminSpec, Spec, Verb};

/// [`TENANTS`] with what forms give.
static FORM: LazyLock<Model> = LazyLock::new(|| {
    let mut model = TENANTS.clone();
    model.columns.iter_mut().filter(|column| column.name == "slug").for_each(|column| column.on_create = true);
    model
});

/// The admin of tenants.
pub(super) struct Tenants;

#[async_trait]
impl BaseModelAdmin for Tenants {
    type Entity = tenant::Entity;
    type Layers = ();

    fn model(&self) -> &'static Model {
        &FORM
    }

    fn configure(&self, spec: &mut AdminSpec<tenant::Entity>) {
        use tenant::Column::*;
        spec.placed("People", "Tenants").text(Name).list_display([Name, Slug, Status, CreatedAt]).verbs([
            Verb::View,
            Verb::Add,
            Verb::Change,
        ]);
    }

    fn get_row_links(&self, cx: &Cx, row: &Row) -> Vec<(String, String)> {
        let Some(id) = row.id(&FORM) else { return Vec::new() };
        let link = |text: &str, page: &str| (text.to_owned(), format!("/admin/tenants/tenant/{id}/{page}/"));
        let mut links = Vec::new();
        if cx.can("tenants.view_policy") {
            links.push(link("Policy", "policy"));
        }
        if cx.principal().is_superuser {
            let active = row.fields.get("status").and_then(Value::as_str) == Some("active");
            links.push(if active { link("Suspend", "suspend") } else { link("Let it go on", "resume") });
        }
        links
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
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let new = NewTenant { slug: text("slug"), name: text("name") };
        let made = cx.state().identity().create_tenant(cx.writer(), new).await?;
        Ok(cx.state().resources().get(&FORM, &cx.writer(), made.id, &Selection::default()).await?)
    }
}
