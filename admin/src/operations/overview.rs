//! The first page: what needs somebody.

use askama::Template;

use crate::http::{Cx, Reply, Shell};

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    shell: Shell,
}

pub(super) async fn show(cx: Cx) -> Reply {
    cx.page(&OverviewPage { shell: cx.shell("Overview") })
}
