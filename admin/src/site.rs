//! The admins of models together, and the routes of all pages.

use std::sync::Arc;

use automate_store::resource::{ResourceError, Resources};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};

use crate::check::{self, CheckError, CheckErrors};
use crate::erased::{AnyAdmin, Erased};
use crate::http::{enter, greet, lost, serve_asset};
use crate::model_admin::BaseModelAdmin;
use crate::state::{AdminParts, AdminState};
use crate::{account, generated, link, operations, system, views};

/// The admins of models: the system's own, those that are linked in, those of the app.
#[derive(Clone, Default)]
pub struct AdminSite {
    admins: Vec<Arc<dyn AnyAdmin>>,
}

impl std::fmt::Debug for AdminSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.admins.iter().map(|admin| admin.spec().model.name)).finish()
    }
}

impl AdminSite {
    /// A site without any model.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A site with the system's own models, and those that linked crates registered.
    #[must_use]
    pub fn new() -> Self {
        let mut site = system::register(Self::empty());
        site.admins.extend(link::linked().map(|linked| (linked.make)()));
        site
    }

    /// The same with one more model.
    #[must_use]
    pub fn with(mut self, admin: impl BaseModelAdmin) -> Self {
        self.admins.push(Arc::new(Erased::new(admin)));
        self
    }

    /// The same with the models of another site.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.admins.extend(other.admins.iter().cloned());
        self
    }

    pub(crate) fn admins(&self) -> &[Arc<dyn AnyAdmin>] {
        &self.admins
    }

    /// The admin of a model, by the model's name.
    pub(crate) fn of(&self, model: &str) -> Option<&Arc<dyn AnyAdmin>> {
        self.admins.iter().find(|admin| admin.spec().model.name == model)
    }

    /// Looks at every admin, as the server does before it starts.
    ///
    /// # Errors
    /// Everything that is wrong, each with a code, the admin and what to do.
    pub fn check(&self) -> Result<(), CheckErrors> {
        check::check(self.admins.iter().map(|admin| admin.spec()))
    }

    /// Looks at what depends on the data, once the server runs: none of it keeps it from running.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn warnings(&self, resources: &Resources) -> Result<Vec<CheckError>, ResourceError> {
        check::search::check(resources, self.admins.iter().map(|admin| admin.spec())).await
    }

    /// The routes of all pages, below `/admin/`.
    ///
    /// # Errors
    /// As [`AdminSite::check`].
    pub fn router(self, parts: AdminParts) -> Result<Router, CheckErrors> {
        self.check()?;
        let mut pages = operations::routes().merge(account::routes()).merge(system::routes()).merge(views::routes());
        for admin in &self.admins {
            pages = pages.merge(generated::routes(admin.spec()).layer(Extension(generated::Here(Arc::clone(admin)))));
        }
        let pages = pages.route("/admin/{*lost}", get(lost).post(lost));
        let state = AdminState::new(parts, self);
        // Runs over many rows are worked on by whoever serves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(generated::serve_runs(state.clone()));
            runtime.spawn(warn(state.clone()));
        }
        let pages = pages.layer(from_fn_with_state(state.clone(), enter));
        let doors = account::doors().layer(from_fn_with_state(state.clone(), greet));
        let assets = Router::new().route("/admin/static/{hash}/{name}", get(serve_asset));
        Ok(pages.merge(doors).with_state(state).merge(assets))
    }
}

/// Tells the log of what could be better.
async fn warn(state: AdminState) {
    match state.site().warnings(state.resources()).await {
        Ok(found) => found.iter().for_each(|found| tracing::warn!(code = found.code, "{found}")),
        Err(error) => tracing::debug!(%error, "the searches of the admin could not be looked at"),
    }
}
