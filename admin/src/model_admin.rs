//! What the admin of a model is made of.

use async_trait::async_trait;
use automate_store::resource::{ListQuery, Model, Row};
use sea_orm::EntityTrait;
use serde_json::{Map, Value};

use crate::column::ListColumn;
use crate::error::AdminError;
use crate::form::{FieldErrors, Fieldset, Widget};
use crate::http::Cx;
use crate::layers::Layers;
use crate::spec::{AdminSpec, Spec};

/// The admin of a model. Only the entity, the layers and the declaration are needed; each of the
/// other methods is a point where a project says otherwise.
#[async_trait]
pub trait BaseModelAdmin: Send + Sync + Sized + 'static {
    /// The entity.
    type Entity: EntityTrait;
    /// What it does besides: `()`, or a tuple such as `(TenantScoped, Export)`. Each has a trait that
    /// the admin implements; without it the tuple does not compile.
    type Layers: Layers<Self>;

    /// The declaration of the entity's columns, which the REST API shares.
    fn model(&self) -> &'static Model;

    /// The declarative part; called once.
    fn configure(&self, _spec: &mut AdminSpec<Self::Entity>) {}

    /// The columns of the list, for whoever asks.
    fn get_list_display(&self, _cx: &Cx, spec: &Spec) -> Vec<ListColumn> {
        spec.list_display.clone()
    }

    /// Which rows there are, for whoever asks: adds conditions to everything that reads rows — lists,
    /// counts, pages of single rows, pickers, exports, actions. It can narrow what the tenant's scope
    /// allows, and never widen it.
    fn get_queryset(&self, _cx: &Cx, query: ListQuery) -> ListQuery {
        query
    }

    /// Fields that the form shows and does not take: what is posted for them is dropped.
    fn get_readonly_fields(&self, _cx: &Cx, spec: &Spec, _row: Option<&Row>) -> Vec<&'static str> {
        spec.readonly.clone()
    }

    /// The fields of the form under headings.
    fn get_fieldsets(&self, _cx: &Cx, spec: &Spec, _row: Option<&Row>) -> Vec<Fieldset> {
        spec.fieldsets.clone()
    }

    /// Widgets that are known only when the form is opened, such as choices that are rows themselves;
    /// they come before those of the declaration.
    async fn get_widgets(&self, _cx: &Cx, _row: Option<&Row>) -> Result<Vec<(&'static str, Widget)>, AdminError> {
        Ok(Vec::new())
    }

    /// What a form is filled with besides the row's own columns: inputs that the table has no column
    /// for, and the fields of a new row.
    async fn get_initial(&self, _cx: &Cx, _row: Option<&Row>) -> Result<Map<String, Value>, AdminError> {
        Ok(Map::new())
    }

    /// Pages that a row has besides its form: `(what the link says, its address)`.
    fn get_row_links(&self, _cx: &Cx, _row: &Row) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What is shown after a row was stored, once and never again, such as a token: what it is, and
    /// the thing itself.
    fn get_shown_once(&self, _row: &Row) -> Option<(String, String)> {
        None
    }

    /// Looks at what was typed, after each field was checked by itself; may complete it.
    async fn clean(
        &self,
        _cx: &Cx,
        _row: Option<&Row>,
        _fields: &mut Map<String, Value>,
        _errors: &mut FieldErrors,
    ) -> Result<(), AdminError> {
        Ok(())
    }

    /// Stores a new row, or changes `row`. `version` is the version that the form was made of; where
    /// the row has another one by now, this must fail with `Changed`.
    async fn save_model(
        &self,
        cx: &Cx,
        spec: &Spec,
        row: Option<&Row>,
        fields: Map<String, Value>,
        version: Option<i64>,
    ) -> Result<Row, AdminError> {
        crate::generated::save_row(cx, spec, row, fields, version).await
    }

    /// Deletes a row.
    async fn delete_model(&self, cx: &Cx, spec: &Spec, row: &Row) -> Result<(), AdminError> {
        crate::generated::delete_row(cx, spec, row).await
    }
}

/// An admin that is declared and overrides nothing: `ModelAdmin::new(&BOOKS, |spec| { … })`.
pub struct ModelAdmin<E: EntityTrait> {
    model: &'static Model,
    configure: fn(&mut AdminSpec<E>),
}

impl<E: EntityTrait> std::fmt::Debug for ModelAdmin<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelAdmin({})", self.model.name)
    }
}

impl<E: EntityTrait> ModelAdmin<E> {
    /// The admin of a model.
    pub fn new(model: &'static Model, configure: fn(&mut AdminSpec<E>)) -> Self {
        Self { model, configure }
    }
}

impl<E: EntityTrait> BaseModelAdmin for ModelAdmin<E> {
    type Entity = E;
    type Layers = ();

    fn model(&self) -> &'static Model {
        self.model
    }

    fn configure(&self, spec: &mut AdminSpec<E>) {
        (self.configure)(spec);
    }
}
