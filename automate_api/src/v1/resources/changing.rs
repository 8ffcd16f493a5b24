//! Changes that are more than a row: one transaction with the answer that a repetition gets, which
//! has the shape of the model's rows.

use std::future::Future;

use automate_store::db::Database;
use automate_store::error::store_error;
use automate_store::resource::{FieldProblem, Model, ResourceError};
use sea_orm::DatabaseTransaction;
use serde_json::Value;

use crate::Problem;
use crate::v1::base::{Action, BaseReadOnlyViewSet, Call, Content, Faces, IntoView, Reply, Shape};
use crate::v1::idempotency::kept;

/// Runs a change in one transaction, in a task of its own, together with what a repetition of the
/// request is answered. After an error nothing of it is stored.
///
/// # Errors
/// Those of the work and of the database.
pub(super) async fn change<W, F>(call: Call, work: W) -> Result<Reply, Problem>
where
    W: FnOnce(Call, DatabaseTransaction) -> F + Send + 'static,
    F: Future<Output = Result<(DatabaseTransaction, Reply), Problem>> + Send + 'static,
{
    let db = call.api.database().clone();
    let run = move |db: Database| async move {
        let txn = db.begin().await?;
        let held = call.held.clone();
        // A transaction that is dropped is taken back.
        let (txn, reply) = match work(call, txn).await {
            Ok(done) => done,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(held) = held {
            let answer = kept(&reply);
            held.complete_in(&txn, answer).await?;
        }
        txn.commit().await.map_err(store_error)?;
        Ok(Ok(reply))
    };
    db.run(run).await?
}

/// Refuses a change of a row that is not as the client has read it.
///
/// # Errors
/// 412.
pub(super) fn must_be_as_read(call: &Call, version: Option<i64>) -> Result<(), Problem> {
    match (&call.if_match, version) {
        (Some(wanted), Some(current)) if !wanted.holds(current) => Err(ResourceError::Changed { current }.into()),
        _ => Ok(()),
    }
}

/// 422 with one fault of a member.
pub(super) fn wrong(member: &str, code: &'static str, message: impl Into<String>) -> Problem {
    ResourceError::Invalid(vec![FieldProblem::new(member, code, message)]).into()
}

/// The rows of a model, looked at.
struct Rows {
    model: &'static Model,
    faces: Faces,
}

impl BaseReadOnlyViewSet for Rows {
    fn model(&self) -> &'static Model {
        self.model
    }

    fn faces(&self) -> Faces {
        self.faces.clone()
    }
}

/// The shape of a row, as the model's own view shows it.
pub(super) fn row_shape(model: &'static Model, faces: Faces) -> Shape {
    let operations = Rows { model, faces }.into_view().operations;
    let answers =
        operations.into_iter().filter(|operation| operation.action == Action::Retrieve).flat_map(|o| o.answers);
    let mut shapes = answers.filter_map(|answer| match answer.content {
        Content::Json(shape) => Some(shape),
        Content::None | Content::Events(_) | Content::Bytes(_) => None,
    });
    shapes.next().unwrap_or_else(Shape::of::<Value>)
}
