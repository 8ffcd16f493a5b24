//! Documents to begin with.

/// A document to begin with.
#[derive(Debug)]
pub(super) struct Example {
    /// Its name in addresses.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) what: &'static str,
    /// The document.
    pub(super) source: &'static str,
}

/// What stands there where nobody chose one.
pub(super) const SCRATCH: &str = "\
workflow: my-workflow
title: My workflow
on:
  - manual: true
steps:
  - id: hello
    uses: log.write
    with: { message: \"Hello, {{ event.payload.name | default('stranger') }}!\" }
";

/// The examples of the folder `examples/workflows`.
pub(super) const ALL: &[Example] = &[
    Example {
        name: "three-steps",
        what: "Three steps after each other, started by a webhook or by hand",
        source: include_str!("../../../../examples/workflows/three-steps.yaml"),
    },
    Example {
        name: "fan-out",
        what: "Two branches at once, and a step that waits for both",
        source: include_str!("../../../../examples/workflows/fan-out.yaml"),
    },
    Example {
        name: "order-alert",
        what: "A signed webhook, a look-up over HTTP with retries, a condition, a message",
        source: include_str!("../../../../examples/workflows/order-alert.yaml"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_can_be_read() {
        for source in ALL.iter().map(|example| example.source).chain([SCRATCH]) {
            automate_core::document::parse(source).unwrap();
        }
    }
}
