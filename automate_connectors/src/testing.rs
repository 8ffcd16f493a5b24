//! The conformance kit: one line in a connector's crate runs the battery.
//!
//! ```ignore
//! automate_connectors::connector_conformance!(Slack, |kit| kit
//!     .url_field("base_url", "/api")
//!     .http_action("post_message", |_base| json!({ "channel": "#a", "text": "b" }),
//!         json!({ "ok": true, "channel": "C1", "ts": "1.2" })));
//! ```
//!
//! [`MisbehavingServer`], [`PlainHttp`] and [`TestBed`] are useful by themselves too.

mod bed;
mod client;
mod conformance;
mod server;

pub use bed::{FixedConnections, FixedSecrets, RecordingLog, TestBed, call};
pub use client::PlainHttp;
pub use conformance::Kit;
pub use server::{Behaviour, MisbehavingServer, Recorded};

use std::future::Future;

/// Runs a future on a runtime of its own, so that the crate under test needs no runtime.
///
/// # Panics
/// Where the operating system gives no runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    #[expect(clippy::expect_used, reason = "a test without a runtime cannot go on")]
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Runs the conformance battery against a connector, one test per part.
///
/// The first argument is an expression that makes the connector, the second (optional) a closure
/// that tells the [`Kit`] what it needs to know to make calls.
#[macro_export]
macro_rules! connector_conformance {
    ($connector:expr) => {
        $crate::connector_conformance!($connector, |kit| kit);
    };
    ($connector:expr, $setup:expr) => {
        #[cfg(test)]
        mod connector_conformance {
            #[allow(unused_imports, clippy::allow_attributes)]
            use super::*;

            fn kit() -> $crate::testing::Kit {
                let setup: fn($crate::testing::Kit) -> $crate::testing::Kit = $setup;
                setup($crate::testing::Kit::new(::std::sync::Arc::new($connector)))
            }

            #[test]
            fn it_is_accepted_and_its_examples_are_valid() {
                $crate::testing::block_on(kit().declarations());
            }

            #[test]
            fn unknown_actions_are_refused() {
                $crate::testing::block_on(kit().unknown_action());
            }

            #[test]
            fn bad_input_is_refused_before_anything_is_sent() {
                $crate::testing::block_on(kit().bad_input());
            }

            #[test]
            fn errors_of_the_other_side_are_mapped() {
                $crate::testing::block_on(kit().error_mapping());
            }

            #[test]
            fn a_broken_network_is_mapped() {
                $crate::testing::block_on(kit().broken_network());
            }

            #[test]
            fn secrets_show_nowhere() {
                $crate::testing::block_on(kit().secrets());
            }

            #[test]
            fn cancelling_stops_the_call() {
                $crate::testing::block_on(kit().cancellation());
            }

            #[test]
            fn repetitions_are_recognisable() {
                $crate::testing::block_on(kit().idempotency());
            }

            #[test]
            fn only_genuine_webhooks_pass() {
                $crate::testing::block_on(kit().webhooks());
            }
        }
    };
}
