"""What a workflow costs the server: the exact number of events of its history, and the bound it must keep."""

import pytest

from tests.workflows.activity_results import MADE_WORSE, MOMENT, prepared, recorded
from tests.workflows.cycle_scenarios import CYCLES
from tests.workflows.history_summary import phases_of, story_of
from tests.workflows.remediation_scenarios import alone

HEALTHY, ONE_PLAN, FIXED, ROLLED_BACK = 12, 29, 37, 50
KNOB, YIELD, SETTLE, STEP, UNDO = 2, 5, 5, 6, 6

CYCLE_TABLE = [
    ("healthy", HEALTHY, 12),
    ("blind", HEALTHY, 12),
    ("observed", ONE_PLAN - 5, 29),
    ("planned", ONE_PLAN, 29),
    ("planned-two-knobs", ONE_PLAN + KNOB, 31),
    ("busy", ONE_PLAN, 29),
    ("busy-superseding", ONE_PLAN + YIELD, 34),
]


@pytest.mark.parametrize(("name", "exact", "bound"), CYCLE_TABLE, ids=[row[0] for row in CYCLE_TABLE])
async def test_cycle(stage, name, exact, bound):
    """A healthy cycle is one activity and one upsert; a further knob costs 2 events, a yield 5."""
    run = await CYCLES[name](stage)
    history = await run.history()
    told = story_of(history)
    assert sum(word.startswith("outcome ") for word in told) == 1
    assert len(history.events) == exact <= bound, told


WITH_REST = {"record": recorded(cool_down=MOMENT)}
REMEDIATION_TABLE = [
    ("fixed", WITH_REST, FIXED, 42),
    ("fixed-settling", WITH_REST | {"settle": MOMENT}, FIXED + SETTLE, 47),
    ("fixed-two-steps", WITH_REST | {"prepare": prepared(steps=2)}, FIXED + STEP, 48),
    ("fixed-three-steps", WITH_REST | {"prepare": prepared(steps=3)}, FIXED + 2 * STEP, 54),
    ("rolled-back", WITH_REST | {"verify": MADE_WORSE}, ROLLED_BACK, 56),
    (
        "rolled-back-two-steps",
        WITH_REST | {"verify": MADE_WORSE, "prepare": prepared(steps=2)},
        ROLLED_BACK + STEP + UNDO,
        68,
    ),
]


@pytest.mark.parametrize(
    ("given", "exact", "bound"), [row[1:] for row in REMEDIATION_TABLE], ids=[row[0] for row in REMEDIATION_TABLE]
)
async def test_remediation(stage, given, exact, bound):
    """Each further action costs 6 events and its undo 6 more; a remediation that fixes it has at most 3 upserts."""
    run = await alone(**given)(stage)
    history = await run.history()
    assert len(phases_of(history)) <= (4 if "verify" in given else 3)
    assert len(history.events) == exact <= bound, story_of(history)
