//! The system's own resources, one file each.

use super::base::Views;

/// The views of the system's own API.
#[must_use]
pub fn system_views() -> Views {
    Views::new()
}
