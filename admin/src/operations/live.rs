//! Pages that are kept fresh: server-sent events (the HTML standard, section 9.2) with the parts of
//! the page that have changed. One stream a page; each looks at most once a second.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_governance::identity::Authenticated;
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error::AdminError;
use crate::http::{Cx, Reply};

/// The shortest time between two looks of a page.
const PAUSE: Duration = Duration::from_secs(1);
/// A look that takes long is not repeated before this many times its length: a page of a huge
/// execution costs no more than a tenth of a connection.
const RESTS: u32 = 10;
/// Events that wait for a client that reads slowly.
const WAITING: usize = 16;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct News {
    kind: &'static str,
    data: Value,
    /// What names the state of a client that has got this far, where that is known.
    id: Option<String>,
}

impl News {
    /// An element of the page as it is now.
    pub(super) fn fragment(id: &str, html: &str) -> Self {
        Self { kind: "fragment", data: json!({ "id": id, "html": html }), id: None }
    }

    /// Something to be said aloud.
    pub(super) fn notice(text: impl Into<String>) -> Self {
        Self { kind: "notice", data: json!({ "text": text.into() }), id: None }
    }

    /// Nothing more will come.
    pub(super) fn done() -> Self {
        Self { kind: "done", data: json!({}), id: None }
    }

    /// The same, for a client that knows so much once it has it.
    pub(super) fn known(self, id: String) -> Self {
        Self { id: Some(id), ..self }
    }

    fn write(&self, id: &str) -> Bytes {
        // JSON in one line has no line breaks, and our ids have none. Without a line `id:` a client
        // goes on knowing the state that it knew.
        let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
        Bytes::from(format!("{id}event: {}\ndata: {}\n\n", self.kind, self.data))
    }
}

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What is new, in order.
    pub(super) news: Vec<News>,
    /// What names this state: a client that comes again with it is told what came after it.
    pub(super) id: String,
    /// Nothing will ever be new again.
    pub(super) ended: bool,
}

/// Looks for what is new.
#[async_trait::async_trait]
pub(super) trait Watch: Send + 'static {
    /// Looks once.
    async fn look(&mut self) -> Result<Look, AdminError>;
}

/// The state that a client knows: the last event it had, or what its page was rendered from.
pub(super) fn known(cx: &Cx) -> String {
    let header = cx.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let known = header.or_else(|| cx.query().get("last_event_id")).or_else(|| cx.query().get("seen"));
    known.unwrap_or_default().chars().take(limits::PARAMETER_CHARS).collect()
}

/// A word for a text, for telling whether it has changed.
pub(super) fn mark(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:x}", hasher.finish() & 0xffff_ffff)
}

/// Streams that are open, by tenant.
static OPEN: LazyLock<Mutex<HashMap<TenantId, usize>>> = LazyLock::new(Mutex::default);

/// One of the streams that may be open, until it is dropped.
struct Slot(TenantId);

impl Slot {
    fn take(tenant: TenantId) -> Result<Self, AdminError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.entry(tenant).or_default();
        if all >= limits::STREAMS || *own >= limits::STREAMS_PER_TENANT {
            return Err(AdminError::Busy(limits::STREAM_HEARTBEAT));
        }
        *own += 1;
        Ok(Self(tenant))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.0) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.0);
            }
        }
    }
}

/// Answers with a stream of what a watch finds, for as long as the client may see it: until it goes
/// away, its session or permission ends, the process stops, or nothing will be new again.
pub(super) fn serve(cx: &Cx, permission: &'static str, watch: impl Watch) -> Reply {
    let slot = Slot::take(cx.tenant()?)?;
    let (send, receive) = mpsc::channel(WAITING);
    tokio::spawn(run(cx.clone(), permission, watch, send, slot));
    let body = stream::unfold(receive, |mut receive: mpsc::Receiver<Bytes>| async move {
        receive.recv().await.map(|bytes| (Ok::<_, Infallible>(bytes), receive))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather answers before they pass them on would gather this one for ever.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn run(cx: Cx, permission: &'static str, mut watch: impl Watch, send: mpsc::Sender<Bytes>, _slot: Slot) {
    let shutdown = cx.state().parts().shutdown.clone();
    let end = Instant::now() + limits::STREAM_TIME;
    let mut beat = Instant::now() + limits::STREAM_HEARTBEAT;
    let retry = format!("retry: {}\n\n", limits::STREAM_RETRY.as_millis());
    if send.send(Bytes::from(retry)).await.is_err() {
        return;
    }
    loop {
        let began = Instant::now();
        let look = match watch.look().await {
            Ok(look) => look,
            // The database is away: it is looked again, and the client waits.
            Err(AdminError::Resource(automate_store::resource::ResourceError::Store(error)))
                if error.is_transient() =>
            {
                Look::default()
            }
            Err(_) => return,
        };
        for (index, news) in look.news.iter().enumerate() {
            // Only whoever has all of a look knows its state: where the stream breaks off before that,
            // they are told what they did not get.
            let last = index + 1 == look.news.len();
            let id = if last { look.id.as_str() } else { news.id.as_deref().unwrap_or_default() };
            if send.send(news.write(id)).await.is_err() {
                return;
            }
        }
        if look.ended {
            let _ = send.send(News::done().write(&look.id)).await;
            return;
        }
        let next = Instant::now() + PAUSE.max(began.elapsed() * RESTS);
        // A look that took long is followed by a long rest, over which the client hears that somebody is there.
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = send.closed() => return,
                () = tokio::time::sleep_until(next.min(beat).min(end)) => {}
            }
            if Instant::now() >= end {
                return;
            }
            // Also where there always is something new: it is looked again whether they may see it.
            if Instant::now() >= beat {
                beat = Instant::now() + limits::STREAM_HEARTBEAT;
                if !still_may(&cx, permission).await
                    || send.send(Bytes::from_static(b": still here\n\n")).await.is_err()
                {
                    return;
                }
            }
            if Instant::now() >= next {
                break;
            }
        }
    }
}

/// Whether the session still is one, of the same tenant, with the permission; and nothing else was
/// given or taken meanwhile, since what is rendered goes by what they could do when they came.
async fn still_may(cx: &Cx, permission: &str) -> bool {
    let (now, then) = (cx.state().identity().session(cx.headers()).await, cx.principal());
    now.is_ok_and(|Authenticated { principal: now, .. }| {
        let rights = now.permissions == then.permissions && now.is_superuser == then.is_superuser;
        now.can(permission) && rights && now.tenant == then.tenant
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_with_an_id() {
        let news = News::fragment("steps", "<p>\n\"a\"</p>");
        let written = String::from_utf8(news.write("1.2").to_vec()).unwrap();
        assert_eq!(written, "id: 1.2\nevent: fragment\ndata: {\"id\":\"steps\",\"html\":\"<p>\\n\\\"a\\\"</p>\"}\n\n");
        assert!(news.write("").starts_with(b"event: "), "without an id the client keeps the one that it has");
    }

    #[test]
    fn streams_of_a_tenant_have_a_bound_and_are_given_back() {
        let tenant = TenantId(automate_core::ids::new_v7());
        let held: Vec<Slot> = (0..limits::STREAMS_PER_TENANT).map(|_| Slot::take(tenant).unwrap()).collect();
        assert!(Slot::take(tenant).is_err());
        drop(held);
        assert!(Slot::take(tenant).is_ok());
    }
}
