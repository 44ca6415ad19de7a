"""Golden histories replay with the code of today: a workflow that is open during a deploy goes on as it began."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.workflows.history_summary import summarize_history
from tests.workflows.record_histories import CHECKSUMS_FILE, HISTORIES, SCENARIOS, write_history
from tests.workflows.scripted_worker import make_workflow_runner
from worker.main import WORKFLOWS

GOLDEN_HISTORIES = sorted(HISTORIES.glob("*.json"))
REQUIRED_CYCLES = ("healthy", "planned", "observed", "busy", "blocked", "blind", "unknown", "escalated")
REQUIRED_VERDICTS = ("fixed", "improved", "no_effect", "worse", "inconclusive")
REQUIRED_OUTCOMES = ("rolled_back", "rejected", "expired", "superseded", "recovered", "stale", "failed", "stopped")
REQUIRED_OPEN_PHASES = ("open-awaiting-approval", "open-verifying", "open-cooling-down", "quarantined")


def read_history(path: Path) -> dict[str, Any]:
    """Return a golden history as it was written."""
    return json.loads(path.read_bytes())


def parse_history(recorded: dict[str, Any]) -> WorkflowHistory:
    """Return a history under the id its workflow had."""
    started = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], recorded)


def make_replayer() -> Replayer:
    """Return a replayer configured as the worker is."""
    return Replayer(workflows=WORKFLOWS, workflow_runner=make_workflow_runner(), data_converter=pydantic_data_converter)


@pytest.mark.parametrize("path", GOLDEN_HISTORIES, ids=lambda path: path.stem)
async def test_replay(path):
    """The workflows of today do what this history says, command by command."""
    await make_replayer().replay_workflow(parse_history(read_history(path)))


async def test_a_changed_order_is_noticed():
    """The replay is a test: where a history says something else than the workflow does, it fails."""
    recorded = (HISTORIES / "remediation-rolled_back.json").read_text()
    changed = json.loads(recorded.replace('"name":"undo"', '"name":"apply"'))
    with pytest.raises(NondeterminismError):
        await make_replayer().replay_workflow(parse_history(changed))


def test_none_was_changed_or_removed():
    """Every golden history is as it was recorded, and none lacks or has only its checksum."""
    sums = dict(reversed(line.split("  ")) for line in CHECKSUMS_FILE.read_text().splitlines())
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in GOLDEN_HISTORIES} == sums


def test_none_is_overwritten():
    """Recording under a name that exists is refused."""
    before = GOLDEN_HISTORIES[0].read_bytes()
    with pytest.raises(FileExistsError):
        write_history(GOLDEN_HISTORIES[0].stem, {})
    assert GOLDEN_HISTORIES[0].read_bytes() == before


def test_every_scene_has_one():
    """What is played in tests is kept for replay too."""
    assert set(SCENARIOS) <= {path.stem for path in GOLDEN_HISTORIES}


@pytest.mark.parametrize("outcome", REQUIRED_CYCLES)
def test_every_outcome_of_a_cycle_has_one(outcome):
    """The history named after an outcome ends with it."""
    story = summarize_history(parse_history(read_history(HISTORIES / f"cycle-{outcome}.json")))
    assert f"outcome {outcome}" in story
    assert story[-1] == "completed"


@pytest.mark.parametrize("outcome", [*REQUIRED_VERDICTS, *REQUIRED_OUTCOMES])
def test_every_ending_of_a_remediation_has_one(outcome):
    """The history named after an ending ends with it; one that can be reached in several ways has one of each."""
    paths = [path for path in GOLDEN_HISTORIES if re.fullmatch(rf"remediation-{outcome}(-.*)?", path.stem)]
    stories = [summarize_history(parse_history(read_history(path))) for path in paths]
    assert any(story[-3:] == [f"outcome {outcome}", "phase done", "completed"] for story in stories)


@pytest.mark.parametrize("phase", REQUIRED_OPEN_PHASES)
def test_phases_that_last_have_an_open_one(phase):
    """Where a remediation stays for minutes or days, a deploy will find it."""
    story = summarize_history(parse_history(read_history(HISTORIES / f"remediation-{phase}.json")))
    assert f"phase {phase.removeprefix('open-')}" in story
    assert "completed" not in story


@pytest.mark.parametrize("path", GOLDEN_HISTORIES, ids=lambda path: path.stem)
def test_it_names_no_machine(path):
    """No path, process or host of whoever recorded it."""
    assert not re.findall(r'File \\?"|site-packages|/(?:home|root)/|\d+@', path.read_text())


@pytest.mark.parametrize("path", GOLDEN_HISTORIES, ids=lambda path: path.stem)
async def test_the_first_half_of_it_goes_on(path):
    """A workflow that a deploy finds in the middle is gone on with by the code of today: half a history replays too."""
    recorded = read_history(path)
    kinds = [event["eventType"] for event in recorded["events"]]
    begun = [number for number, kind in enumerate(kinds, start=1) if kind == "EVENT_TYPE_WORKFLOW_TASK_STARTED"]
    middle = begun[len(begun) // 2]
    await make_replayer().replay_workflow(parse_history({**recorded, "events": recorded["events"][:middle]}))
