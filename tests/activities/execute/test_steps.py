"""What became of a plan's steps."""

import pytest

from activities.execute.steps import steps_of
from activities.model.audit import AuditEntry
from activities.model.effect import Direction, Effect


def sent(*steps: int) -> list[AuditEntry]:
    """Return the rows of steps that were sent."""
    return [AuditEntry(at=1.0, kind="attempt", loop="charter", step=step, direction="do") for step in steps]


def effect(step: int, direction: Direction = Direction.DO, generation: int = 8, late: bool = False) -> Effect:
    """Return what a step did."""
    return Effect(plan_id="p", step=step, direction=direction, at=1.0, generation=generation, late=late)


DONE, NEXT = effect(0), effect(1, generation=9)
UNDONE = effect(0, Direction.UNDO, 9)
PRE_IMAGE = effect(0, Direction.BEFORE, 7)
TABLE = [
    ("nothing was sent", (), (), "", set(), None),
    ("sent, and nothing heard", (PRE_IMAGE,), (0,), "", {0}, None),
    ("done", (PRE_IMAGE, DONE), (0,), "", {0}, 8),
    ("done and undone", (DONE, UNDONE), (0,), "", set(), None),
    ("two done, the second undone", (DONE, NEXT, effect(1, Direction.UNDO, 10)), (0, 1), "", {0}, 10),
    ("done and judged", (DONE,), (0,), "fixed", set(), None),
    ("ended unheard", (), (0,), "failed", {0}, None),
    ("heard after the end", (effect(0, late=True),), (0,), "failed", {0}, None),
    ("heard after the end and undone", (effect(0, late=True), UNDONE), (0,), "failed", set(), None),
    ("one judged, one unheard", (DONE,), (0, 1), "fixed", {1}, None),
]


@pytest.mark.parametrize(
    ("effects", "rows", "ended", "standing", "left"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE]
)
def test_who_answers_for_a_step(effects, rows, ended, standing, left):
    """A step stands from when it was sent until it is undone or its plan's outcome answers for it."""
    found = steps_of(effects, sent(*rows), ended)
    assert (found.standing, found.left) == (frozenset(standing), left)


def test_when_the_first_step_was_sent():
    """The last sending counts: those before it were refused, and what comes after it is no sending."""
    rows = [
        row.model_copy(update={"at": at, "phase": phase})
        for at, phase, row in zip(
            (1.0, 2.0, 5.0, 6.0, 9.0),
            ("before", "refused", "before", "after", "before"),
            sent(0, 0, 0, 0, 1),
            strict=True,
        )
    ]
    assert steps_of((), rows, "").sent_at == 5.0
    assert steps_of((), (), "").sent_at is None
