//! The words for where things stand, as they are stored, shown and sent.

/// A word that is not one of the known states.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {of}; use one of: {known}")]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// The name of the vocabulary.
    pub of: &'static str,
    /// The words it has, separated by commas.
    pub known: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $of:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every value, in the order of the definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stored and shown word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::status::UnknownWord;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                match s {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::status::UnknownWord {
                        word: s.to_owned(),
                        of: $of,
                        known: [$($word),*].join(", "),
                    }),
                }
            }
        }
    };
}

pub(crate) use words;

words! {
    /// Where an execution stands.
    ExecutionStatus, "execution status" {
        /// Accepted, no step has begun.
        Pending = "pending",
        /// A worker holds it or will pick it up at once.
        Running = "running",
        /// It waits for a time, a retry or a person; nothing is to be done now.
        Waiting = "waiting",
        /// Ended well.
        Completed = "completed",
        /// Ended with an error.
        Failed = "failed",
        /// Ended by a request to cancel.
        Cancelled = "cancelled",
    }
}

impl ExecutionStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Waiting => false,
        }
    }
}

words! {
    /// Where a step stands.
    StepStatus, "step status" {
        /// Not begun.
        Pending = "pending",
        /// Its action runs, or its intent to run is on record.
        Running = "running",
        /// It waits for a time or for its next attempt.
        Waiting = "waiting",
        /// Ended well.
        Completed = "completed",
        /// Ended with an error.
        Failed = "failed",
        /// Its condition was false, or the execution ended before it.
        Skipped = "skipped",
        /// The execution was cancelled while it ran.
        Cancelled = "cancelled",
        /// The worker died while an effect was under way; whether it happened is not known.
        OutcomeUnknown = "outcome_unknown",
    }
}

impl StepStatus {
    /// Whether the step has come to an end that its successors can build on.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Skipped | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Waiting | Self::OutcomeUnknown => false,
        }
    }
}

words! {
    /// Where a unit of queued work stands.
    OutboxStatus, "outbox status" {
        /// Ready, or ready at its `next_attempt_at`.
        Pending = "PENDING",
        /// Leased by a worker.
        Running = "RUNNING",
        /// To be tried again at its `next_attempt_at`.
        Retry = "RETRY",
        /// Done. Kept only where the store was told to keep done work.
        Completed = "COMPLETED",
        /// A dead letter: kept until requeued or purged.
        Failed = "FAILED",
    }
}

words! {
    /// What an action does to the world, which decides what is recorded around it.
    Effect, "effect" {
        /// Nothing: it may be computed again at any time.
        Pure = "pure",
        /// Something that may be repeated with the same idempotency key.
        Idempotent = "idempotent",
        /// Something that must not be repeated: an intent is recorded before the call.
        Once = "once",
    }
}

words! {
    /// What is done to many executions at once.
    BulkOperation, "bulk operation" {
        /// Each is asked to stop.
        Cancel = "cancel",
        /// Failed ones go on in place.
        Retry = "retry",
        /// Ended ones run again, as new executions.
        Replay = "replay",
        /// Dead letters go back into the queue.
        Requeue = "requeue",
    }
}

words! {
    /// Where an operation over many executions stands.
    BulkStatus, "bulk status" {
        /// Selected and queued.
        Pending = "pending",
        /// A worker is at it.
        Running = "running",
        /// Everything selected was gone through.
        Completed = "completed",
        /// Somebody ended it before that.
        Cancelled = "cancelled",
    }
}

words! {
    /// What became of one execution of a bulk operation.
    BulkItemStatus, "bulk item status" {
        /// Not gone through.
        Pending = "pending",
        /// Done.
        Done = "done",
        /// Tried, and it did not work.
        Failed = "failed",
        /// Not done, because the execution was not in a state for it any more.
        Skipped = "skipped",
    }
}
