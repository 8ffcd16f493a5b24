//! `/users`: people who log in, what they may do, and what others do about their accounts.

mod bodies;
mod grants;

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::ids::UserId;
use automate_governance::identity::{Identity, Password};
use automate_governance::models::USERS;
use automate_store::resource::{Model, Selection};
use http::StatusCode;
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{Array, KnownFormat, Object, Schema, SchemaFormat, Type};
use uuid::Uuid;

use super::changing::{change, must_be_as_read, row_shape};
use super::giving::{check_known, giver};
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{Action, BaseReadOnlyViewSet, Call, Content, Faces, Operation, Reply, Shape};
use bodies::{NewUserBody, PasswordBody, UserPatch};

/// People who log in.
pub(super) struct Users;

#[async_trait]
impl BaseReadOnlyViewSet for Users {
    fn model(&self) -> &'static Model {
        &USERS
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
        let rows = db.run(move |db| async move { grants::add(db.orm_reader(), rows).await }).await?;
        Ok(rows.into_iter().map(Value::Object).collect())
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let shape = row_shape(&USERS, faces());
        let shown = |operation: Operation, status, what: &'static str| {
            operation.answers_with(status, what, Content::Json(shape.clone())).may_fail_with(StatusCode::CONFLICT)
        };
        let create = Operation::post("/users", Action::Create)
            .summary("Creates one user")
            .description(
                "Nobody makes somebody who may do more than they; a token without the scope `admin` gives only \
                 permissions that its scopes let it use. Without a password the user logs in elsewhere, or not at all.",
            )
            .reads::<NewUserBody>()
            .with_etag()
            .handler(create);
        let update = Operation::patch("/users/{id}", Action::Update)
            .summary("Changes one user")
            .description(
                "Changes the fields that are given, and no others; `groups` and `permissions` as a whole. With \
                 `is_active: false` their sessions and tokens stop working, on all nodes within five seconds.",
            )
            .reads::<UserPatch>()
            .with_etag()
            .with_if_match()
            .handler(update);
        let destroy = Operation::delete("/users/{id}", Action::Destroy)
            .summary("Deletes one user")
            .description("With their sessions and tokens. What they did stays in the audit log.")
            .answers_nothing("They are deleted.")
            .with_if_match()
            .may_fail_with(StatusCode::CONFLICT)
            .handler(destroy);
        let mut password = Operation::post("/users/{id}/password", Action::custom("password"))
            .summary("Gives somebody a password")
            .description("Their sessions end. One's own is changed at `/session/password`, which asks for the old one.")
            .reads::<PasswordBody>()
            .answers_nothing("It is their password now.")
            .may_fail_with(StatusCode::CONFLICT)
            .handler(set_password);
        // The key would be kept with a digest of the password.
        password.idempotent = false;
        let logout = Operation::post("/users/{id}/logout", Action::custom("logout"))
            .summary("Ends all sessions of a user")
            .description("On all nodes within five seconds. Tokens go on.")
            .answers_nothing("They are logged out.")
            .handler(log_out);
        let totp = Operation::delete("/users/{id}/totp", Action::custom("reset_totp"))
            .summary("Takes somebody's second factor away")
            .description("For who has lost theirs. Their sessions end.")
            .answers_nothing("No code is asked for any more.")
            .handler(reset_totp);
        vec![
            shown(create, StatusCode::CREATED, "The new user."),
            shown(update, StatusCode::OK, "The user as they are now."),
            destroy,
            password,
            logout,
            totp,
        ]
    }
}

fn faces() -> Faces {
    let id = Object::builder().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let groups = Schema::Array(Array::new(Schema::Object(id.build())));
    Faces::columns().adds_shape("groups", Shape::inline(groups)).adds::<Vec<String>>("permissions")
}

/// A user as the caller sees them within a transaction.
async fn shown(call: &Call, txn: &DatabaseTransaction, id: Uuid) -> Result<Map<String, Value>, Problem> {
    let row = call.api.resources().get_in(txn, &USERS, &call.writer(), id).await?;
    let mut rows = grants::add(txn, vec![row.shown(&USERS, &call.principal)]).await?;
    rows.pop().ok_or_else(Problem::internal)
}

async fn create(call: Call) -> Result<Reply, Problem> {
    let body: NewUserBody = call.read()?;
    let (new, password) = body.into_parts();
    check_known(&call, &new.permissions)?;
    let identity = call.api.service::<Identity>()?;
    let hash = match password {
        Some(password) => Some(identity.hash_new_password(&password, &[&new.email, &new.name]).await?),
        None => None,
    };
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        let row = people.create_user_in(&txn, &giver(&call), new, hash).await?;
        let body = shown(&call, &txn, row.id).await?;
        let reply = Reply::created(&format!("{PREFIX}/users/{}", row.id), body)?;
        Ok((txn, reply.with_version(row.row_version.into())))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

async fn update(call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let patch: UserPatch = call.read()?;
    check_known(&call, patch.permissions.as_deref().unwrap_or_default())?;
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        let row = call.api.resources().get_in(&txn, &USERS, &call.writer(), id).await?;
        must_be_as_read(&call, row.version)?;
        let row = people.change_user_in(&txn, &giver(&call), UserId(id), patch.into(), None).await?;
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
        let row = call.api.resources().get_in(&txn, &USERS, &call.writer(), id).await?;
        must_be_as_read(&call, row.version)?;
        people.delete_user_in(&txn, &giver(&call), UserId(id)).await?;
        Ok((txn, Reply::no_content()))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

/// Refuses what is no user of the caller's tenant, as if there were none.
async fn must_be_there(call: &Call) -> Result<UserId, Problem> {
    let id = call.path_id("id")?;
    call.api.resources().get(&USERS, &call.writer(), id, &Selection::default()).await?;
    Ok(UserId(id))
}

async fn set_password(call: Call) -> Result<Reply, Problem> {
    let body: PasswordBody = call.read()?;
    let user = must_be_there(&call).await?;
    if call.principal.user == Some(user) {
        // Who finds a browser open, or a token, would otherwise take the account over.
        let detail = "change your own password at /session/password, which asks for the old one";
        return Err(Problem::new(StatusCode::CONFLICT, "OWN_PASSWORD", detail));
    }
    let identity = call.api.service::<Identity>()?;
    identity.set_password(giver(&call), user, &Password::new(body.password), body.revoke_tokens).await?;
    Ok(Reply::no_content())
}

async fn log_out(call: Call) -> Result<Reply, Problem> {
    let user = must_be_there(&call).await?;
    call.api.service::<Identity>()?.log_out_everywhere(giver(&call), user, None).await?;
    Ok(Reply::no_content())
}

async fn reset_totp(call: Call) -> Result<Reply, Problem> {
    let user = must_be_there(&call).await?;
    call.api.service::<Identity>()?.totp_reset(giver(&call), user).await?;
    Ok(Reply::no_content())
}
