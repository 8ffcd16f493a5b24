//! `/triggers`.

use automate_store::models::workflows::TRIGGERS;
use automate_store::resource::Model;

use crate::v1::base::BaseReadOnlyViewSet;

/// What starts workflows.
pub(super) struct Triggers;

impl BaseReadOnlyViewSet for Triggers {
    fn model(&self) -> &'static Model {
        &TRIGGERS
    }
}
