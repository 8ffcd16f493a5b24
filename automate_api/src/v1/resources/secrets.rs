//! `/secrets`: values go in and never come out.

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::limits;
use automate_core::secrets::{SecretValue, is_valid_key};
use automate_governance::models::SECRETS;
use automate_governance::secrets::{DatabaseBackend, SecretWrite};
use automate_store::resource::{Model, ResourceError};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::changing::{change, wrong};
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{
    Access, Action, BaseModelViewSet, Call, Content, Faces, Operation, Parameter, ParameterKind, Reply, Shape,
};

/// The permission to see that secrets are there.
const NAMES: &str = "secret.reveal_metadata";
/// What `key` in a path is.
const KEY: &str = "The secret's name.";

/// Secrets that are stored.
pub(super) struct Secrets;

/// A new secret.
#[derive(Deserialize, ToSchema)]
#[schema(as = SecretCreate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by hand, so that no message repeats the value")]
struct NewSecretBody {
    /// Its name: letters, digits, `_`, `-` and `.`.
    #[schema(min_length = 1, max_length = 128, pattern = "^(?!\\.+$)[A-Za-z0-9_.-]+$", example = "SLACK_TOKEN")]
    key: String,
    /// Its value.
    #[schema(min_length = 1, max_length = 65536, format = Password, write_only, example = "value")]
    value: String,
}

/// The value of a secret.
#[derive(Deserialize, ToSchema)]
#[schema(as = SecretValue)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by hand, so that no message repeats the value")]
struct ValueBody {
    /// The value.
    #[schema(min_length = 1, max_length = 65536, format = Password, write_only, example = "value")]
    value: String,
}

/// A secret without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretDetail)]
struct Detail {
    /// Its id.
    id: Uuid,
    /// Its name: `$secret:KEY` stands for its value.
    key: String,
    /// The number of its newest version.
    version: i32,
    /// When it was first set.
    created_at: DateTime<Utc>,
    /// When its newest version was set.
    updated_at: DateTime<Utc>,
    /// The versions that are kept, newest first.
    versions: Vec<Version>,
}

/// A version of a secret, without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretVersion)]
struct Version {
    /// Its number, from 1.
    version: i32,
    /// The id of the master key that it is encrypted with.
    key_id: String,
    /// When it was set.
    created_at: DateTime<Utc>,
}

#[async_trait]
impl BaseModelViewSet for Secrets {
    fn model(&self) -> &'static Model {
        &SECRETS
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::List]
    }

    fn get_permissions(&self, action: &Action) -> Access {
        let write = |permission: &str| Access::new("secrets:write", permission);
        match action {
            Action::List | Action::Retrieve => Access::new("secrets:read", NAMES),
            Action::Create => write("secrets.add_secret"),
            Action::Update | Action::Custom(_) => write("secrets.change_secret"),
            Action::Destroy => write("secrets.delete_secret"),
        }
    }

    fn faces(&self) -> Faces {
        Faces::columns().adds_shape("version", Shape::of::<i32>())
    }

    async fn represent_all(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        // Whoever names fields wants no others.
        if call.query("fields").is_some() {
            return Ok(rows.into_iter().map(Value::Object).collect());
        }
        let id_of = |row: &Map<String, Value>| row.get("id")?.as_str()?.parse::<Uuid>().ok();
        let ids = rows.iter().filter_map(id_of).collect();
        let newest = call.api.service::<DatabaseBackend>()?.newest(call.tenant()?, ids).await?;
        let with_version = |mut row: Map<String, Value>| {
            if let Some(version) = id_of(&row).and_then(|id| newest.get(&id)) {
                row.insert("version".to_owned(), json!(version));
            }
            Value::Object(row)
        };
        Ok(rows.into_iter().map(with_version).collect())
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let key = || Parameter::new("key", ParameterKind::Word, KEY).required();
        let detail = |operation: Operation, status, what: &'static str| {
            operation.answers_with(status, what, Content::Json(Shape::of::<Detail>()))
        };
        let retrieve = Operation::get("/secrets/{key}", Action::Retrieve)
            .path_parameter(key())
            .summary("Shows what is known of one secret")
            .description("Everything but its values, which nobody is shown.")
            .handler(retrieve);
        let create = Operation::post("/secrets", Action::Create)
            .summary("Stores a new secret")
            .reads::<NewSecretBody>()
            .handler(|call| async move {
                let key = text(&call, "key")?;
                write(call, key, SecretWrite::Create, StatusCode::CREATED).await
            });
        let put = Operation::put("/secrets/{key}", Action::Update)
            .path_parameter(key())
            .summary("Sets a secret")
            .description("Makes it where it is not there, which takes `secrets.add_secret` besides.")
            .reads::<ValueBody>()
            .may_fail_with(StatusCode::CONFLICT)
            .handler(put);
        let rotate = Operation::post("/secrets/{key}/rotate", Action::custom("rotate"))
            .path_parameter(key())
            .summary("Gives a secret a new value")
            .description("Attempts that run go on with the version that they began with.")
            .reads::<ValueBody>()
            .handler(|call| async move {
                let key = call.path("key").to_owned();
                write(call, key, SecretWrite::Rotate, StatusCode::OK).await
            });
        let destroy = Operation::delete("/secrets/{key}", Action::Destroy)
            .path_parameter(key())
            .summary("Deletes one secret")
            .description("With all of its versions.")
            .answers_nothing("It is deleted.")
            .handler(destroy);
        vec![
            detail(retrieve, StatusCode::OK, "The secret, without its values."),
            detail(create, StatusCode::CREATED, "The new secret, without its value."),
            detail(put, StatusCode::OK, "The secret, without its values."),
            detail(rotate, StatusCode::OK, "The secret, without its values."),
            destroy,
        ]
    }
}

/// A member of the body that is text. What it is where it is none is repeated nowhere: it may be a
/// value in the wrong place.
fn text(call: &Call, member: &str) -> Result<String, Problem> {
    match call.body.get(member) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(wrong(member, "WRONG_TYPE", "must be a text")),
        None => Err(wrong(member, "REQUIRED", "is needed")),
    }
}

/// The value that the body has.
fn value(call: &Call) -> Result<SecretValue, Problem> {
    let value = SecretValue::new(text(call, "value")?);
    if value.expose_secret().is_empty() {
        return Err(wrong("value", "REQUIRED", "must not be empty"));
    }
    if value.expose_secret().len() > limits::SECRET_BYTES {
        let message = format!("must be at most {} bytes", limits::SECRET_BYTES);
        return Err(wrong("value", "TOO_LONG", message));
    }
    Ok(value)
}

async fn retrieve(call: Call) -> Result<Reply, Problem> {
    let (tenant, key) = (call.tenant()?, call.path("key").to_owned());
    let db = call.api.database();
    let found = db.run(move |db| async move { Ok(DatabaseBackend::describe(db.orm_reader(), tenant, &key).await) });
    Reply::ok(detail(found.await??)?)
}

fn detail(
    found: Option<(
        automate_governance::secrets::entity::secret::Model,
        Vec<automate_governance::secrets::SecretVersion>,
    )>,
) -> Result<Detail, Problem> {
    let (row, versions) = found.ok_or(ResourceError::NotFound("secret"))?;
    let version = |one: automate_governance::secrets::SecretVersion| Version {
        version: one.version,
        key_id: one.key_id,
        created_at: one.created_at,
    };
    Ok(Detail {
        id: row.id,
        key: row.key,
        version: versions.first().map_or(0, |newest| newest.version),
        created_at: row.created_at,
        updated_at: row.updated_at,
        versions: versions.into_iter().map(version).collect(),
    })
}

async fn put(call: Call) -> Result<Reply, Problem> {
    // Always asked for: whether the secret is there is not for everybody to learn.
    if !call.principal.can("secrets.add_secret") {
        let detail = "you lack the permission `secrets.add_secret`";
        return Err(Problem::new(StatusCode::FORBIDDEN, "PERMISSION_REQUIRED", detail));
    }
    let key = call.path("key").to_owned();
    write(call, key, SecretWrite::Set, StatusCode::OK).await
}

async fn write(call: Call, key: String, deed: SecretWrite, status: StatusCode) -> Result<Reply, Problem> {
    if !is_valid_key(&key) {
        let message = "must be 1 to 128 letters, digits, `_`, `-` and `.`, and not of dots alone";
        return Err(wrong("key", "INVALID_KEY", message));
    }
    let value = value(&call)?;
    let backend = call.api.service::<DatabaseBackend>()?;
    let store = Arc::clone(&backend);
    let reply = change(call, move |call, txn| async move {
        let tenant = call.tenant()?;
        store.write_on_record_in(&txn, call.api.audit(), &call.writer(), tenant, &key, &value, deed).await?;
        let body = detail(DatabaseBackend::describe(&txn, tenant, &key).await?)?;
        let reply = if status == StatusCode::CREATED {
            Reply::created(&format!("{PREFIX}/secrets/{key}"), body)?
        } else {
            Reply::json(status, body)?
        };
        Ok((txn, reply))
    })
    .await?;
    backend.changed();
    Ok(reply)
}

async fn destroy(call: Call) -> Result<Reply, Problem> {
    let key = call.path("key").to_owned();
    let backend = call.api.service::<DatabaseBackend>()?;
    let store = Arc::clone(&backend);
    let reply = change(call, move |call, txn| async move {
        if !store.delete_on_record_in(&txn, call.api.audit(), &call.writer(), call.tenant()?, &key).await? {
            return Err(ResourceError::NotFound("secret").into());
        }
        Ok((txn, Reply::no_content()))
    })
    .await?;
    backend.changed();
    Ok(reply)
}
