//! `/tokens`: API tokens. Everybody has their own; those of others take a permission.

use std::sync::Arc;

use automate_core::access::Principal;
use automate_core::clock;
use automate_core::ids::{TokenId, UserId};
use automate_governance::identity::entity::api_token;
use automate_governance::identity::{CreatedToken, Identity, NewToken, scopes_of};
use automate_governance::models::TOKENS;
use automate_store::error::store_error;
use automate_store::resource::{Comparison, ListQuery, Model, NoHooks, ResourceError, Row, Selection};
use chrono::{DateTime, Utc};
use http::StatusCode;
use sea_orm::{DatabaseTransaction, EntityTrait as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::changing::{change, must_be_as_read, row_shape, wrong};
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{Access, Action, BaseModelViewSet, Call, Content, Faces, Operation, Reply};

/// The permission to see other people's tokens.
const VIEW: &str = "people.view_token";

/// API tokens.
pub(super) struct Tokens;

/// A new token.
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenCreate)]
#[serde(deny_unknown_fields)]
struct NewTokenBody {
    /// What it is for.
    #[schema(min_length = 1, max_length = 150, example = "deploy")]
    name: String,
    /// What it may be used for: `workflows:read`, `executions:write`, …; `admin` is everything that its
    /// owner may.
    #[schema(min_items = 1, max_items = 200, example = json!(["workflows:read", "executions:write"]))]
    scopes: Vec<String>,
    /// When it ends; never where it is left out.
    expires_at: Option<DateTime<Utc>>,
    /// Requests a minute; as many as everybody has where it is left out.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate_per_minute: Option<u32>,
    /// Its owner, whose permissions it has; the caller where it is left out. Only superusers make
    /// tokens for others.
    user_id: Option<Uuid>,
}

/// What of a token is changed.
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenUpdate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the members are read one by one, to tell null from what is left out")]
struct TokenPatch {
    /// What it is for.
    #[schema(min_length = 1, max_length = 150)]
    name: Option<String>,
    /// When it ends; never where null.
    expires_at: Option<DateTime<Utc>>,
}

/// A token that was just made. Its secret is in this answer and nowhere else.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedToken)]
struct Created {
    /// The token: what requests carry as `Authorization: Bearer`.
    token: String,
    /// Its id.
    id: Uuid,
    /// The tenant that it works in.
    tenant_id: Uuid,
    /// Its owner.
    user_id: Uuid,
    /// What it is for.
    name: String,
    /// The part of it that is shown later.
    prefix: String,
    /// What it may be used for.
    scopes: Vec<String>,
    /// Requests a minute.
    rate_per_minute: Option<i32>,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
    /// Grows with each change.
    row_version: i32,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl BaseModelViewSet for Tokens {
    fn model(&self) -> &'static Model {
        &TOKENS
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::List]
    }

    /// Everybody has tokens of their own; whose they see and change is looked at row by row.
    fn get_permissions(&self, action: &Action) -> Access {
        match action {
            Action::List | Action::Retrieve => Access::scope("tokens:read"),
            Action::Create | Action::Update | Action::Destroy | Action::Custom(_) => Access::scope("tokens:write"),
        }
    }

    fn get_queryset(&self, principal: &Principal, query: ListQuery) -> Result<ListQuery, Problem> {
        if principal.can(VIEW) {
            return Ok(query);
        }
        let own = principal.user.map_or_else(Uuid::nil, |user| user.0);
        Ok(query.filter("user_id", Comparison::Equal, vec![json!(own)]))
    }

    fn faces(&self) -> Faces {
        faces()
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let shape = row_shape(&TOKENS, faces());
        let row = |operation: Operation, what: &'static str| {
            operation.answers_with(StatusCode::OK, what, Content::Json(shape.clone())).with_etag()
        };
        vec![
            row(Operation::get("/tokens/{id}", Action::Retrieve), "The token, without its secret.")
                .summary("Shows one token")
                .handler(retrieve),
            Operation::post("/tokens", Action::Create)
                .summary("Creates one token")
                .description(
                    "It may do what both its scopes and its owner's permissions allow. Its secret is shown once, in \
                     this answer. A token makes none with scopes that it has not, nor one that outlives it.",
                )
                .reads::<NewTokenBody>()
                .answers::<Created>(StatusCode::CREATED, "The new token, with its secret.")
                .with_etag()
                .handler(create),
            row(Operation::patch("/tokens/{id}", Action::Update), "The token as it is now.")
                .summary("Changes one token")
                .description("Its name and its end; what it may do stays.")
                .reads::<TokenPatch>()
                .with_if_match()
                .may_fail_with(StatusCode::CONFLICT)
                .handler(update),
            row(Operation::post("/tokens/{id}/revoke", Action::custom("revoke")), "The token, which is worth nothing.")
                .summary("Takes a token back")
                .description("It stops working on all nodes within five seconds, and stays in the list.")
                .handler(revoke),
            Operation::delete("/tokens/{id}", Action::Destroy)
                .summary("Deletes one token")
                .description("It stops working on all nodes within five seconds. The audit log keeps its name.")
                .answers_nothing("It is gone.")
                .with_if_match()
                .may_fail_with(StatusCode::CONFLICT)
                .handler(destroy),
        ]
    }
}

fn faces() -> Faces {
    Faces::columns().adds::<Vec<String>>("scopes")
}

/// The token of the path, locked, where the caller may know of it: one's own, or anybody's with the
/// permission for what is done.
async fn of_path(call: &Call, txn: &DatabaseTransaction, permission: &str) -> Result<Row, Problem> {
    let id = call.path_id("id")?;
    known(call, call.api.resources().get_in(txn, &TOKENS, &call.writer(), id).await?, permission)
}

fn known(call: &Call, row: Row, permission: &str) -> Result<Row, Problem> {
    let own = call.principal.user.is_some_and(|user| row.fields.get("user_id") == Some(&json!(user.0)));
    if own || (call.principal.can(VIEW) && call.principal.can(permission)) { Ok(row) } else { Err(no_such()) }
}

fn no_such() -> Problem {
    ResourceError::NotFound("token").into()
}

fn reply(call: &Call, row: &Row) -> Result<Reply, Problem> {
    let reply = Reply::ok(row.shown(&TOKENS, &call.principal))?;
    Ok(match row.version {
        Some(version) => reply.with_version(version),
        None => reply,
    })
}

async fn retrieve(call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let row = call.api.resources().get(&TOKENS, &call.writer(), id, &Selection::default()).await?;
    reply(&call, &known(&call, row, VIEW)?)
}

async fn create(call: Call) -> Result<Reply, Problem> {
    let body: NewTokenBody = call.read()?;
    let owner = match (body.user_id, call.principal.user) {
        (Some(owner), _) => UserId(owner),
        (None, Some(own)) => own,
        (None, None) => return Err(wrong("user_id", "REQUIRED", "you have no account; say whose token it is")),
    };
    if call.principal.user != Some(owner) && !call.principal.is_superuser {
        let detail = "only superusers make tokens for others";
        return Err(Problem::new(StatusCode::FORBIDDEN, "SUPERUSER_REQUIRED", detail));
    }
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        must_not_outlive(&call, &txn, body.expires_at).await?;
        let new = NewToken {
            name: body.name,
            user: owner,
            tenant: Some(call.tenant()?),
            scopes: body.scopes,
            rate_per_minute: body.rate_per_minute,
            expires_at: body.expires_at,
        };
        let made = people.create_token_in(&txn, &call.writer(), new).await;
        let made = made.map_err(|error| match Problem::from(error) {
            problem if problem.status() == StatusCode::NOT_FOUND => {
                wrong("user_id", "NO_SUCH_ROW", "names no user who works in this tenant")
            }
            problem => problem,
        })?;
        let location = format!("{PREFIX}/tokens/{}", made.row.id);
        let version = made.row.row_version;
        let reply = Reply::created(&location, created(made)?)?.with_version(version.into()).confidential();
        Ok((txn, reply))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

fn created(made: CreatedToken) -> Result<Created, Problem> {
    let CreatedToken { row, fresh } = made;
    Ok(Created {
        token: fresh.secret.to_string(),
        scopes: scopes_of(&row)?.into_iter().collect(),
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        name: row.name,
        prefix: row.prefix,
        rate_per_minute: row.rate_per_minute,
        expires_at: row.expires_at,
        row_version: row.row_version,
        created_at: row.created_at,
    })
}

/// Refuses an end that is after the end of the token in use: it would go on under another name.
async fn must_not_outlive(
    call: &Call,
    txn: &DatabaseTransaction,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(), Problem> {
    let Some(token) = call.principal.token else { return Ok(()) };
    let used = api_token::Entity::find_by_id(token.0).one(txn).await.map_err(store_error)?.ok_or_else(no_such)?;
    let outlives = used.expires_at.is_some_and(|end| expires_at.is_none_or(|wanted| wanted > end));
    if outlives {
        let detail = "the token in use ends earlier than that";
        return Err(Problem::new(StatusCode::FORBIDDEN, "FORBIDDEN", detail));
    }
    Ok(())
}

async fn update(call: Call) -> Result<Reply, Problem> {
    let fields: Map<String, Value> = call.fields()?;
    // Checks the kinds; what was left out is not told from null there.
    let patch: TokenPatch = call.read()?;
    let identity = call.api.service::<Identity>()?;
    let reply = change(call, move |call, txn| async move {
        let row = of_path(&call, &txn, "people.change_token").await?;
        must_be_as_read(&call, row.version)?;
        let id = call.path_id("id")?;
        if fields.contains_key("expires_at") {
            must_not_outlive(&call, &txn, patch.expires_at).await?;
            if patch.expires_at.is_some_and(|end| end <= clock::now()) {
                return Err(wrong("expires_at", "IN_THE_PAST", "is in the past"));
            }
        }
        let row = call.api.resources().update_in(&txn, &TOKENS, &call.writer(), &NoHooks, id, fields, None).await?;
        Ok((txn, reply(&call, &row)?))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

async fn revoke(call: Call) -> Result<Reply, Problem> {
    let identity = call.api.service::<Identity>()?;
    let people = Arc::clone(&identity);
    let reply = change(call, move |call, txn| async move {
        of_path(&call, &txn, "people.delete_token").await?;
        people.revoke_token_in(&txn, &call.writer(), TokenId(call.path_id("id")?)).await?;
        let row = of_path(&call, &txn, "people.delete_token").await?;
        Ok((txn, reply(&call, &row)?))
    })
    .await?;
    identity.forget();
    Ok(reply)
}

async fn destroy(call: Call) -> Result<Reply, Problem> {
    let identity = call.api.service::<Identity>()?;
    let reply = change(call, move |call, txn| async move {
        let row = of_path(&call, &txn, "people.delete_token").await?;
        must_be_as_read(&call, row.version)?;
        let id = call.path_id("id")?;
        call.api.resources().delete_in(&txn, &TOKENS, &call.writer(), &NoHooks, id, None).await?;
        Ok((txn, Reply::no_content()))
    })
    .await?;
    identity.forget();
    Ok(reply)
}
