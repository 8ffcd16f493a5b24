//! `/tenants`: for superusers all of them, for everybody else their own, its policy and its usage.

mod policy;
mod usage;

use std::sync::Arc;

use automate_core::ids::TenantId;
use automate_governance::identity::entity::tenant;
use automate_governance::identity::{Identity, NewTenant};
use automate_governance::models::TENANTS;
use automate_governance::policy::Governor;
use automate_store::error::store_error;
use automate_store::resource::{Model, ResourceError};
use http::StatusCode;
use sea_orm::EntityTrait as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::changing::{change, row_shape};
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{Access, Action, BaseModelViewSet, Call, Content, Faces, Mixins, Operation, Reply};

/// The owners of rows.
pub(super) struct Tenants;

/// A new tenant.
#[derive(Deserialize, ToSchema)]
#[schema(as = TenantCreate)]
#[serde(deny_unknown_fields)]
struct NewTenantBody {
    /// Its name in addresses, which never changes: small letters, digits and single `-`, beginning with
    /// a letter.
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z](-?[a-z0-9])*$", example = "acme")]
    slug: String,
    /// Its name for people.
    #[schema(min_length = 1, max_length = 150, example = "Acme Ltd")]
    name: String,
}

/// A tenant as it is shown.
#[derive(Serialize)]
struct Shown {
    id: Uuid,
    slug: String,
    name: String,
    created_at: chrono::DateTime<chrono::Utc>,
    status: String,
    row_version: i32,
}

impl From<tenant::Model> for Shown {
    fn from(row: tenant::Model) -> Self {
        let tenant::Model { id, slug, name, created_at, status, row_version } = row;
        Self { id, slug, name, created_at, status, row_version }
    }
}

impl BaseModelViewSet for Tenants {
    fn model(&self) -> &'static Model {
        &TENANTS
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::List, Action::Update]
    }

    fn get_permissions(&self, action: &Action) -> Access {
        match action {
            Action::Retrieve => Access::new("tenants:read", "tenants.view_tenant"),
            Action::List => Access::superuser("tenants:read"),
            Action::Create | Action::Update | Action::Destroy | Action::Custom(_) => Access::superuser("tenants:write"),
        }
    }

    fn mixins(&self) -> Mixins {
        Mixins::default().without_tenant()
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let shape = row_shape(&TENANTS, Faces::columns());
        let row = |operation: Operation, status, what: &'static str| {
            operation.answers_with(status, what, Content::Json(shape.clone())).with_etag()
        };
        let suspend = Operation::post("/tenants/{id}/suspend", Action::custom("suspend"))
            .summary("Suspends a tenant")
            .description(
                "Its sessions and tokens stop working and nothing of it is started, on all nodes within five seconds.",
            )
            .handler(|call| set_status(call, true));
        let resume = Operation::post("/tenants/{id}/resume", Action::custom("resume"))
            .summary("Lets a suspended tenant go on")
            .description("Its sessions and tokens work again.")
            .handler(|call| set_status(call, false));
        let mut operations = vec![
            row(Operation::get("/tenants/{id}", Action::Retrieve), StatusCode::OK, "The tenant.")
                .summary("Shows one tenant")
                .description("One's own; superusers see all of them.")
                .handler(retrieve),
            row(Operation::post("/tenants", Action::Create), StatusCode::CREATED, "The new tenant.")
                .summary("Creates one tenant")
                .description("With the default groups.")
                .reads::<NewTenantBody>()
                .handler(create),
            row(suspend, StatusCode::OK, "The tenant, suspended."),
            row(resume, StatusCode::OK, "The tenant, at work."),
        ];
        operations.extend(policy::operations());
        operations.push(usage::operation());
        operations
    }
}

/// The tenant of the path: any for superusers, for everybody else their own.
async fn of_path(call: &Call) -> Result<tenant::Model, Problem> {
    let id = call.path_id("id")?;
    let known = call.principal.is_superuser || call.principal.tenant == Some(TenantId(id));
    let found = if known {
        let find = tenant::Entity::find_by_id(id);
        let db = call.api.database();
        db.run(move |db| async move { find.one(db.orm_reader()).await.map_err(store_error) }).await?
    } else {
        None
    };
    found.ok_or_else(|| ResourceError::NotFound("tenant").into())
}

fn reply(row: tenant::Model) -> Result<Reply, Problem> {
    let version = row.row_version;
    Ok(Reply::ok(Shown::from(row))?.with_version(version.into()))
}

async fn retrieve(call: Call) -> Result<Reply, Problem> {
    reply(of_path(&call).await?)
}

async fn create(call: Call) -> Result<Reply, Problem> {
    let body: NewTenantBody = call.read()?;
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        let new = NewTenant { slug: body.slug, name: body.name };
        let row = people.create_tenant_in(&txn, &call.writer(), new).await?;
        let (id, version) = (row.id, row.row_version);
        let reply = Reply::created(&format!("{PREFIX}/tenants/{id}"), Shown::from(row))?;
        Ok((txn, reply.with_version(version.into())))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

async fn set_status(call: Call, suspended: bool) -> Result<Reply, Problem> {
    let tenant = TenantId(of_path(&call).await?.id);
    call.api.service::<Identity>()?.suspend_tenant(call.writer(), tenant, suspended).await?;
    call.api.service::<Governor>()?.forget(tenant);
    reply(of_path(&call).await?)
}
