//! The drivers around the pure engine: accepting, claiming, performing, recording, recovering.
//!
//! [`Engine`] is the handle that everything else holds. It contains no workflow semantics: those
//! are in [`crate::engine`].

mod about;
mod active;
mod arrivals;
mod begin;
mod definitions;
mod handlers;
mod intake;
mod operate;
mod perform;
mod publish;
mod run;
mod settings;
mod triggers;
mod worker;

pub use intake::{
    InputProblem, IntakeError, PublishEvent, Received, RedeliveredBy, Redelivery, RedeliveryError, StartRequest,
    TestAbout, TestError, WebhookDelivery, WebhookEndpoint, WebhookTarget, dedupe_of,
};
pub use operate::{
    BulkEffect, BulkPreview, BulkRequest, OperateError, RerunPlan, RerunRequest, RerunVersion, SignalRequest, Signalled,
};
pub use publish::{PublishError, Published};
pub use settings::{Ports, Settings};
pub use worker::WorkerStatus;

use std::sync::Arc;

/// The handle on a running engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    ports: Ports,
    settings: Settings,
    active: active::Active,
    definitions: definitions::Definitions,
    triggers: triggers::Triggers,
}

impl Engine {
    /// An engine over its ports. Nothing runs until [`Engine::run_worker`], except executions that
    /// are started here with a free slot.
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        let active = active::Active::new(settings.concurrency);
        Self {
            inner: Arc::new(Inner {
                ports,
                settings,
                active,
                definitions: definitions::Definitions::default(),
                triggers: triggers::Triggers::default(),
            }),
        }
    }

    /// What the engine was built over.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    /// How the engine was set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}
