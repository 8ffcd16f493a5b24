//! The list of a model.

use askama::Template;
use automate_store::resource::ListQuery;

use super::Here;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::spec::Verb;

#[derive(Template)]
#[template(path = "admin/model/list.html")]
struct ListPage {
    shell: Shell,
    count: usize,
}

pub(super) async fn show(cx: Cx, here: Here) -> Reply {
    let spec = here.0.spec();
    if !spec.allows(&cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    let query = here.0.queryset(&cx, ListQuery::default());
    let page = cx.state().resources().list(spec.model, &cx.writer(), &query).await?;
    cx.page(&ListPage { shell: cx.shell(&spec.plural), count: page.results.len() })
}
