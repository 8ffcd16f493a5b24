//! Performs one action: connection, input, limits, the call itself, output.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use automate_core::actions::{ActionCall, ActionRunner};
use automate_core::error::{ErrorCode, StepError};
use automate_core::limits::{MAX_WAIT, STEP_OUTPUT_BYTES};
use automate_core::status::Effect;
use futures_util::FutureExt;
use serde_json::Value;

use super::ConnectorRegistry;
use super::entry::{Action, Entry};
use crate::base::{ActionContext, Connection, ConnectorError, ContextParts, Outbound, Result};

#[async_trait]
impl ActionRunner for ConnectorRegistry {
    async fn run(&self, call: ActionCall) -> std::result::Result<Value, StepError> {
        let cancel = call.cancel.clone();
        let remaining = (call.deadline - self.clock.now()).to_std().unwrap_or(Duration::ZERO).min(MAX_WAIT);
        let Some((entry, action)) = self.find(&call.uses) else {
            return Err(self.unknown(&call.uses).into());
        };
        if cancel.is_cancelled() {
            return Err(ConnectorError::new(ErrorCode::Cancelled, "the step was cancelled before it began").into());
        }
        let (name, effect) = (call.uses.clone(), action.meta.effect);
        // Not registered with the timer unless it is polled, which actions that end at once avoid.
        let deadline = tokio::time::sleep(remaining);
        let sent = Arc::new(AtomicBool::new(false));
        let perform = self.perform(entry, action, call, sent.clone());
        let outcome = tokio::select! {
            biased;
            outcome = perform => outcome,
            () = cancel.cancelled() => Err(ConnectorError::new(ErrorCode::Cancelled, "the step was cancelled")),
            () = deadline => Err(out_of_time(&name, remaining, effect, sent.load(Ordering::Relaxed))),
        };
        outcome.map_err(StepError::from)
    }
}

impl ConnectorRegistry {
    async fn perform(&self, entry: &Entry, action: &Action, call: ActionCall, sent: Arc<AtomicBool>) -> Result<Value> {
        action.check_input(&call.input)?;
        let connection = self.connection(entry, &call).await?;
        // Waiting for a permit is bounded by the deadline around this.
        let _permit = match &entry.permits {
            Some(permits) => permits.acquire().await.ok(),
            None => None,
        };
        let ctx = self.context(entry, action, connection, &call, sent);
        let work = AssertUnwindSafe(entry.connector.execute_action(&ctx, &action.name, call.input));
        let outcome = match work.catch_unwind().await {
            Ok(outcome) => outcome.and_then(|output| {
                within_bound(&output)?;
                action.check_output(&output)?;
                Ok(output)
            }),
            // The payload of a panic may quote data, so that it is not shown.
            Err(_) => {
                Err(ConnectorError::internal(format!("`{}` panicked; this is a fault of the connector", call.uses)))
            }
        };
        let scrubber = ctx.scrubber();
        if scrubber.is_empty() {
            return outcome;
        }
        match outcome {
            Ok(mut output) => {
                scrubber.value(&mut output);
                Ok(output)
            }
            Err(error) => {
                let mut error = StepError::from(error);
                scrubber.error(&mut error);
                Err(error.into())
            }
        }
    }

    /// The step's connection: the named one, else `default` where the connector asks for that.
    async fn connection(&self, entry: &Entry, call: &ActionCall) -> Result<Connection> {
        let key = entry.connector.key();
        let Some(spec) = &entry.connection else {
            return match &call.connection {
                Some(name) => Err(ConnectorError::config_invalid(format!(
                    "`{key}` takes no connection; remove `connection: {name}` from the step"
                ))),
                None => Ok(Connection::none(key)),
            };
        };
        let name = match &call.connection {
            Some(name) => name.as_str(),
            None if spec.uses_default => "default",
            None => return Ok(Connection::none(key)),
        };
        let Some(fields) = self.connections.resolve_for(call, key, name).await? else {
            return match &call.connection {
                Some(name) => Err(ConnectorError::config_invalid(format!(
                    "there is no connection `{name}` of `{key}`; set it up or name another one"
                ))),
                None => Ok(Connection::none(key)),
            };
        };
        let connection = Connection::new(key, name, fields);
        for field in spec.fields.iter().filter(|field| field.required) {
            connection.require(field.name)?;
        }
        Ok(connection)
    }

    fn context(
        &self,
        entry: &Entry,
        action: &Action,
        connection: Connection,
        call: &ActionCall,
        sent: Arc<AtomicBool>,
    ) -> ActionContext {
        let is_shown =
            |name: &str| entry.connection.iter().flat_map(|spec| &spec.fields).any(|f| f.name == name && !f.secret);
        let secrets = connection.values().filter(|(name, _)| !is_shown(name)).map(|(_, value)| value.clone()).collect();
        ActionContext::new(ContextParts {
            outbound: Outbound {
                connector: entry.connector.key().to_owned(),
                effect: action.meta.effect,
                http: self.http.clone(),
                breakers: self.breakers.clone(),
                clock: self.clock.clone(),
                tenant_id: call.tenant_id,
                correlation_id: call.correlation_id.clone(),
                deadline: call.deadline,
                sent,
            },
            providers: self.providers.clone(),
            connection,
            execution_id: call.execution_id,
            step_path: call.step_path.clone(),
            attempt: call.attempt,
            idempotency_key: call.idempotency_key.clone(),
            cancel: call.cancel.clone(),
            log: call.log.clone(),
            secrets,
        })
    }

    fn unknown(&self, uses: &str) -> ConnectorError {
        let (key, name) = uses.split_once('.').unwrap_or((uses, ""));
        if self.entries.contains_key(key) {
            return ConnectorError::unknown_action(key, name);
        }
        let refused = self.report.refused().find(|entry| entry.key == key).and_then(|entry| entry.refused.as_deref());
        ConnectorError::config_invalid(match refused {
            Some(reason) => format!("the connector `{key}` was refused at start: {reason}"),
            None => format!("there is no connector `{key}`"),
        })
    }
}

/// For an action that must not be repeated, running out of time after something was sent leaves
/// open whether it happened.
fn out_of_time(name: &str, after: Duration, effect: Effect, sent: bool) -> ConnectorError {
    let message = format!("`{name}` did not end within {} ms", after.as_millis());
    if effect == Effect::Once && sent {
        ConnectorError::new(ErrorCode::OutcomeUnknown, format!("{message}, and may have had its effect"))
    } else {
        ConnectorError::new(ErrorCode::Timeout, message)
    }
}

/// Whether the output is small enough to be stored.
fn within_bound(output: &Value) -> Result<()> {
    let mut counter = Counter { left: STEP_OUTPUT_BYTES };
    serde_json::to_writer(&mut counter, output).map_err(|_| {
        ConnectorError::new(
            ErrorCode::LimitExceeded,
            format!("the output is larger than {STEP_OUTPUT_BYTES} bytes of JSON; select less of it"),
        )
    })
}

/// Counts bytes down and stops at the bound, so that a large output is not written out to learn
/// its size.
struct Counter {
    left: usize,
}

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
