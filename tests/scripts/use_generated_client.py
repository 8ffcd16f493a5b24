"""Uses the REST API through nothing but the client that openapi-python-client made of its document.

It lists workflows, runs one, follows it by its events, asks for it until it is completed, and reads it in the lists and
filters of the API. AUTOMATE_URL and AUTOMATE_TOKEN say where; examples/workflows are published there.
"""

import json
import os
import time
import uuid

from automate_client import AuthenticatedClient
from automate_client.api.executions import executions_events, executions_list, executions_retrieve, executions_steps
from automate_client.api.workflows import workflows_graph_svg, workflows_list, workflows_run
from automate_client.models import (
    ExecutionPage,
    Problem,
    Run,
    StepPage,
    WorkflowPage,
)
from automate_client.models.execution import Execution
from automate_client.models.execution_status import ExecutionStatus
from automate_client.models.executions_retrieve_fields_item import ExecutionsRetrieveFieldsItem as Field

WORKFLOW = "three-steps"


def of(kind, answer):
    """The answer, where it is what the document says."""
    assert isinstance(answer, kind), f"{kind.__name__} is what was asked for: {answer}"
    return answer


def events_of(text):
    """The events of a stream, each with its name and its data."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":")]
        fields = dict(lines)
        if "data" in fields:
            events.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return events


def main():
    client = AuthenticatedClient(
        base_url=os.environ["AUTOMATE_URL"], token=os.environ["AUTOMATE_TOKEN"], raise_on_unexpected_status=True
    )

    # Pages, by their cursors.
    slugs, cursor = [], ""
    while cursor is not None:
        page = of(WorkflowPage, workflows_list.sync(client=client, limit=2, cursor=cursor))
        slugs += [workflow.slug for workflow in page.results]
        cursor = page.next_
    assert WORKFLOW in slugs and len(slugs) == len(set(slugs)), slugs

    # One that runs, once, however often it is asked for.
    key = str(uuid.uuid4())
    run = of(Execution, workflows_run.sync(WORKFLOW, client=client, body=Run(input_={"n": 4}), idempotency_key=key))
    again = workflows_run.sync_detailed(WORKFLOW, client=client, body=Run(input_={"n": 4}), idempotency_key=key)
    assert of(Execution, again.parsed).id == run.id and again.headers["Idempotent-Replayed"] == "true"

    # What happens, until it has ended.
    stream = of(str, executions_events.sync(run.id, client=client))
    events = events_of(stream)
    names = [name for _, name, _ in events]
    assert names[0] == "execution.pending" and names[-1] == "execution.completed", names
    assert names.count("step.completed") == 3, names
    assert all(data["execution_id"] == str(run.id) for _, _, data in events), events
    # Whoever knows the end is told nothing more.
    last = events[-1][0]
    assert executions_events.sync_detailed(run.id, client=client, last_event_id=last).status_code == 204

    # The same by asking again and again.
    until = time.monotonic() + 30
    while True:
        execution = of(Execution, executions_retrieve.sync(run.id, client=client))
        if execution.status == ExecutionStatus.COMPLETED:
            break
        assert time.monotonic() < until, execution
        time.sleep(0.1)
    assert execution.output == {"n": 7}, execution.output
    assert execution.input_ == {"n": 4}, execution.input_
    assert execution.finished_at >= execution.started_at >= execution.created_at

    steps = of(StepPage, executions_steps.sync(run.id, client=client))
    assert len(steps.results) == 3, steps

    # Several values of one parameter, filters, and what is not JSON.
    part = of(Execution, executions_retrieve.sync(run.id, client=client, fields=[Field.STATUS, Field.OUTPUT]))
    assert part.to_dict() == {"status": "completed", "output": {"n": 7}}, part
    found = of(ExecutionPage, executions_list.sync(client=client, workflow_in=[WORKFLOW, "fan-out"], count=True))
    assert [row.id for row in found.results] == [run.id] and found.count == 1, found
    assert b"<svg" in workflows_graph_svg.sync_detailed(WORKFLOW, client=client).content

    # Errors have their type and their code.
    problem = of(Problem, executions_retrieve.sync(uuid.uuid4(), client=client))
    assert (problem.status, problem.code) == (404, "NOT_FOUND"), problem
    problem = of(Problem, workflows_run.sync(WORKFLOW, client=client, body=Run(version=999_999)))
    assert problem.status in (404, 409, 422), problem

    print(f"the generated client listed {len(slugs)} workflows and ran {WORKFLOW}: {execution.status}, {execution.output}")


main()
