//! The log as JSON lines.

use automate_core::limits;
use automate_store::models::audit::AUDIT;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use super::{Wanted, wanted};
use crate::http::{Cx, Reply, csv_attachment};
use crate::operations::confirm::takes_only;

/// Where an export is.
struct Place {
    cx: Cx,
    wanted: Wanted,
    /// The next look is below this.
    above: i64,
    left: usize,
}

/// The entries that fit, the newest first, one line each; `limits::AUDIT_EXPORTED` at most. Where there
/// are more, the last line says so: `{"cut":true,"before":SEQ}`.
pub(in crate::operations) async fn export(cx: Cx) -> Reply {
    cx.require("audit.view_entry")?;
    takes_only(&cx, &["actor", "action", "object", "id", "outcome", "request", "from", "before"])?;
    let wanted = wanted(&cx, cx.query()).await?;
    let filters: Vec<String> = cx.query().pairs().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let entry = cx.entry("audit.export").about("audit", "").with(json!({ "filters": filters }));
    cx.state().audit().record(vec![entry]).await?;
    let place = Place { above: wanted.above, wanted, left: limits::AUDIT_EXPORTED, cx };
    let lines = stream::try_unfold(Some(place), |place| async move {
        let Some(place) = place else { return Ok::<_, std::io::Error>(None) };
        place.read().await.map(Some)
    });
    csv_attachment("audit.jsonl", "application/jsonl; charset=utf-8", Body::from_stream(lines))
}

impl Place {
    /// The next lines, and where they end; the last time, nowhere.
    async fn read(mut self) -> Result<(Bytes, Option<Self>), std::io::Error> {
        if self.left == 0 {
            let line = format!("{}\n", json!({ "cut": true, "before": self.above }));
            return Ok((line.into(), None));
        }
        let (mut query, end) = self.wanted.look(self.above);
        query.limit = limits::LIST_LIMIT_MAX.min(self.left as u64);
        query.fields = AUDIT.columns.iter().filter(|column| column.shown && column.stored).map(|c| c.name).collect();
        let page = self.cx.state().resources().list(&AUDIT, &self.cx.writer(), &query).await.map_err(|error| {
            tracing::error!(%error, "an export of the audit log ended early");
            // The client sees a transfer that was cut off, and not a log that ends here.
            std::io::Error::other("the export ended early")
        })?;
        let mut lines = String::new();
        for row in &page.results {
            lines.push_str(&serde_json::to_string(row).map_err(std::io::Error::other)?);
            lines.push('\n');
        }
        self.left -= page.results.len().min(self.left);
        let last = page.results.last().and_then(|row| row.get("seq")).and_then(serde_json::Value::as_i64);
        self.above = match (page.next.is_some(), last) {
            (true, Some(last)) => last,
            _ => end,
        };
        let more = self.above > self.wanted.from;
        Ok((lines.into(), more.then_some(self)))
    }
}
