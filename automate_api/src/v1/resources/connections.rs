//! `/connections`: named credentials of connectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_connectors::base::Health;
use automate_core::limits;
use automate_governance::connections::{CheckedFields, ConnectionChange, StoredConnections, check_fields, check_name};
use automate_governance::models::CONNECTIONS;
use automate_governance::secrets::DatabaseBackend;
use automate_store::resource::{Model, ResourceError, Row, Selection};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::changing::{change, must_be_as_read, wrong};
use super::nested::row_shape;
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Content, Faces, Operation, Reply, model_access};

/// Named credentials of connectors.
pub(super) struct Connections;

/// A new connection.
#[derive(ToSchema)]
#[schema(as = ConnectionCreate)]
#[expect(dead_code, reason = "read by hand, so that no message repeats a value")]
struct NewConnectionBody {
    /// The connector's key.
    #[schema(min_length = 1, max_length = 64, example = "slack")]
    connector: String,
    /// Its name, unique in the tenant; `default` is used by steps that name none.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$", example = "team")]
    name: String,
    /// Its fields, as the connector names them. A secret one may be `$secret:KEY`, or the value itself,
    /// which is stored as a secret and not shown again.
    #[schema(example = json!({ "token": "$secret:SLACK_TOKEN" }))]
    fields: BTreeMap<String, String>,
}

/// What of a connection is changed.
#[derive(ToSchema)]
#[schema(as = ConnectionUpdate)]
#[expect(dead_code, reason = "read by hand, so that no message repeats a value")]
struct ConnectionPatch {
    /// All of its fields.
    #[schema(example = json!({ "token": "$secret:SLACK_TOKEN" }))]
    fields: Option<BTreeMap<String, String>>,
}

/// What a test found.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionTest)]
struct Tested {
    /// `ok`; `failing`; `unknown` where the connector cannot say more than that all fields are there.
    status: String,
    /// Why it fails; null where it does not.
    reason: Option<String>,
}

impl BaseReadOnlyViewSet for Connections {
    fn model(&self) -> &'static Model {
        &CONNECTIONS
    }

    fn get_permissions(&self, action: &Action) -> Access {
        match action {
            Action::Custom(_) => Access::new("connections:write", "connection.test"),
            other => model_access(&CONNECTIONS, other),
        }
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let shape = row_shape(&CONNECTIONS, Faces::columns());
        let row = |operation: Operation, status, what: &'static str| {
            operation
                .answers_with(status, what, Content::Json(shape.clone()))
                .with_etag()
                .may_fail_with(StatusCode::CONFLICT)
        };
        let secrets = "A secret field that is given as it is takes the permissions and the scope to store secrets.";
        let create = Operation::post("/connections", Action::Create)
            .summary("Creates one connection")
            .description(secrets)
            .reads::<NewConnectionBody>()
            .handler(create);
        let update = Operation::patch("/connections/{id}", Action::Update)
            .summary("Changes one connection")
            .description(format!("Its fields, as a whole. {secrets}"))
            .reads::<ConnectionPatch>()
            .with_if_match()
            .handler(update);
        vec![
            row(create, StatusCode::CREATED, "The new connection."),
            row(update, StatusCode::OK, "The connection as it is now."),
            Operation::delete("/connections/{id}", Action::Destroy)
                .summary("Deletes one connection")
                .description("With the secrets that were stored for it alone.")
                .answers_nothing("It is deleted.")
                .with_if_match()
                .may_fail_with(StatusCode::CONFLICT)
                .handler(destroy),
            Operation::post("/connections/{id}/test", Action::custom("test"))
                .summary("Tests one connection")
                .description("Asks the connector whether the other side can be used with it, for ten seconds at most.")
                .answers::<Tested>(StatusCode::OK, "What was found; a connection that does not work is an answer, too.")
                .handler(test),
        ]
    }
}

/// A member of the body that is text.
fn text(call: &Call, member: &str) -> Result<String, Problem> {
    match call.body.get(member) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(wrong(member, "WRONG_TYPE", "must be a text")),
        None => Err(wrong(member, "REQUIRED", "is needed")),
    }
}

/// The fields that the body has.
fn fields(call: &Call) -> Result<Option<BTreeMap<String, String>>, Problem> {
    let given = match call.body.get("fields") {
        Some(Value::Object(given)) => given,
        Some(Value::Null) | None => return Ok(None),
        Some(_) => return Err(wrong("fields", "WRONG_TYPE", "must be an object of texts")),
    };
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        _ => Err(wrong("fields", "WRONG_TYPE", "must be an object of texts")),
    };
    given.iter().map(one).collect::<Result<_, Problem>>().map(Some)
}

/// Fields that can be stored in a connection of a connector.
fn checked(
    call: &Call,
    connector: &str,
    name: &str,
    given: &BTreeMap<String, String>,
) -> Result<CheckedFields, Problem> {
    let Some(spec) = call.api.connectors().connection_spec(connector) else {
        let known = call.api.connectors().connector(connector).is_some();
        let message = if known { "takes no connections" } else { "is no connector that there is" };
        return Err(wrong("connector", "UNKNOWN_CONNECTOR", message));
    };
    let checked = check_fields(spec, name, given).map_err(ResourceError::Invalid)?;
    if !checked.secrets.is_empty() {
        may_store_secrets(call)?;
    }
    Ok(checked)
}

fn may_store_secrets(call: &Call) -> Result<(), Problem> {
    let refused = |code, detail: String| Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
    if !call.principal.has_scope("secrets:write") {
        return refused("SCOPE_REQUIRED", "the token lacks the scope `secrets:write`".to_owned());
    }
    for permission in ["secrets.add_secret", "secrets.change_secret"] {
        if !call.principal.can(permission) {
            return refused("PERMISSION_REQUIRED", format!("you lack the permission `{permission}`"));
        }
    }
    Ok(())
}

fn shown(call: &Call, row: &Row) -> Map<String, Value> {
    row.shown(&CONNECTIONS, &call.principal)
}

/// Makes this process forget what it knew of the tenant's connections and secrets.
fn forget(call: &Call) -> Result<(), Problem> {
    call.api.service::<StoredConnections>()?.forget(call.tenant()?);
    call.api.service::<DatabaseBackend>()?.changed();
    Ok(())
}

async fn create(call: Call) -> Result<Reply, Problem> {
    let (connector, name) = (text(&call, "connector")?, text(&call, "name")?);
    check_name(&name).map_err(|problem| ResourceError::Invalid(vec![problem]))?;
    let checked = checked(&call, &connector, &name, &fields(&call)?.unwrap_or_default())?;
    let store = call.api.service::<DatabaseBackend>()?;
    let caller = call.clone();
    let reply = change(call, move |call, txn| async move {
        let (resources, writer) = (call.api.resources(), call.writer());
        let making = ConnectionChange { txn: &txn, resources, secrets: &store, writer: &writer };
        let row = making.create(&connector, &name, &checked).await?;
        let id = row.id(&CONNECTIONS).ok_or_else(Problem::internal)?;
        let reply = Reply::created(&format!("{PREFIX}/connections/{id}"), shown(&call, &row))?;
        Ok((txn, reply.with_version(row.version.unwrap_or_default())))
    })
    .await?;
    forget(&caller)?;
    Ok(reply)
}

async fn update(call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let given = fields(&call)?;
    let store = call.api.service::<DatabaseBackend>()?;
    let caller = call.clone();
    let reply = change(call, move |call, txn| async move {
        let resources = call.api.resources().clone();
        let old = resources.get_in(&txn, &CONNECTIONS, &call.writer(), id).await?;
        must_be_as_read(&call, old.version)?;
        let text = |column: &str| old.fields.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
        let checked = |given: BTreeMap<String, String>| checked(&call, &text("connector"), &text("name"), &given);
        let checked = given.map(checked).transpose()?;
        let writer = call.writer();
        let changing = ConnectionChange { txn: &txn, resources: &resources, secrets: &store, writer: &writer };
        let row = changing.update(&old, checked.as_ref()).await?;
        let reply = Reply::ok(shown(&call, &row))?;
        Ok((txn, reply.with_version(row.version.unwrap_or_default())))
    })
    .await?;
    forget(&caller)?;
    Ok(reply)
}

async fn destroy(call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let store = call.api.service::<DatabaseBackend>()?;
    let caller = call.clone();
    let reply = change(call, move |call, txn| async move {
        let resources = call.api.resources().clone();
        let old = resources.get_in(&txn, &CONNECTIONS, &call.writer(), id).await?;
        must_be_as_read(&call, old.version)?;
        let writer = call.writer();
        let deleting = ConnectionChange { txn: &txn, resources: &resources, secrets: &store, writer: &writer };
        deleting.delete(&old).await?;
        Ok((txn, Reply::no_content()))
    })
    .await?;
    forget(&caller)?;
    Ok(reply)
}

async fn test(call: Call) -> Result<Reply, Problem> {
    let (id, tenant) = (call.path_id("id")?, call.tenant()?);
    let row = call.api.resources().get(&CONNECTIONS, &call.writer(), id, &Selection::default()).await?;
    let text = |column: &str| row.fields.get(column).and_then(Value::as_str).unwrap_or_default();
    let (connector, name) = (text("connector"), text("name"));
    let entry = call.audit("connection.test")?.about("connection", id).with(json!({ "name": name }));
    call.api.audit().record(vec![entry]).await?;
    let correlation = &call.origin.correlation_id;
    let patience = limits::CONNECTION_TEST;
    let outcome = call.api.connectors().test_connection(tenant, connector, name, correlation, patience).await;
    let tested = |status: &str, reason: Option<String>| Tested { status: status.to_owned(), reason };
    Reply::ok(match outcome {
        Ok(Health::Ok) => tested("ok", None),
        Ok(Health::Unknown) => tested("unknown", None),
        Ok(Health::Failing { reason }) => tested("failing", Some(reason)),
        Err(error) => tested("failing", Some(error.to_string())),
    })
}
