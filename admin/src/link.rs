//! Admins that register themselves where they are linked.

use std::sync::Arc;

use crate::erased::{AnyAdmin, Erased};
use crate::model_admin::BaseModelAdmin;

/// An admin that a linked crate registered.
#[doc(hidden)]
pub struct LinkedAdmin {
    /// The crate.
    pub origin: &'static str,
    pub(crate) make: fn() -> Arc<dyn AnyAdmin>,
}

impl LinkedAdmin {
    /// Used by `register_admin!`.
    #[must_use]
    pub const fn of<A: BaseModelAdmin + Default>(origin: &'static str) -> Self {
        Self { origin, make: || Arc::new(Erased::new(A::default())) }
    }
}

impl std::fmt::Debug for LinkedAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkedAdmin({})", self.origin)
    }
}

inventory::collect!(LinkedAdmin);

pub(crate) fn linked() -> impl Iterator<Item = &'static LinkedAdmin> {
    inventory::iter::<LinkedAdmin>.into_iter()
}

/// Registers a model's admin where it is written: `register_admin!(BookAdmin);`. The type needs
/// [`BaseModelAdmin`] and `Default`.
#[macro_export]
macro_rules! register_admin {
    ($admin:ty) => {
        $crate::__private::inventory::submit! {
            $crate::LinkedAdmin::of::<$admin>(::core::env!("CARGO_PKG_NAME"))
        }
    };
}
