//! The picture of a workflow on pages: its steps, what waits for what, and where each step of an
//! execution stands. Where things stand in the picture is what [`automate_core::document::Graph::layout`] says,
//! so that the command line and the pages draw the same one.
//!
//! A page shows the picture in `.graph` and, beside or below it, the same as a list ([`outline`]), which each
//! node leads to where it has no page of its own.

mod collapse;
mod outline;
mod svg;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use automate_core::document::graph::Layout;
use automate_core::document::{self, Graph};
use automate_core::limits;

pub(crate) use outline::{Line, outline};

/// Where a step stands, or what became of it between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GraphState {
    /// The word that gives shape, colour and icon: one of those that `.state` knows.
    pub(crate) status: String,
    /// What is said, where that is not the word itself: `added`.
    pub(crate) word: String,
    /// More: `attempt 3, 1m 04s`.
    pub(crate) detail: String,
    /// Where the node leads; to the step in the list on the same page where it is empty.
    pub(crate) url: String,
}

impl GraphState {
    /// A state by its word.
    pub(crate) fn new(status: &str) -> Self {
        Self { status: status.to_owned(), ..Self::default() }
    }

    /// What is said.
    pub(crate) fn said(&self) -> String {
        if self.word.is_empty() { crate::column::words(&self.status) } else { self.word.clone() }
    }

    /// With more to say.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With a page that the node leads to.
    #[must_use]
    pub(crate) fn at(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }
}

/// A graph with everything in its place.
#[derive(Debug)]
pub(crate) struct Picture {
    /// All of it.
    pub(crate) graph: Graph,
    /// What is drawn: the graph itself, or less of it where it is large.
    drawn: collapse::Drawn,
    /// Where; none where there is too much to draw.
    layout: Option<Layout>,
}

impl Picture {
    /// Lays a graph out.
    pub(crate) fn of(graph: Graph) -> Self {
        let drawn = collapse::collapse(&graph, limits::GRAPH_NODES_SHOWN);
        let layout = (drawn.graph.nodes.len() <= limits::GRAPH_NODES_DRAWN).then(|| drawn.graph.layout());
        Self { graph, drawn, layout }
    }

    /// The picture of a version, by the hash of its document: kept in memory, as versions do not change.
    /// None where the source cannot be read by this program.
    pub(crate) fn of_version(sha256: &str, source: &str) -> Option<Arc<Self>> {
        static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
        if let Some(picture) = KEPT.lock().unwrap_or_else(PoisonError::into_inner).by_hash.get(sha256) {
            return Some(Arc::clone(picture));
        }
        let picture = Arc::new(Self::of_source(source)?);
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).put(sha256, &picture);
        Some(picture)
    }

    /// The picture of a document; none where it cannot be read.
    pub(crate) fn of_source(source: &str) -> Option<Self> {
        document::parse(source).ok().map(|document| Self::of(Graph::of(&document.workflow)))
    }

    /// The picture as SVG for a page; a sentence in its place where there is too much to draw.
    pub(crate) fn render(&self, states: &BTreeMap<String, GraphState>) -> String {
        match &self.layout {
            Some(layout) => svg::draw(&self.graph, &self.drawn, layout, states),
            None => format!(
                "<p class=\"empty too-much\">This workflow has {} steps, which is too much for a picture. The list of \
                 steps has all of them.</p>",
                self.graph.nodes.len()
            ),
        }
    }

    /// Whether steps are drawn together.
    pub(crate) fn is_collapsed(&self) -> bool {
        self.drawn.graph.nodes.len() < self.graph.nodes.len()
    }

    /// The same as a list.
    pub(crate) fn lines(&self, states: &BTreeMap<String, GraphState>) -> Vec<Line> {
        outline(&self.graph, states)
    }
}

/// The id of a step's node on a page, and of nothing else there.
pub(crate) fn node_id(path: &str) -> String {
    format!("node-{path}")
}

/// The id of a step's line in the list on a page.
pub(crate) fn line_id(path: &str) -> String {
    format!("step-{path}")
}

/// Draws a graph of which nothing is kept: see [`Picture`] for those of versions.
pub(crate) fn render(graph: &Graph, states: &BTreeMap<String, GraphState>) -> String {
    Picture::of(graph.clone()).render(states)
}

#[derive(Default)]
struct Kept {
    by_hash: HashMap<String, Arc<Picture>>,
    order: VecDeque<String>,
}

impl Kept {
    fn put(&mut self, hash: &str, picture: &Arc<Picture>) {
        if self.by_hash.insert(hash.to_owned(), Arc::clone(picture)).is_none() {
            self.order.push_back(hash.to_owned());
        }
        while self.order.len() > limits::GRAPHS_KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.by_hash.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
