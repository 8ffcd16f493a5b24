//! What surrounds every page.

use super::{Cx, Flash, Prefs, Visitor, asset};

/// A place above a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crumb {
    /// What it is called.
    pub label: String,
    /// Where it is; empty for the page itself.
    pub url: String,
}

/// A group of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NavGroup {
    /// Its heading.
    pub title: &'static str,
    /// Its pages.
    pub items: Vec<NavItem>,
}

/// A page in the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NavItem {
    /// What it is called.
    pub label: String,
    /// Where it is.
    pub url: String,
    /// Its icon.
    pub icon: &'static str,
    /// Whether the page that is shown is it, or below it.
    pub current: bool,
    /// How many need somebody; empty where none does, or nobody counts.
    pub count: String,
}

/// What surrounds every page: `admin/base.html` takes it as `shell`.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The page's title.
    pub title: String,
    /// Whether the form on it was refused.
    pub error: bool,
    /// The places above it.
    pub crumbs: Vec<Crumb>,
    /// The navigation; empty for whoever is not logged in.
    pub nav: Vec<NavGroup>,
    /// Who is logged in.
    pub user: String,
    /// The tenant that they work in, by its id; empty where there is none.
    pub tenant: String,
    /// What their forms carry.
    pub csrf: String,
    /// How it looks.
    pub prefs: Prefs,
    /// What is to be said.
    pub flashes: Vec<Flash>,
    /// The address that is shown, for coming back to it.
    pub here: String,
    /// Where what is new on the page comes from; empty where nothing is.
    pub live: String,
    /// The request's id, for asking about it.
    pub correlation_id: String,
}

impl Shell {
    pub(crate) fn of(cx: &Cx, title: impl Into<String>) -> Self {
        let principal = cx.principal();
        Self {
            title: title.into(),
            error: false,
            crumbs: Vec::new(),
            nav: crate::nav::groups(cx),
            user: principal.actor.name.clone(),
            tenant: principal.tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
            csrf: cx.csrf().to_owned(),
            prefs: *cx.prefs(),
            flashes: cx.flashes().to_vec(),
            here: cx.here(),
            live: String::new(),
            correlation_id: cx.origin().correlation_id.clone(),
        }
    }

    pub(crate) fn visitor(visitor: &Visitor, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            error: false,
            crumbs: Vec::new(),
            nav: Vec::new(),
            user: String::new(),
            tenant: String::new(),
            csrf: String::new(),
            prefs: visitor.prefs,
            flashes: visitor.flashes.clone(),
            here: String::new(),
            live: String::new(),
            correlation_id: visitor.client.origin.correlation_id.clone(),
        }
    }

    /// A place above the page; the topmost first.
    #[must_use]
    pub fn crumb(mut self, label: impl Into<String>, url: impl Into<String>) -> Self {
        self.crumbs.push(Crumb { label: label.into(), url: url.into() });
        self
    }

    /// The page's form was refused: its title says so first.
    #[must_use]
    pub fn refused(mut self, refused: bool) -> Self {
        self.error = refused;
        self
    }

    /// Where what is new on the page comes from.
    #[must_use]
    pub fn live(mut self, url: impl Into<String>) -> Self {
        self.live = url.into();
        self
    }

    /// Whether whoever asks may open the area that an address of the operations part is in: what they
    /// may not open is named and not linked.
    #[must_use]
    pub fn opens(&self, url: impl AsRef<str>) -> bool {
        crate::nav::opens(&self.nav, url.as_ref())
    }

    /// The address of an asset, for templates.
    #[must_use]
    pub fn asset(&self, name: &str) -> &'static str {
        asset(name)
    }

    /// The address of an icon, for templates.
    #[must_use]
    pub fn icon(&self, name: &str) -> String {
        super::icon_url(name)
    }
}
