//! Rows as records. What cannot be read is `Corrupt` and names the row and the column.

use std::str::FromStr;
use std::sync::Arc;

use automate_core::actions::LogLevel;
use automate_core::ids::{EventId, ExecutionId, SignalId, TenantId, VersionId, WorkflowId};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{EventRecord, ExecutionRecord, Json, SignalRecord, StepLog, StepRecord, StoreError};
use sea_orm::{QueryResult, TryGetable};
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The columns that [`execution`] reads.
pub(super) const EXECUTION: &str = "id, tenant_id, workflow_id, workflow, version_id, version, status, \"trigger\", \
    event_id, input, output, error, attempt, created_at, started_at, finished_at, parent_id, replay_of, \
    correlation_id, cancel_requested_at";
/// The columns that [`event`] reads.
pub(super) const EVENT: &str =
    "id, tenant_id, event_type, source, payload, headers, correlation_id, received_at, depth";
/// The columns that [`step`] reads.
pub(super) const STEP: &str = "execution_id, path, step_id, seq, uses, status, attempt, rerun, idempotency_key, \
    input, output, error, attempts, wake_at, started_at, finished_at";
/// The columns that [`log`] reads.
pub(super) const LOG: &str = "path, attempt, at, level, message, fields";

/// The columns that [`signal`] reads.
pub(super) const SIGNAL: &str = "id, seq, name, payload, dedupe_key, source, received_at";

/// A row with what to call it when it cannot be read.
struct Named<'a> {
    row: &'a QueryResult,
    name: String,
}

impl Named<'_> {
    fn corrupt(&self, column: &str, why: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt(format!("{}, column `{column}`: {why}", self.name))
    }

    fn get<T: TryGetable>(&self, column: &str) -> Result<T, StoreError> {
        self.row.try_get("", column).map_err(|error| self.corrupt(column, error))
    }

    fn word<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.get::<String>(column)?.parse().map_err(|error| self.corrupt(column, error))
    }

    fn text(&self, column: &str) -> Result<Option<Json>, StoreError> {
        Ok(self.get::<Option<String>>(column)?.map(Arc::from))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.corrupt(column, error))).transpose()
    }
}

/// The execution that a row belongs to.
pub(super) fn id_of(row: &QueryResult, column: &str) -> Result<ExecutionId, StoreError> {
    row.try_get::<Uuid>("", column).map(ExecutionId).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// An execution.
pub(super) fn execution(row: &QueryResult) -> Result<ExecutionRecord, StoreError> {
    let id = id_of(row, "id")?;
    let row = Named { row, name: format!("execution {id}") };
    Ok(ExecutionRecord {
        id,
        tenant_id: TenantId(row.get("tenant_id")?),
        workflow_id: WorkflowId(row.get("workflow_id")?),
        workflow: row.get("workflow")?,
        version_id: VersionId(row.get("version_id")?),
        version: row.get("version")?,
        status: row.word::<ExecutionStatus>("status")?,
        trigger: row.get::<String>("trigger")?.into(),
        event_id: row.get::<Option<Uuid>>("event_id")?.map(EventId),
        input: row.text("input")?,
        output: row.text("output")?,
        error: row.json("error")?,
        attempt: row.get("attempt")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        parent_id: row.get::<Option<Uuid>>("parent_id")?.map(ExecutionId),
        replay_of: row.get::<Option<Uuid>>("replay_of")?.map(ExecutionId),
        correlation_id: row.get("correlation_id")?,
        cancel_requested_at: row.get("cancel_requested_at")?,
    })
}

/// An event.
pub(super) fn event(row: &QueryResult) -> Result<EventRecord, StoreError> {
    let id = EventId(row.try_get("", "id").map_err(|error| StoreError::Corrupt(error.to_string()))?);
    let row = Named { row, name: format!("event {id}") };
    Ok(EventRecord {
        id,
        tenant_id: TenantId(row.get("tenant_id")?),
        event_type: row.get("event_type")?,
        source: row.get("source")?,
        payload: row.get::<String>("payload")?.into(),
        headers: row.text("headers")?,
        correlation_id: row.get("correlation_id")?,
        received_at: row.get("received_at")?,
        depth: u32::try_from(row.get::<i32>("depth")?).map_err(|error| row.corrupt("depth", error))?,
    })
}

/// A step.
pub(super) fn step(row: &QueryResult) -> Result<StepRecord, StoreError> {
    let id = id_of(row, "execution_id")?;
    let path: String = Named { row, name: format!("a step of execution {id}") }.get("path")?;
    let row = Named { row, name: format!("step `{path}` of execution {id}") };
    Ok(StepRecord {
        path,
        step_id: row.get("step_id")?,
        seq: row.get("seq")?,
        uses: row.get("uses")?,
        status: row.word::<StepStatus>("status")?,
        attempt: row.get("attempt")?,
        rerun: row.get("rerun")?,
        idempotency_key: row.get("idempotency_key")?,
        input: row.text("input")?,
        output: row.text("output")?,
        error: row.json("error")?,
        attempts: row.json("attempts")?.unwrap_or_default(),
        wake_at: row.get("wake_at")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

/// A log line.
pub(super) fn log(row: &QueryResult) -> Result<StepLog, StoreError> {
    let row = Named { row, name: "a log line".to_owned() };
    let level = match row.get::<String>("level")?.as_str() {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        other => return Err(row.corrupt("level", format!("`{other}` is not a level"))),
    };
    Ok(StepLog {
        path: row.get("path")?,
        attempt: row.get("attempt")?,
        at: row.get("at")?,
        level,
        message: row.get("message")?,
        fields: row.text("fields")?,
    })
}

/// A signal.
pub(super) fn signal(row: &QueryResult) -> Result<SignalRecord, StoreError> {
    let id = SignalId(row.try_get("", "id").map_err(|error| StoreError::Corrupt(error.to_string()))?);
    let row = Named { row, name: format!("signal {id}") };
    Ok(SignalRecord {
        id,
        seq: row.get("seq")?,
        name: row.get("name")?,
        payload: row.get::<String>("payload")?.into(),
        dedupe_key: row.get("dedupe_key")?,
        source: row.get("source")?,
        received_at: row.get("received_at")?,
    })
}
