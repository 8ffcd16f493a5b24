//! The admin: pages for every model, generated from its declaration, and the pages on which runs are
//! operated.
//!
//! A model gets its pages from a [`BaseModelAdmin`], registered with [`register_admin!`] or on the
//! app. It stands over the same [`Model`](automate_store::resource::Model) and the same service as
//! the REST API does: what is refused there is refused here. All pages are rendered on the server and
//! work without a script; see `docs/admin.md`.

pub mod account;
pub mod action;
pub mod check;
pub mod column;
pub mod control;
mod counted;
mod erased;
pub mod error;
pub mod filter;
pub mod form;
mod generated;
pub mod http;
pub mod inline;
pub mod layers;
mod link;
pub mod model_admin;
mod nav;
mod operations;
pub mod schema_form;
pub mod site;
pub mod spec;
mod state;
mod system;
pub mod views;

pub use action::{Action, ActionOutcome, Selection};
pub use check::{CheckError, CheckErrors};
pub use column::{Cell, ListColumn};
pub use error::AdminError;
pub use filter::{ListFilter, ShowFacets};
pub use form::{FieldErrors, Fieldset, Widget};
pub use generated::{delete_row, save_row};
pub use http::Cx;
pub use inline::{InlineBaseAdmin, StackedInlineBaseAdmin};
pub use layers::{
    AuditMixin, Auditable, AuditableModelAdmin, Audited, BulkActions, BulkActionsMixin, Export, ExportMixin,
    FilterMixin, Filters, ImportExport, ImportExportBaseAdmin, Layers, PermissionMixin, Permissions, Search,
    SearchMixin, SoftDelete, SoftDeleteAdmin, TenantScoped, TenantScopedAdmin,
};
#[doc(hidden)]
pub use link::LinkedAdmin;
pub use model_admin::{BaseModelAdmin, ModelAdmin};
pub use schema_form::SchemaForm;
pub use site::AdminSite;
pub use spec::{AdminSpec, Spec};
pub use state::{AdminParts, AdminSettings, AdminState};

#[doc(hidden)]
pub mod __private {
    pub use inventory;
}
