use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn read(text: &str) -> Query {
    parse(text, now(), Tz::UTC).unwrap()
}

fn faults(text: &str) -> Vec<Fault> {
    parse(text, now(), Tz::UTC).unwrap_err()
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn every_known_word_is_read() {
    let id = "01936f6e-0000-7000-8000-000000000001";
    let query = read(&format!(
        "state:failed,waiting workflow:order-* error:\"card declined\" created:<2h id:{id} correlation:abc \
         trigger:webhook parent:{id} replay:{id} event:{id} is:stuck sort:slowest refund"
    ));
    let search = &query.search;
    assert_eq!(search.statuses, [ExecutionStatus::Failed, ExecutionStatus::Waiting]);
    assert_eq!(search.workflow, Some(Name::Like("order-*".to_owned())));
    assert_eq!(search.errors, ["card declined"]);
    assert_eq!(search.created_from, at("2026-11-21T10:00:00Z"));
    assert_eq!(search.ids.len(), 1);
    assert_eq!(search.correlation.as_deref(), Some("abc"));
    assert_eq!(search.trigger.as_deref(), Some("webhook"));
    assert!(search.parent.is_some() && search.replay_of.is_some() && search.event.is_some());
    assert_eq!(search.queued, Some(Queued::Stuck));
    assert!(search.slowest);
    assert_eq!(search.words, ["refund"]);
    assert_eq!(query.terms.len(), 13);
}

#[test]
fn times_are_ages_days_and_ranges() {
    let span = |text: &str| {
        let search = read(&format!("created:{text}")).search;
        (search.created_from, search.created_before)
    };
    assert_eq!(span(">3d"), (None, at("2026-11-18T12:00:00Z")));
    assert_eq!(span("today"), (at("2026-11-21T00:00:00Z"), at("2026-11-22T00:00:00Z")));
    assert_eq!(span("2026-11-01..2026-11-21"), (at("2026-11-01T00:00:00Z"), at("2026-11-22T00:00:00Z")));
    assert_eq!(span("2026-11-01.."), (at("2026-11-01T00:00:00Z"), None));
    assert_eq!(span("..2026-11-21T10:30"), (None, at("2026-11-21T10:30:00Z")));
    for wrong in ["2h", "<h", "<-1h", "..", "soon", "2026-13-01", "2026-11-21..2026-11-01", "<99999999999999999999w"] {
        assert_eq!(faults(&format!("created:{wrong}")).len(), 1, "{wrong}");
    }
}

#[test]
fn days_are_those_of_the_zone_and_a_missing_midnight_is_no_trouble() {
    let berlin = parse("created:2026-11-21", now(), Tz::Europe__Berlin).unwrap();
    assert_eq!(berlin.search.created_from, at("2026-11-20T23:00:00Z"));
    // Clocks went from 00:00 to 01:00 there on that day.
    let santiago = parse("created:2026-09-06", now(), Tz::America__Santiago).unwrap();
    assert_eq!(santiago.search.created_from, at("2026-09-06T04:00:00Z"));
}

#[test]
fn a_fault_is_told_at_its_place_with_what_was_meant() {
    let all = faults("größe  stat:failed state:faild");
    assert_eq!((all[0].at, all[0].instead.as_deref()), (8, Some("state:failed")));
    assert_eq!((all[1].at, all[1].instead.as_deref()), (20, Some("state:failed")));
    assert!(all[0].message.contains("`workflow:`"), "{}", all[0].message);
    assert_eq!(faults("bananas:1")[0].instead, None);
    assert_eq!(faults("state:failed state:waiting").len(), 1);
    assert_eq!(faults("id:17").len(), 1);
    assert_eq!(faults("workflow:").len(), 1);
    assert_eq!(faults(&"x ".repeat(30)).len(), 1);
    assert_eq!(faults(&"x".repeat(2_000)).len(), 1);
}

#[test]
fn what_only_looks_like_a_term_is_text() {
    for text in ["https://example.com/a", "10:30", "\"stat:failed\"", "Foo:bar"] {
        assert_eq!(read(text).search.words.len(), 1, "{text}");
    }
    assert_eq!(read("\"unclosed words").search.words, ["unclosed words"]);
}

#[test]
fn chips_and_the_text_are_the_same_search() {
    let query = read("state:failed  error:\"a b\" x");
    assert_eq!(query.without(1), "state:failed x");
    assert_eq!(query.with("state", "waiting"), "error:\"a b\" x state:waiting");
    assert_eq!(query.with("state", ""), "error:\"a b\" x");
    assert_eq!(read("").terms.len(), 0);
}
