//! Admins of any entity behind one object: the pages are not generic, so that one more model costs
//! next to no build time.

use std::sync::Arc;

use automate_store::resource::{ListQuery, Row};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::column::ListColumn;
use crate::error::AdminError;
use crate::form::{FieldErrors, Fieldset, Widget};
use crate::http::Cx;
use crate::layers::Layers as _;
use crate::model_admin::BaseModelAdmin;
use crate::spec::{AdminSpec, Spec};

/// Its futures are those of the admin itself, as they are: one more around each would be compiled anew
/// for each entity.
pub(crate) trait AnyAdmin: Send + Sync + 'static {
    fn spec(&self) -> &Spec;
    fn list_display(&self, cx: &Cx) -> Vec<ListColumn>;
    fn queryset(&self, cx: &Cx, query: ListQuery) -> ListQuery;
    fn readonly_fields(&self, cx: &Cx, row: Option<&Row>) -> Vec<&'static str>;
    fn fieldsets(&self, cx: &Cx, row: Option<&Row>) -> Vec<Fieldset>;
    fn widgets<'a>(
        &'a self,
        cx: &'a Cx,
        row: Option<&'a Row>,
    ) -> BoxFuture<'a, Result<Vec<(&'static str, Widget)>, AdminError>>;
    fn initial<'a>(&'a self, cx: &'a Cx, row: Option<&'a Row>)
    -> BoxFuture<'a, Result<Map<String, Value>, AdminError>>;
    fn row_links(&self, cx: &Cx, row: &Row) -> Vec<(String, String)>;
    fn shown_once(&self, row: &Row) -> Option<(String, String)>;
    fn clean<'a>(
        &'a self,
        cx: &'a Cx,
        row: Option<&'a Row>,
        fields: &'a mut Map<String, Value>,
        errors: &'a mut FieldErrors,
    ) -> BoxFuture<'a, Result<(), AdminError>>;
    /// `spec` is the admin's own, perhaps with more hooks: what is stored with the row.
    fn save<'a>(
        &'a self,
        cx: &'a Cx,
        spec: &'a Spec,
        row: Option<&'a Row>,
        fields: Map<String, Value>,
        version: Option<i64>,
    ) -> BoxFuture<'a, Result<Row, AdminError>>;
    fn delete<'a>(&'a self, cx: &'a Cx, row: &'a Row) -> BoxFuture<'a, Result<(), AdminError>>;
}

/// The thin shim.
pub(crate) struct Erased<A> {
    admin: Arc<A>,
    spec: Spec,
}

impl<A: BaseModelAdmin> Erased<A> {
    pub(crate) fn new(admin: A) -> Self {
        let mut spec = AdminSpec::of(admin.model());
        admin.configure(&mut spec);
        let (admin, mut spec) = (Arc::new(admin), spec.spec);
        A::Layers::apply(&admin, &mut spec);
        Self { admin, spec }
    }
}

impl<A: BaseModelAdmin> AnyAdmin for Erased<A> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn list_display(&self, cx: &Cx) -> Vec<ListColumn> {
        self.admin.get_list_display(cx, &self.spec)
    }

    fn queryset(&self, cx: &Cx, query: ListQuery) -> ListQuery {
        self.admin.get_queryset(cx, query)
    }

    fn readonly_fields(&self, cx: &Cx, row: Option<&Row>) -> Vec<&'static str> {
        self.admin.get_readonly_fields(cx, &self.spec, row)
    }

    fn fieldsets(&self, cx: &Cx, row: Option<&Row>) -> Vec<Fieldset> {
        self.admin.get_fieldsets(cx, &self.spec, row)
    }

    fn widgets<'a>(
        &'a self,
        cx: &'a Cx,
        row: Option<&'a Row>,
    ) -> BoxFuture<'a, Result<Vec<(&'static str, Widget)>, AdminError>> {
        self.admin.get_widgets(cx, row)
    }

    fn initial<'a>(
        &'a self,
        cx: &'a Cx,
        row: Option<&'a Row>,
    ) -> BoxFuture<'a, Result<Map<String, Value>, AdminError>> {
        self.admin.get_initial(cx, row)
    }

    fn row_links(&self, cx: &Cx, row: &Row) -> Vec<(String, String)> {
        self.admin.get_row_links(cx, row)
    }

    fn shown_once(&self, row: &Row) -> Option<(String, String)> {
        self.admin.get_shown_once(row)
    }

    fn clean<'a>(
        &'a self,
        cx: &'a Cx,
        row: Option<&'a Row>,
        fields: &'a mut Map<String, Value>,
        errors: &'a mut FieldErrors,
    ) -> BoxFuture<'a, Result<(), AdminError>> {
        self.admin.clean(cx, row, fields, errors)
    }

    fn save<'a>(
        &'a self,
        cx: &'a Cx,
        spec: &'a Spec,
        row: Option<&'a Row>,
        fields: Map<String, Value>,
        version: Option<i64>,
    ) -> BoxFuture<'a, Result<Row, AdminError>> {
        self.admin.save_model(cx, spec, row, fields, version)
    }

    fn delete<'a>(&'a self, cx: &'a Cx, row: &'a Row) -> BoxFuture<'a, Result<(), AdminError>> {
        self.admin.delete_model(cx, &self.spec, row)
    }
}
