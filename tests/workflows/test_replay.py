"""The present code replays every golden history, so a workflow that is open during a deploy continues correctly."""

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

from activities.model.identifiers import WorkflowName
from activities.model.remediation_outcome import RemediationOutcome
from tests.workflows.history_summary import summarize_history
from tests.workflows.record_histories import CHECKSUMS_NAME, FORMER_HISTORIES, HISTORIES, SCENARIOS, write_history
from tests.workflows.scripted_worker import make_workflow_runner
from worker.main import WORKFLOWS

FOLDERS = (FORMER_HISTORIES, HISTORIES)
GOLDEN_HISTORIES = [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))]
REQUIRED_CYCLES = ("healthy", "planned", "observed", "busy", "blocked", "blind", "unknown", "escalated")
REQUIRED_OPEN_PHASES = ("open-awaiting-approval", "open-verifying", "open-cooling-down", "quarantined")


def read_history(path: Path) -> dict[str, Any]:
    """Return a golden history as it was written."""
    history: dict[str, Any] = json.loads(path.read_bytes())
    return history


def parse_history(recorded: dict[str, Any]) -> WorkflowHistory:
    """Return a history under the id of its workflow."""
    started = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], recorded)


def make_replayer() -> Replayer:
    """Return a replayer configured as the worker is."""
    return Replayer(workflows=WORKFLOWS, workflow_runner=make_workflow_runner(), data_converter=pydantic_data_converter)


def history_id(path: Path) -> str:
    """Return the test id of a golden history."""
    return f"{path.parent.name}/{path.stem}"


each_history = pytest.mark.parametrize("path", GOLDEN_HISTORIES, ids=history_id)
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@each_history
async def test_the_present_code_replays_it(path: Path) -> None:
    """The workflows issue the commands of the history, in its order."""
    await make_replayer().replay_workflow(parse_history(read_history(path)))


async def test_replay_detects_a_changed_order() -> None:
    """A history with other commands than the workflow issues fails the replay."""
    recorded = (HISTORIES / "remediation-rolled_back.json").read_text()
    changed = json.loads(recorded.replace('"name":"undo"', '"name":"apply"'))
    with pytest.raises(NondeterminismError):
        await make_replayer().replay_workflow(parse_history(changed))


@each_folder
def test_no_history_was_changed_or_removed(folder: Path) -> None:
    """Every golden history has its checksum, and every checksum its history."""
    sums = dict(line.split("  ")[::-1] for line in (folder / CHECKSUMS_NAME).read_text().splitlines())
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.json")} == sums


def test_no_history_is_overwritten() -> None:
    """Recording under an existing name is refused."""
    path = next(iter(sorted(HISTORIES.glob("*.json"))))
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        write_history(path.stem, {})
    assert path.read_bytes() == before


@each_folder
def test_every_scenario_has_a_history(folder: Path) -> None:
    """Every scenario of the tests is kept for replay too."""
    assert set(SCENARIOS) <= {path.stem for path in folder.glob("*.json")}


@pytest.mark.parametrize(
    ("folder", "workflow_type"),
    [(FORMER_HISTORIES, WorkflowName.FORMER_REMEDIATION), (HISTORIES, WorkflowName.REMEDIATION)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_remediations_have_the_type_of_their_folder(folder: Path, workflow_type: str) -> None:
    """Remediations, and the children that cycles and upkeep start, have the type of the code that recorded them."""
    types = set()
    for path in folder.glob("*.json"):
        for event in read_history(path)["events"]:
            for name in (
                "workflowExecutionStartedEventAttributes",
                "startChildWorkflowExecutionInitiatedEventAttributes",
            ):
                if name in event:
                    types.add(event[name]["workflowType"]["name"])
    assert types & {WorkflowName.REMEDIATION, WorkflowName.FORMER_REMEDIATION} == {workflow_type}


@each_folder
@pytest.mark.parametrize("outcome", REQUIRED_CYCLES)
def test_every_outcome_of_a_cycle_has_a_history(folder: Path, outcome: str) -> None:
    """The history named after an outcome ends with it."""
    summary = summarize_history(parse_history(read_history(folder / f"cycle-{outcome}.json")))
    assert f"outcome {outcome}" in summary
    assert summary[-1] == "completed"


@each_folder
@pytest.mark.parametrize("outcome", RemediationOutcome)
def test_every_outcome_of_a_remediation_has_a_history(folder: Path, outcome: RemediationOutcome) -> None:
    """A history named after an outcome ends with it; an outcome with several ways has a history of each."""
    paths = [path for path in folder.glob("*.json") if re.fullmatch(rf"remediation-{outcome}(-.*)?", path.stem)]
    summaries = [summarize_history(parse_history(read_history(path))) for path in paths]
    assert any(summary[-3:] == [f"outcome {outcome}", "phase done", "completed"] for summary in summaries)


@each_folder
@pytest.mark.parametrize("phase", REQUIRED_OPEN_PHASES)
def test_every_long_phase_has_an_open_history(folder: Path, phase: str) -> None:
    """A phase of minutes or days has a history that ends in it: a deploy meets remediations there."""
    summary = summarize_history(parse_history(read_history(folder / f"remediation-{phase}.json")))
    assert f"phase {phase.removeprefix('open-')}" in summary
    assert "completed" not in summary


@each_history
def test_it_names_no_machine(path: Path) -> None:
    """No history contains a path, process or host of the recording machine."""
    assert not re.findall(r'File \\?"|site-packages|/(?:home|root)/|\d+@', path.read_text())


@each_history
async def test_its_first_half_replays(path: Path) -> None:
    """A workflow that a deploy meets halfway continues with the present code."""
    recorded = read_history(path)
    kinds = [event["eventType"] for event in recorded["events"]]
    task_starts = [number for number, kind in enumerate(kinds, start=1) if kind == "EVENT_TYPE_WORKFLOW_TASK_STARTED"]
    middle = task_starts[len(task_starts) // 2]
    await make_replayer().replay_workflow(parse_history({**recorded, "events": recorded["events"][:middle]}))
