//! The one scoping point.
