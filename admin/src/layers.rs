//! Behaviour that stacks on a model's admin: each layer is a marker in [`BaseModelAdmin::Layers`], and
//! a trait that says what the layer needs to know. A marker without its trait does not compile.

use std::sync::Arc;

use automate_store::resource::Row;
use sea_orm::{EntityTrait, IdenStatic as _};

use crate::action::Action;
use crate::filter::ListFilter;
use crate::http::Cx;
use crate::model_admin::BaseModelAdmin;
use crate::spec::{Spec, Verb, names};

type ColumnOf<A> = <<A as BaseModelAdmin>::Entity as EntityTrait>::Column;

/// Layers of an admin: `()`, one marker, or a tuple of them.
pub trait Layers<A> {
    /// Adds what the layers do.
    fn apply(admin: &Arc<A>, spec: &mut Spec);
}

impl<A> Layers<A> for () {
    fn apply(_: &Arc<A>, _: &mut Spec) {}
}

macro_rules! tuple {
    ($($layer:ident)+) => {
        impl<A, $($layer: Layers<A>),+> Layers<A> for ($($layer,)+) {
            fn apply(admin: &Arc<A>, spec: &mut Spec) {
                $($layer::apply(admin, spec);)+
            }
        }
    };
}
tuple!(L1);
tuple!(L1 L2);
tuple!(L1 L2 L3);
tuple!(L1 L2 L3 L4);
tuple!(L1 L2 L3 L4 L5);
tuple!(L1 L2 L3 L4 L5 L6);
tuple!(L1 L2 L3 L4 L5 L6 L7);
tuple!(L1 L2 L3 L4 L5 L6 L7 L8);

/// Rows belong to tenants.
pub trait TenantScopedAdmin: BaseModelAdmin {
    /// The column with the tenant. It must be the one that the model's declaration scopes by (A004).
    const TENANT: ColumnOf<Self>;
}

/// The layer of [`TenantScopedAdmin`].
#[derive(Debug, Clone, Copy)]
pub struct TenantScoped;

impl<A: TenantScopedAdmin> Layers<A> for TenantScoped {
    fn apply(_: &Arc<A>, spec: &mut Spec) {
        spec.tenant = Some(A::TENANT.as_str());
    }
}

/// Rows say who made them, and who changed them last.
pub trait AuditableModelAdmin: BaseModelAdmin {
    /// The column with the name of who made the row: text.
    const CREATED_BY: ColumnOf<Self>;
    /// The column with the name of who changed it last: text.
    const UPDATED_BY: ColumnOf<Self>;
}

/// The layer of [`AuditableModelAdmin`].
#[derive(Debug, Clone, Copy)]
pub struct Auditable;

impl<A: AuditableModelAdmin> Layers<A> for Auditable {
    fn apply(_: &Arc<A>, spec: &mut Spec) {
        spec.authors = Some((A::CREATED_BY.as_str(), A::UPDATED_BY.as_str()));
    }
}

/// Rows go to the trash first, from where they can be restored.
pub trait SoftDeleteAdmin: BaseModelAdmin {
    /// The column with the time since when a row is in the trash; null otherwise.
    const DELETED_AT: ColumnOf<Self>;
}

/// The layer of [`SoftDeleteAdmin`].
#[derive(Debug, Clone, Copy)]
pub struct SoftDelete;

impl<A: SoftDeleteAdmin> Layers<A> for SoftDelete {
    fn apply(_: &Arc<A>, spec: &mut Spec) {
        spec.deleted_at = Some(A::DELETED_AT.as_str());
    }
}

/// Rows can be exported as CSV and JSON lines.
pub trait ExportMixin: BaseModelAdmin {
    /// The columns, in order; all that are shown where empty.
    fn get_export_columns(&self) -> Vec<ColumnOf<Self>> {
        Vec::new()
    }
}

/// The layer of [`ExportMixin`].
#[derive(Debug, Clone, Copy)]
pub struct Export;

impl<A: ExportMixin> Layers<A> for Export {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        spec.export = Some(exported(spec, names(&admin.get_export_columns())));
    }
}

/// Rows can be exported, and imported from CSV: columns are matched, a preview says what would
/// happen, and what fails comes back as a file.
pub trait ImportExportBaseAdmin: BaseModelAdmin {
    /// The columns of exports; all that are shown where empty.
    fn get_export_columns(&self) -> Vec<ColumnOf<Self>> {
        Vec::new()
    }

    /// The columns that an import may fill; all that a new row takes where empty.
    fn get_import_columns(&self) -> Vec<ColumnOf<Self>> {
        Vec::new()
    }
}

/// The layer of [`ImportExportBaseAdmin`].
#[derive(Debug, Clone, Copy)]
pub struct ImportExport;

impl<A: ImportExportBaseAdmin> Layers<A> for ImportExport {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        spec.export = Some(exported(spec, names(&admin.get_export_columns())));
        let mut import = names(&admin.get_import_columns());
        if import.is_empty() {
            import = spec.model.columns.iter().filter(|column| column.on_create).map(|column| column.name).collect();
        }
        spec.import = Some(import);
    }
}

fn exported(spec: &Spec, named: Vec<&'static str>) -> Vec<&'static str> {
    if !named.is_empty() {
        return named;
    }
    let shown = spec.model.columns.iter().filter(|c| c.shown && c.stored && c.needs.is_none());
    shown.map(|column| column.name).filter(|name| !spec.sensitive.contains(name)).collect()
}

/// Things that can be done with many rows at once, besides deleting them.
pub trait BulkActionsMixin: BaseModelAdmin {
    /// The actions.
    fn get_actions(&self) -> Vec<Action>;
}

/// The layer of [`BulkActionsMixin`].
#[derive(Debug, Clone, Copy)]
pub struct BulkActions;

impl<A: BulkActionsMixin> Layers<A> for BulkActions {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        spec.actions.extend(admin.get_actions());
    }
}

/// Who looked at a row is in the audit log, too. (Who changed it always is.)
pub trait AuditMixin: BaseModelAdmin {
    /// Whether a look at a row is worth an entry.
    fn audits_views(&self) -> bool {
        true
    }
}

/// The layer of [`AuditMixin`].
#[derive(Debug, Clone, Copy)]
pub struct Audited;

impl<A: AuditMixin> Layers<A> for Audited {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        spec.audit_views = admin.audits_views();
    }
}

/// Whether there is a field for searching. What it looks into is declared with the model.
pub trait SearchMixin: BaseModelAdmin {
    /// Whether the list has it.
    fn has_search(&self) -> bool {
        true
    }
}

/// The layer of [`SearchMixin`].
#[derive(Debug, Clone, Copy)]
pub struct Search;

impl<A: SearchMixin> Layers<A> for Search {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        spec.search = admin.has_search();
    }
}

/// Filters of the list that are made in code.
pub trait FilterMixin: BaseModelAdmin {
    /// The filters, in order.
    fn get_filters(&self) -> Vec<ListFilter>;
}

/// The layer of [`FilterMixin`].
#[derive(Debug, Clone, Copy)]
pub struct Filters;

impl<A: FilterMixin> Layers<A> for Filters {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        spec.filters = admin.get_filters();
    }
}

/// More than the model's permissions say about who may do what, also with a single row. It can only
/// take away: without the model's permission nobody is asked.
pub trait PermissionMixin: BaseModelAdmin {
    /// Whether somebody may see rows, or this row.
    fn has_view_permission(&self, _cx: &Cx, _row: Option<&Row>) -> bool {
        true
    }

    /// Whether somebody may add rows.
    fn has_add_permission(&self, _cx: &Cx) -> bool {
        true
    }

    /// Whether somebody may change rows, or this row.
    fn has_change_permission(&self, _cx: &Cx, _row: Option<&Row>) -> bool {
        true
    }

    /// Whether somebody may delete rows, or this row.
    fn has_delete_permission(&self, _cx: &Cx, _row: Option<&Row>) -> bool {
        true
    }
}

/// The layer of [`PermissionMixin`].
#[derive(Debug, Clone, Copy)]
pub struct Permissions;

impl<A: PermissionMixin> Layers<A> for Permissions {
    fn apply(admin: &Arc<A>, spec: &mut Spec) {
        let admin = Arc::clone(admin);
        spec.may = Some(Arc::new(move |cx, verb, row| match verb {
            Verb::View => admin.has_view_permission(cx, row),
            Verb::Add => admin.has_add_permission(cx),
            Verb::Change => admin.has_change_permission(cx, row),
            Verb::Delete => admin.has_delete_permission(cx, row),
        }));
    }
}
