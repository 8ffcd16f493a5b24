//! What can be done with rows that were selected.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::AdminError;
use crate::http::Cx;

/// The rows that an action is for. The selection was frozen when the action was chosen: what has
/// arrived since is not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Their ids, each of a row that the caller may see.
    pub ids: Vec<Uuid>,
}

/// How an action went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionOutcome {
    /// Rows that it was done with.
    pub done: u64,
    /// Rows that it was not done with, and why: `(row, sentence)`.
    pub failed: Vec<(Uuid, String)>,
    /// Where to go afterwards; to the list where it is empty.
    pub next: String,
}

impl ActionOutcome {
    /// Done with so many rows.
    #[must_use]
    pub fn done(done: u64) -> Self {
        Self { done, ..Self::default() }
    }
}

type Run =
    dyn Fn(Cx, Selection) -> Pin<Box<dyn Future<Output = Result<ActionOutcome, AdminError>> + Send>> + Send + Sync;

/// Something that can be done with rows that were selected. Before it runs there is a page that says
/// what will happen to how many rows; whether one may is asked when it runs.
#[derive(Clone)]
pub struct Action {
    /// Its name in addresses and in the audit log.
    pub key: &'static str,
    /// What the button says: a verb.
    pub label: &'static str,
    /// What happens, for the page that asks: "{n} rows will be …" follows it.
    pub consequence: &'static str,
    /// The permission. There is no action without one (A006). Where it is the one to change or to delete
    /// rows of the model, `PermissionMixin` is asked of each row whether somebody may do that with it; of
    /// other actions, whether they see it.
    pub permission: String,
    /// Whether it takes something away.
    pub destructive: bool,
    pub(crate) run: Arc<Run>,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Action({})", self.key)
    }
}

impl Action {
    /// An action.
    pub fn new<F>(
        key: &'static str,
        label: &'static str,
        permission: impl Into<String>,
        run: impl Fn(Cx, Selection) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<ActionOutcome, AdminError>> + Send + 'static,
    {
        Self {
            key,
            label,
            consequence: "",
            permission: permission.into(),
            destructive: false,
            run: Arc::new(move |cx, selection| Box::pin(run(cx, selection))),
        }
    }

    /// What happens, in a sentence.
    #[must_use]
    pub fn consequence(mut self, consequence: &'static str) -> Self {
        self.consequence = consequence;
        self
    }

    /// It takes something away.
    #[must_use]
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }
}
