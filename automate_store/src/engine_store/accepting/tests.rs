use automate_core::clock;
use automate_core::ids::{OutboxId, VersionId, WorkflowId};

use super::*;

fn start(workflow: WorkflowId, key: Option<&str>) -> NewExecution {
    NewExecution {
        id: ExecutionId::new(),
        outbox_id: OutboxId::new(),
        workflow_id: workflow,
        workflow: "orders".to_owned(),
        version_id: VersionId::new(),
        version: 1,
        trigger_id: None,
        trigger: "{}".into(),
        dedupe_key: key.map(str::to_owned),
        input: None,
        priority: 100,
        correlation_id: String::new(),
        parent_id: None,
        replay_of: None,
        adopted: Vec::new(),
        event_id: None,
        created_at: clock::now(),
        lease: None,
    }
}

fn accept(starts: Vec<NewExecution>) -> Accept {
    Accept { tenant_id: TenantId::DEFAULT, event: None, request: None, delivery: None, starts }
}

#[test]
fn ids_survive_their_column_and_rubbish_names_none() {
    let ids = vec![ExecutionId::new(), ExecutionId::new()];
    assert_eq!(ids_of_json(&ids_json(ids.clone())), ids);
    assert_eq!(ids_of_json("{"), []);
}

#[test]
fn a_key_is_of_its_workflow() {
    let (one, two) = (start(WorkflowId::new(), Some("k")), start(WorkflowId::new(), Some("k")));
    assert_ne!(Key::of_start(TenantId::DEFAULT, &one), Key::of_start(TenantId::DEFAULT, &two));
    assert_eq!(Key::of_start(TenantId::DEFAULT, &start(WorkflowId::new(), None)), None);
}

#[test]
fn doubles_within_an_accept_point_at_what_became_of_the_first() {
    let workflow = WorkflowId::new();
    let accept = accept(vec![start(workflow, Some("k")), start(workflow, None), start(workflow, Some("k"))]);
    let ids: Vec<_> = accept.starts.iter().map(|start| start.id).collect();
    let (reduced, doubles) = without_inner_doubles(&accept);
    assert_eq!(reduced.starts.iter().map(|start| start.id).collect::<Vec<_>>(), ids[..2]);

    let Accepted::Stored { executions, .. } = with_earlier(&accept, &doubles, &HashMap::new()) else { panic!() };
    assert_eq!(
        executions.iter().map(|e| (e.id, e.duplicate)).collect::<Vec<_>>(),
        [(ids[0], false), (ids[1], false), (ids[0], true)]
    );

    let before = ExecutionId::new();
    let earlier = HashMap::from([(ids[0], before)]);
    let Accepted::Stored { executions, .. } = with_earlier(&accept, &doubles, &earlier) else { panic!() };
    assert_eq!(
        executions.iter().map(|e| (e.id, e.duplicate)).collect::<Vec<_>>(),
        [(before, true), (ids[1], false), (before, true)]
    );
}

#[test]
fn an_accept_knows_what_it_stored_itself() {
    let mine = accept(vec![start(WorkflowId::new(), None)]);
    assert!(First::of(&mine).is_own(&mine));
    assert!(!First::of(&accept(vec![start(WorkflowId::new(), None)])).is_own(&mine));
}
