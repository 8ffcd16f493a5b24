//! The graph of the version that runs, with the states of its steps, and the same as a list.

use std::collections::BTreeMap;

use askama::Template;
use automate_core::ids::VersionId;
use automate_core::status::StepStatus;
use automate_core::store::{DRAFT, StoreError};
use automate_store::follow::FollowedStep;

use super::super::graph::{GraphState, Line, Picture};
use super::super::{timeline, words};
use super::Loaded;
use crate::error::AdminError;
use crate::http::Cx;

#[derive(Template)]
#[template(path = "admin/execution/graph.html")]
struct GraphTab {
    /// The picture; none where the version cannot be read by this program.
    svg: Option<String>,
    lines: Vec<Line>,
    collapsed: bool,
    /// It was a draft, of which more have been tested since than are kept.
    gone: bool,
}

/// The tab, as one element that the stream replaces.
pub(super) async fn tab(cx: &Cx, loaded: &Loaded) -> Result<String, AdminError> {
    let id = VersionId(loaded.execution.version_id);
    let version = match cx.state().engine().ports().store.version(id).await {
        Err(StoreError::NotFound(_)) if loaded.execution.version == DRAFT => {
            let tab = GraphTab { svg: None, lines: Vec::new(), collapsed: false, gone: true };
            return Ok(tab.render()?);
        }
        found => found?,
    };
    if version.tenant_id != cx.tenant()? {
        return Err(AdminError::NotFound);
    }
    let picture = Picture::of_version(&version.sha256, &version.source);
    let states = states(loaded);
    let tab = match picture {
        Some(picture) => GraphTab {
            svg: Some(picture.render(&states)),
            lines: picture.lines(&states),
            collapsed: picture.is_collapsed(),
            gone: false,
        },
        None => GraphTab { svg: None, lines: Vec::new(), collapsed: false, gone: false },
    };
    Ok(tab.render()?)
}

/// The states by the place of the step in the document. Of repetitions, the one that needs somebody
/// first.
fn states(loaded: &Loaded) -> BTreeMap<String, GraphState> {
    let mut by_place: BTreeMap<String, Vec<&FollowedStep>> = BTreeMap::new();
    for step in &loaded.followed.steps {
        by_place.entry(timeline::kind_of(&step.path)).or_default().push(step);
    }
    let state = |(place, steps): (String, Vec<&FollowedStep>)| {
        let worst = steps.iter().min_by_key(|step| rank(step.status))?;
        let retrying = !worst.status.is_finished() && !worst.attempts.is_empty();
        let word = if retrying && worst.status == StepStatus::Waiting { "retrying" } else { worst.status.as_str() };
        let mut detail = Vec::new();
        if steps.len() > 1 {
            let alike = steps.iter().filter(|step| step.status == worst.status).count();
            detail.push(format!("{alike} of {}", steps.len()));
        }
        if worst.attempt > 1 {
            detail.push(format!("attempt {}", worst.attempt));
        }
        if worst.finished_at.is_some() {
            detail.push(words::took(worst.started_at, worst.finished_at));
        }
        let url = super::tabs::of_step(&place);
        Some((place.replace("/*", ""), GraphState::new(word).detail(detail.join(", ")).at(url)))
    };
    by_place.into_iter().filter_map(state).collect()
}

fn rank(status: StepStatus) -> u8 {
    match status {
        StepStatus::OutcomeUnknown => 0,
        StepStatus::Failed => 1,
        StepStatus::Running => 2,
        StepStatus::Waiting => 3,
        StepStatus::Pending => 4,
        StepStatus::Cancelled => 5,
        StepStatus::Completed => 6,
        StepStatus::Skipped => 7,
    }
}
