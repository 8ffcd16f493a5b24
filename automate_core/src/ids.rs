//! Typed identifiers. Every one is a UUID version 7, so that ids sort by the time they were made
//! and history can be partitioned and deleted by id range (RFC 9562, section 5.7).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id of the current time.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would hide that each call differs")]
            pub fn new() -> Self {
                Self(new_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Ok(Self(Uuid::parse_str(s)?))
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

id! {
    /// The owner of every row.
    TenantId;
    /// A workflow, over all of its versions.
    WorkflowId;
    /// One immutable version of a workflow.
    VersionId;
    /// One trigger of one published version.
    TriggerId;
    /// Something that happened: a webhook delivery, a published event.
    EventId;
    /// One run of one version of a workflow.
    ExecutionId;
    /// One unit of queued work.
    OutboxId;
    /// A person's account.
    UserId;
    /// A group of users.
    GroupId;
    /// An API token.
    TokenId;
    /// One signal that was sent to an execution.
    SignalId;
    /// One operation over many executions.
    BulkId;
}

impl TenantId {
    /// The tenant that exists from the first start; its slug is `default`.
    pub const DEFAULT: Self = Self(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
}

/// The one place that makes ids. The engine never calls it; drivers do.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one source of ids")]
pub fn new_v7() -> Uuid {
    Uuid::now_v7()
}

/// When an id was made, to the millisecond, where it is of version 7 and tells it.
#[must_use]
pub fn v7_time(id: Uuid) -> Option<DateTime<Utc>> {
    let milliseconds = i64::try_from(id.as_u128() >> 80).ok()?;
    DateTime::from_timestamp_millis(milliseconds).filter(|_| id.get_version_num() == 7)
}

/// The least id that can have been made at an instant: what was made before has a lesser one.
#[must_use]
pub fn first_v7_at(instant: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(instant.timestamp_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    Uuid::from_u128(milliseconds << 80)
}
