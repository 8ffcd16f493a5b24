//! "3 new executions": what has come since the list was shown.

use automate_core::ids::TenantId;
use automate_store::db::Database;
use automate_store::resource::exact_id;
use automate_store::search::{self, ExecutionSearch, PageOf};
use uuid::Uuid;

use super::super::live::{self, Look, News, Watch};
use super::super::{grammar, words};
use super::VIEW;
use crate::error::AdminError;
use crate::http::{Cx, Reply};

/// New executions that are counted.
const COUNTED: usize = 100;

struct Newer {
    db: Database,
    tenant: TenantId,
    q: String,
    search: ExecutionSearch,
    /// The newest that the page shows.
    after: Uuid,
    told: usize,
}

#[async_trait::async_trait]
impl Watch for Newer {
    async fn look(&mut self) -> Result<Look, AdminError> {
        let page = PageOf { before: None, after: Some(self.after), limit: COUNTED };
        let found = search::executions(&self.db, self.tenant, self.search.clone(), page).await?;
        let mut look = Look { id: self.after.to_string(), ..Look::default() };
        let count = found.rows.len();
        if count != self.told {
            self.told = count;
            let more = if found.more { "+" } else { "" };
            let what = if count == 1 { "execution" } else { "executions" };
            let text = format!("{count}{more} new {what}");
            let html = if count == 0 {
                "<div id=\"newer\"></div>".to_owned()
            } else {
                // The address is percent-encoded; `&` cannot be in it, since it has one parameter.
                let url = if self.q.is_empty() { "/admin/executions/".to_owned() } else { words::search(&self.q) };
                format!("<div id=\"newer\"><a class=\"btn\" href=\"{url}\">{text} – show</a></div>")
            };
            look.news.push(News::fragment("newer", &html));
            if count > 0 {
                look.news.push(News::notice(text));
            }
        }
        Ok(look)
    }
}

pub(super) async fn live(cx: Cx) -> Reply {
    cx.require(VIEW)?;
    let q = cx.query().text("q").to_owned();
    let query = grammar::parse(&q, cx.now(), cx.prefs().zone)
        .map_err(|faults| AdminError::Query(faults.into_iter().map(|fault| fault.message).collect()))?;
    let after = exact_id(&live::known(&cx)).unwrap_or_default();
    let db = cx.state().database().clone();
    let newer = Newer { db, tenant: cx.tenant()?, q, search: query.search, after, told: 0 };
    live::serve(&cx, VIEW, newer)
}
