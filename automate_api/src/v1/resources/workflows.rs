//! `/workflows`.

use automate_store::models::workflows::WORKFLOWS;
use automate_store::resource::Model;

use crate::v1::base::BaseReadOnlyViewSet;

/// Workflows, each over all of its versions.
pub(super) struct Workflows;

impl BaseReadOnlyViewSet for Workflows {
    fn model(&self) -> &'static Model {
        &WORKFLOWS
    }
}
