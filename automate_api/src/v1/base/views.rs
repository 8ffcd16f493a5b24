//! Views: what bundles operations and is mounted.

use std::borrow::Cow;
use std::sync::Arc;

use super::access::Access;
use super::mixins::Mixins;
use super::model_operations::{model_operations, read_only_operations};
use super::model_views::{BaseModelViewSet, BaseReadOnlyViewSet};
use super::operation::{Action, Operation};
use super::throttle::Throttle;

/// A bundle of operations under one heading of the documents.
#[derive(Debug, Clone)]
pub struct ViewGroup {
    /// The resource's name, or the heading.
    pub name: String,
    /// What it is.
    pub doc: Cow<'static, str>,
    /// Whether `GET /api/v1` names it.
    pub listed: bool,
    /// What can be done.
    pub operations: Vec<Operation>,
}

/// One address with operations of its own, for what is no collection of rows.
///
/// ```ignore
/// struct Ping;
///
/// impl BaseApiView for Ping {
///     fn name(&self) -> &'static str {
///         "ping"
///     }
///     fn operations(self: Arc<Self>) -> Vec<Operation> {
///         vec![
///             Operation::get("/ping", Action::custom("ping"))
///                 .access(Access::authenticated())
///                 .answers::<Pong>(StatusCode::OK, "We are here.")
///                 .handler(|_| async { Reply::ok(Pong { ok: true }) }),
///         ]
///     }
/// }
/// ```
pub trait BaseApiView: Send + Sync + 'static {
    /// The heading in the documents.
    fn name(&self) -> &'static str;

    /// What it is, for the documents.
    fn doc(&self) -> &'static str {
        ""
    }

    /// Whether `GET /api/v1` names it.
    fn listed(&self) -> bool {
        false
    }

    /// What wraps every operation.
    fn mixins(&self) -> Mixins {
        Mixins::default()
    }

    /// What can be done. Each operation says itself who may.
    fn operations(self: Arc<Self>) -> Vec<Operation>;
}

/// A named resource whose operations are written by hand.
pub trait BaseViewSet: Send + Sync + 'static {
    /// Its name in addresses and scopes: `tools`.
    fn name(&self) -> &'static str;

    /// What it is, for the documents.
    fn doc(&self) -> &'static str {
        ""
    }

    /// Who may. Asked for operations that do not say it themselves.
    fn get_permissions(&self, action: &Action) -> Access;

    /// How often, besides what holds for the whole API.
    fn get_throttles(&self, _action: &Action) -> Vec<Throttle> {
        Vec::new()
    }

    /// What wraps every operation.
    fn mixins(&self) -> Mixins {
        Mixins::default()
    }

    /// What can be done.
    fn operations(self: Arc<Self>) -> Vec<Operation>;
}

/// Anything that can be mounted. The parameter only tells the kinds of views apart.
pub trait IntoView<Kind> {
    /// Its operations, complete.
    fn into_view(self) -> ViewGroup;
}

/// Of [`BaseApiView`].
#[derive(Debug)]
pub enum ApiViewKind {}
/// Of [`BaseViewSet`].
#[derive(Debug)]
pub enum ViewSetKind {}
/// Of [`BaseReadOnlyViewSet`].
#[derive(Debug)]
pub enum ReadOnlyKind {}
/// Of [`BaseModelViewSet`].
#[derive(Debug)]
pub enum ModelKind {}

impl<V: BaseApiView> IntoView<ApiViewKind> for V {
    fn into_view(self) -> ViewGroup {
        let (name, doc, listed, mixins) = (self.name(), self.doc(), self.listed(), self.mixins());
        let operations = Arc::new(self).operations();
        let none = |_: &Action| (None, Vec::new());
        ViewGroup {
            name: name.to_owned(),
            doc: doc.into(),
            listed,
            operations: complete(name, operations, &mixins, none),
        }
    }
}

impl<V: BaseViewSet> IntoView<ViewSetKind> for V {
    fn into_view(self) -> ViewGroup {
        let view = Arc::new(self);
        let operations = Arc::clone(&view).operations();
        let said = |action: &Action| (Some(view.get_permissions(action)), view.get_throttles(action));
        let operations = complete(view.name(), operations, &view.mixins(), said);
        ViewGroup { name: view.name().to_owned(), doc: view.doc().into(), listed: true, operations }
    }
}

impl<V: BaseReadOnlyViewSet> IntoView<ReadOnlyKind> for V {
    fn into_view(self) -> ViewGroup {
        let view = Arc::new(self);
        let model = view.model();
        let mut operations = read_only_operations(&view);
        operations.extend(Arc::clone(&view).extra_operations());
        let said = |action: &Action| (Some(view.get_permissions(action)), view.get_throttles(action));
        let operations = complete(model.name, operations, &view.mixins(), said);
        ViewGroup { name: model.name.to_owned(), doc: model.doc.into(), listed: true, operations }
    }
}

impl<V: BaseModelViewSet> IntoView<ModelKind> for V {
    fn into_view(self) -> ViewGroup {
        let view = Arc::new(self);
        let model = view.model();
        let mut operations = model_operations(&view);
        operations.extend(Arc::clone(&view).extra_operations());
        let said = |action: &Action| (Some(view.get_permissions(action)), view.get_throttles(action));
        let operations = complete(model.name, operations, &view.mixins(), said);
        ViewGroup { name: model.name.to_owned(), doc: model.doc.into(), listed: true, operations }
    }
}

/// Fills in what operations leave to their view.
fn complete(
    name: &str,
    operations: Vec<Operation>,
    mixins: &Mixins,
    said: impl Fn(&Action) -> (Option<Access>, Vec<Throttle>),
) -> Vec<Operation> {
    let fill = |mut operation: Operation| {
        let (access, throttles) = said(&operation.action);
        if let (false, Some(access)) = (operation.access.is_declared(), access) {
            operation.access = access;
        }
        operation.throttles.extend(throttles);
        if operation.tag.is_empty() {
            name.clone_into(&mut operation.tag);
        }
        if operation.id.is_empty() {
            operation.id = format!("{name}_{}", operation.action.name()).replace('-', "_");
        }
        // Strangers are all one caller: a key of theirs would show one the answer to another.
        operation.idempotent &= !operation.access.public;
        mixins.wrap(operation)
    };
    operations.into_iter().map(fill).collect()
}

/// Views to be mounted, in the order of the documents. Cheap to clone where there are few.
#[derive(Debug, Clone, Default)]
pub struct Views {
    groups: Vec<ViewGroup>,
}

impl Views {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same and one more: any of [`BaseApiView`], [`BaseViewSet`], [`BaseReadOnlyViewSet`] and
    /// [`BaseModelViewSet`].
    #[must_use]
    pub fn with<Kind>(mut self, view: impl IntoView<Kind>) -> Self {
        self.groups.push(view.into_view());
        self
    }

    /// The same and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.groups.extend(others.groups);
        self
    }

    /// The bundles.
    #[must_use]
    pub fn groups(&self) -> &[ViewGroup] {
        &self.groups
    }

    /// Every operation there is: what is not here is not mounted.
    #[must_use]
    pub fn operations(&self) -> Vec<&Operation> {
        self.groups.iter().flat_map(|group| &group.operations).collect()
    }
}
