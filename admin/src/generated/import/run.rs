//! Storing the rows of an import, or finding out what storing them would do: both do the same, and a
//! preview takes it back.

use std::sync::Arc;

use automate_store::error::store_error;
use automate_store::resource::{ResourceError, ResourceHooks, Writer};
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::generated::store::stamped;
use crate::http::Cx;

/// Rows of one transaction.
const BATCH: usize = 200;

/// What a row of the file means.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) line: usize,
    pub(super) id: Option<Uuid>,
    pub(super) version: Option<i64>,
    pub(super) fields: Map<String, Value>,
    /// Why it is not even tried; empty where it is.
    pub(super) problem: String,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) line: usize,
    pub(super) creates: bool,
    pub(super) problem: String,
}

pub(super) async fn run(
    cx: &Cx,
    admin: &dyn AnyAdmin,
    prepared: Vec<Prepared>,
    keep: bool,
) -> Result<Vec<Told>, AdminError> {
    let (model, hooks) = (admin.spec().model, stamped(cx, admin.spec()));
    let mut told = Vec::with_capacity(prepared.len());
    for batch in prepared.chunks(BATCH) {
        let (batch, hooks, writer) = (batch.to_vec(), Arc::clone(&hooks), cx.writer());
        let done = cx.state().resources().run(move |resources| async move {
            let txn = resources.db().begin().await?;
            let mut told = Vec::with_capacity(batch.len());
            for one in batch {
                let creates = one.id.is_none();
                let mut problem = one.problem.clone();
                if problem.is_empty() {
                    // A row that is refused takes itself back, and no other.
                    let point = txn.begin().await.map_err(store_error)?;
                    match store(&resources, &point, model, &writer, &hooks, &one).await {
                        Ok(()) => point.commit().await.map_err(store_error)?,
                        Err(ResourceError::Store(error)) => return Err(error.into()),
                        Err(error) => {
                            point.rollback().await.map_err(store_error)?;
                            problem = why(error);
                        }
                    }
                }
                told.push(Told { line: one.line, creates, problem });
            }
            if keep {
                txn.commit().await.map_err(store_error)?;
            } else {
                txn.rollback().await.map_err(store_error)?;
            }
            Ok(told)
        });
        told.extend(done.await?);
    }
    Ok(told)
}

async fn store(
    resources: &automate_store::resource::Resources,
    txn: &DatabaseTransaction,
    model: &'static automate_store::resource::Model,
    writer: &Writer,
    hooks: &Arc<dyn ResourceHooks>,
    one: &Prepared,
) -> Result<(), ResourceError> {
    let fields = one.fields.clone();
    match one.id {
        None => resources.create_in(txn, model, writer, &**hooks, fields).await.map(|_| ()),
        Some(id) => resources.update_in(txn, model, writer, &**hooks, id, fields, one.version).await.map(|_| ()),
    }
}

fn why(error: ResourceError) -> String {
    match error {
        ResourceError::Invalid(problems) | ResourceError::Query(problems) => {
            let told = problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message));
            told.collect::<Vec<_>>().join("; ")
        }
        ResourceError::Changed { .. } => "it was changed meanwhile".to_owned(),
        other => other.to_string(),
    }
}
