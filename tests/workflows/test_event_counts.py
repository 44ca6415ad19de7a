"""The cost of a workflow for the server: the exact number of history events, and its limit."""

from typing import Any

import pytest

from tests.workflows.activity_results import COOL_DOWN_SECONDS, MADE_WORSE, make_prepare_result, make_record_answer
from tests.workflows.cycle_scenarios import CYCLE_SCENARIOS
from tests.workflows.history_summary import list_phases, summarize_history
from tests.workflows.remediation_scenarios import make_scenario
from tests.workflows.workflow_env import WorkflowTestEnv

HEALTHY_EVENTS, ONE_PLAN_EVENTS, FIXED_EVENTS, ROLLED_BACK_EVENTS = 12, 29, 37, 50
KNOB_EVENTS, YIELD_EVENTS, SETTLE_EVENTS, STEP_EVENTS, UNDO_EVENTS = 2, 5, 5, 6, 6

CYCLE_TABLE = [
    ("healthy", HEALTHY_EVENTS, 12),
    ("blind", HEALTHY_EVENTS, 12),
    ("observed", ONE_PLAN_EVENTS - 5, 29),
    ("planned", ONE_PLAN_EVENTS, 29),
    ("planned-two-knobs", ONE_PLAN_EVENTS + KNOB_EVENTS, 31),
    ("busy", ONE_PLAN_EVENTS, 29),
    ("busy-superseding", ONE_PLAN_EVENTS + YIELD_EVENTS, 34),
]


@pytest.mark.parametrize(("name", "exact", "bound"), CYCLE_TABLE, ids=[row[0] for row in CYCLE_TABLE])
async def test_cycle(workflow_env: WorkflowTestEnv, name: str, exact: int, bound: int) -> None:
    """A healthy cycle is one activity and one upsert; a further knob costs 2 events, a yield 5."""
    run = await CYCLE_SCENARIOS[name](workflow_env)
    history = await run.fetch_history()
    events = summarize_history(history)
    assert sum(event.startswith("outcome ") for event in events) == 1
    assert len(history.events) == exact <= bound, events


COOL_DOWN_SCRIPT = {"record": make_record_answer(cool_down=COOL_DOWN_SECONDS)}
REMEDIATION_TABLE = [
    ("fixed", COOL_DOWN_SCRIPT, FIXED_EVENTS, 42),
    ("fixed-settling", COOL_DOWN_SCRIPT | {"settle": COOL_DOWN_SECONDS}, FIXED_EVENTS + SETTLE_EVENTS, 47),
    ("fixed-two-steps", COOL_DOWN_SCRIPT | {"prepare": make_prepare_result(steps=2)}, FIXED_EVENTS + STEP_EVENTS, 48),
    (
        "fixed-three-steps",
        COOL_DOWN_SCRIPT | {"prepare": make_prepare_result(steps=3)},
        FIXED_EVENTS + 2 * STEP_EVENTS,
        54,
    ),
    ("rolled-back", COOL_DOWN_SCRIPT | {"verify": MADE_WORSE}, ROLLED_BACK_EVENTS, 56),
    (
        "rolled-back-two-steps",
        COOL_DOWN_SCRIPT | {"verify": MADE_WORSE, "prepare": make_prepare_result(steps=2)},
        ROLLED_BACK_EVENTS + STEP_EVENTS + UNDO_EVENTS,
        68,
    ),
]


@pytest.mark.parametrize(
    ("given", "exact", "bound"), [row[1:] for row in REMEDIATION_TABLE], ids=[row[0] for row in REMEDIATION_TABLE]
)
async def test_remediation(workflow_env: WorkflowTestEnv, given: dict[str, Any], exact: int, bound: int) -> None:
    """Each further action costs 6 events and its undo 6 more; a remediation that fixes it has at most 3 upserts."""
    run = await make_scenario(**given)(workflow_env)
    history = await run.fetch_history()
    assert len(list_phases(history)) <= (4 if "verify" in given else 3)
    assert len(history.events) == exact <= bound, summarize_history(history)
