//! What one can do.

use super::{Hold, Reason, Remedy};
use crate::store::ExecutionFacts;

fn remedy(does: &str, command: String) -> Remedy {
    Remedy { does: does.to_owned(), command: format!("automate {command}") }
}

/// What one can do about an execution, by what holds it.
pub(super) fn remedies(facts: &ExecutionFacts, reasons: &[Reason]) -> Vec<Remedy> {
    let id = facts.execution.id;
    let mut remedies = Vec::new();
    for reason in reasons {
        let found = about(facts, reason);
        remedies.extend(found.into_iter().filter(|new| !remedies.contains(new)).collect::<Vec<_>>());
    }
    let asked = facts.execution.cancel_requested_at.is_some() && reasons.iter().any(|r| r.code == Hold::Cancelling);
    if !facts.execution.status.is_terminal() && !asked {
        remedies.push(remedy("end it", format!("executions cancel {id}")));
    }
    remedies
}

fn about(facts: &ExecutionFacts, reason: &Reason) -> Vec<Remedy> {
    let id = facts.execution.id;
    let requeue = || {
        let item = facts.item.as_ref()?;
        Some(remedy("put it back into the queue, once the cause is mended", format!("outbox requeue {}", item.id)))
    };
    let replay = || remedy("run it again as a new execution", format!("executions replay {id}"));
    match reason.code {
        Hold::Held => vec![remedy("watch it", format!("executions show {id}"))],
        Hold::Cancelling | Hold::Timer | Hold::Retry => Vec::new(),
        Hold::LeaseExpired | Hold::GivenBack => {
            vec![remedy("take back at once what dead workers held", "outbox reap".to_owned())]
        }
        Hold::Queued | Hold::Overloaded => {
            vec![
                remedy("look at the queue", "outbox stats".to_owned()),
                remedy("have one more worker, here or on another machine", "worker".to_owned()),
            ]
        }
        Hold::NotRunnable => vec![remedy("see which connectors this program has", "connectors list".to_owned())],
        Hold::Signal => {
            let name = reason.signal.as_deref().unwrap_or("NAME");
            vec![remedy("send the signal", format!("executions signal {id} {name} --data JSON"))]
        }
        Hold::OutcomeUnknown => {
            let resolve = |does: &str, how: &str| {
                let step = reason.step.as_deref().unwrap_or("STEP");
                remedy(does, format!("executions resolve {id} {step} {how}"))
            };
            vec![
                resolve("it happened: go on", "--completed JSON"),
                resolve("it did not happen: call it again with the same key", "--repeat"),
                resolve("take it as failed", "--failed"),
            ]
        }
        Hold::DeadLetter => requeue().into_iter().collect(),
        Hold::Quarantined => requeue().into_iter().chain([replay()]).collect(),
        Hold::Orphaned => vec![remedy("check the installation", "doctor".to_owned())],
        Hold::Completed | Hold::Cancelled => vec![replay()],
        Hold::Failed => {
            let mut found = vec![remedy("run its failed steps again in place", format!("executions retry {id}"))];
            if let Some(step) = &reason.step {
                found.push(remedy(
                    "run it again from that step, as a new execution",
                    format!("executions replay {id} --from {step}"),
                ));
            }
            found.push(replay());
            found
        }
    }
}
