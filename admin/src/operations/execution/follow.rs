//! The stream of the page: its parts, when they have changed.

use automate_core::ids::{ExecutionId, TenantId};
use automate_store::search::pulse;
use axum::extract::Path;

use super::super::live::{self, Look, News, Watch};
use super::regions::Regions;
use super::{VIEW, found, load, picture, tab_of};
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};

/// Looks after which parts are rendered although nothing tells of a change: bars that grow.
const ANYWAY: u32 = 5;

struct Followed {
    cx: Cx,
    shell: Shell,
    tenant: TenantId,
    id: ExecutionId,
    tab: &'static str,
    /// The marks of the parts that the client has.
    seen: Vec<String>,
    graph: String,
    pulse: String,
    quiet: u32,
    status: String,
}

#[async_trait::async_trait]
impl Watch for Followed {
    async fn look(&mut self) -> Result<Look, AdminError> {
        let pulse = pulse(self.cx.state().database(), self.tenant, self.id).await?.ok_or(AdminError::NotFound)?;
        self.quiet += 1;
        if pulse == self.pulse && self.quiet < ANYWAY {
            return Ok(Look { id: self.seen.join("."), ..Look::default() });
        }
        (self.pulse, self.quiet) = (pulse, 0);
        let loaded = load(&self.cx, self.id).await?;
        let regions = Regions::render(&self.cx, &self.shell, &loaded, self.tab)?;
        let marks: Vec<String> = regions.marks().split('.').map(str::to_owned).collect();
        let mut look = Look { id: marks.join("."), ended: loaded.execution.status.is_terminal(), ..Look::default() };
        self.seen.resize(marks.len(), String::new());
        for (n, ((id, html), mark)) in regions.all().into_iter().zip(&marks).enumerate() {
            if let Some(seen) = self.seen.get_mut(n).filter(|seen| *seen != mark) {
                seen.clone_from(mark);
                look.news.push(News::fragment(id, html).known(self.seen.join(".")));
            }
        }
        if self.tab == "graph" {
            let picture = picture::tab(&self.cx, &loaded).await?;
            if picture != self.graph {
                look.news.push(News::fragment("x-graph", &picture));
                self.graph = picture;
            }
        }
        let status = loaded.execution.status.to_string();
        if !self.status.is_empty() && status != self.status {
            look.news.push(News::notice(format!("{} is {status}", loaded.execution.workflow)));
        }
        self.status = status;
        self.seen = marks;
        Ok(look)
    }
}

/// A mark as a client sends it back; what is none is written into no event.
fn a_mark(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) { text.to_owned() } else { String::new() }
}

pub(super) async fn live(cx: Cx, Path(id): Path<String>) -> Reply {
    let execution = found(&cx, &id).await?;
    let tab = tab_of(&cx)?;
    let followed = Followed {
        shell: cx.shell(""),
        tenant: cx.tenant()?,
        id: execution.id,
        tab,
        seen: live::known(&cx).split('.').map(a_mark).collect(),
        graph: String::new(),
        pulse: String::new(),
        quiet: 0,
        status: String::new(),
        cx: cx.clone(),
    };
    live::serve(&cx, VIEW, followed)
}
