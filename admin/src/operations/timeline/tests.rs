use automate_core::error::{ErrorCode, StepError};
use automate_core::store::FailedAttempt;
use chrono::TimeDelta;

use super::*;

fn start() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn at(ms: i64) -> DateTime<Utc> {
    start() + TimeDelta::milliseconds(ms)
}

fn step(path: &str, from: i64, to: Option<i64>, status: StepStatus) -> FollowedStep {
    FollowedStep {
        path: path.to_owned(),
        step_id: path.rsplit('/').next().unwrap_or(path).to_owned(),
        seq: 0,
        uses: "http.request".to_owned(),
        status,
        attempt: 1,
        rerun: 0,
        error: None,
        attempts: Vec::new(),
        wake_at: None,
        started_at: Some(at(from)),
        finished_at: to.map(at),
    }
}

fn url(step: &str, _: bool) -> String {
    format!("?step={step}")
}

#[test]
fn bars_are_in_proportion_and_in_order() {
    let steps = [step("b", 500, Some(1_000), StepStatus::Completed), step("a", 0, Some(500), StepStatus::Completed)];
    let timeline = layout(&steps, start(), at(1_000));
    assert_eq!(timeline.rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let middle = timeline.scale.x(at(500));
    assert!((middle - (fold::LEFT + fold::WIDTH - 10) / 2).abs() <= 2, "{middle}");
    assert_eq!(timeline.scale.x(at(1_000)), fold::WIDTH - 10);
}

#[test]
fn a_long_wait_is_folded_and_what_ran_keeps_its_room() {
    let day = 86_400_000;
    let mut wait = step("wait", 1_000, Some(3 * day), StepStatus::Completed);
    wait.uses = "wait".to_owned();
    let steps = [
        step("a", 0, Some(1_000), StepStatus::Completed),
        wait,
        step("b", 3 * day, Some(3 * day + 1_000), StepStatus::Failed),
    ];
    let timeline = layout(&steps, start(), at(3 * day + 1_000));
    assert_eq!(timeline.scale.stretches.iter().filter(|stretch| stretch.folded).count(), 1);
    assert!(timeline.scale.x(at(1_000)) - timeline.scale.x(at(0)) > 300);
    let svg = draw(&timeline, url);
    assert!(svg.contains("class=\"break\"") && svg.contains("2d 23h"), "{svg}");
}

#[test]
fn each_attempt_has_a_bar_and_the_last_one_the_name_of_the_step() {
    let mut charge = step("charge", 0, Some(9_000), StepStatus::Failed);
    charge.attempt = 3;
    for (attempt, from) in [(1, 0), (2, 3_000), (3, 8_000)] {
        charge.attempts.push(FailedAttempt {
            attempt,
            started_at: at(from),
            finished_at: at(from + 1_000),
            error: StepError::new(ErrorCode::AuthFailed, "no"),
            retry_at: (attempt < 3).then(|| at(from + 2_000)),
        });
    }
    let timeline = layout(&[charge], start(), at(9_000));
    let bars = &timeline.rows[0].bars;
    assert_eq!(bars.iter().map(|bar| bar.attempt).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(bars[2].name, "charge: failed, attempt 3, 9.0 s");
    assert_eq!(bars[2].from, at(8_000));
}

#[test]
fn what_runs_ends_now_and_says_so() {
    let timeline = layout(&[step("a", 0, None, StepStatus::Running)], start(), at(64_000));
    assert_eq!(timeline.rows[0].bars[0].name, "a: running, 1m 04s so far");
    assert_eq!(timeline.rows[0].bars[0].to, at(64_000));
}

#[test]
fn repetitions_are_one_row_that_says_what_failed() {
    let steps: Vec<FollowedStep> = (0..500)
        .map(|n| {
            let status = if n % 200 == 7 { StepStatus::Failed } else { StepStatus::Completed };
            step(&format!("lines/{n}/stock"), n, Some(n + 10), status)
        })
        .collect();
    let timeline = layout(&steps, start(), at(1_000));
    assert_eq!(timeline.rows.len(), 1);
    assert_eq!(timeline.rows[0].label, "lines/*/stock ×500: 3 failed");
    assert_eq!(timeline.rows[0].bars[0].status, "failed");
    assert!(timeline.folded);
}

#[test]
fn five_thousand_steps_are_two_hundred_bars_at_most() {
    let steps: Vec<FollowedStep> =
        (0..5_000).map(|n| step(&format!("s{n}"), n, Some(n + 1), StepStatus::Completed)).collect();
    let timeline = layout(&steps, start(), at(5_000));
    assert!(timeline.rows.len() <= ROWS);
    let svg = draw(&timeline, url);
    assert!(svg.matches("<rect").count() <= ROWS);
    assert!(svg.len() < 100_000, "{}", svg.len());
}

#[test]
fn what_was_named_by_others_is_text_in_the_chart() {
    let svg = draw(&layout(&[step("<script>\"&'", 0, Some(1), StepStatus::Completed)], start(), at(1)), url);
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&quot;&amp;&#39;"), "{svg}");
    assert!(!svg.contains("style="));
}

#[test]
fn nothing_that_began_is_no_row_and_no_fault() {
    let mut pending = step("a", 0, None, StepStatus::Pending);
    pending.started_at = None;
    let timeline = layout(&[pending], start(), start());
    assert!(timeline.rows.is_empty());
    assert!(draw(&timeline, url).ends_with("</svg>"));
}
