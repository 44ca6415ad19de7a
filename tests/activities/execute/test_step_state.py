"""What became of a plan's steps."""

import pytest

from activities.execute.step_state import build_step_state
from activities.model.audit import AuditEntry
from activities.model.effect import Direction, Effect


def make_sent_rows(*steps: int) -> list[AuditEntry]:
    """Return the rows of steps that were sent."""
    return [AuditEntry(at=1.0, kind="attempt", loop="charter", step=step, direction="do") for step in steps]


def make_effect(step: int, direction: Direction = Direction.DO, generation: int = 8, is_late: bool = False) -> Effect:
    """Return what a step did."""
    return Effect(plan_id="p", step=step, direction=direction, at=1.0, generation=generation, late=is_late)


FIRST_EFFECT, SECOND_EFFECT = make_effect(0), make_effect(1, generation=9)
UNDO_EFFECT = make_effect(0, Direction.UNDO, 9)
PRE_IMAGE_EFFECT = make_effect(0, Direction.BEFORE, 7)
STEP_STATE_CASES = [
    ("nothing was sent", (), (), "", set(), None),
    ("sent, and nothing heard", (PRE_IMAGE_EFFECT,), (0,), "", {0}, None),
    ("done", (PRE_IMAGE_EFFECT, FIRST_EFFECT), (0,), "", {0}, 8),
    ("done and undone", (FIRST_EFFECT, UNDO_EFFECT), (0,), "", set(), None),
    (
        "two done, the second undone",
        (FIRST_EFFECT, SECOND_EFFECT, make_effect(1, Direction.UNDO, 10)),
        (0, 1),
        "",
        {0},
        10,
    ),
    ("done and judged", (FIRST_EFFECT,), (0,), "fixed", set(), None),
    ("ended unheard", (), (0,), "failed", {0}, None),
    ("heard after the end", (make_effect(0, is_late=True),), (0,), "failed", {0}, None),
    ("heard after the end and undone", (make_effect(0, is_late=True), UNDO_EFFECT), (0,), "failed", set(), None),
    ("one judged, one unheard", (FIRST_EFFECT,), (0, 1), "fixed", {1}, None),
]


@pytest.mark.parametrize(
    ("effects", "rows", "ended", "standing", "left"),
    [r[1:] for r in STEP_STATE_CASES],
    ids=[r[0] for r in STEP_STATE_CASES],
)
def test_who_answers_for_a_step(effects, rows, ended, standing, left):
    """A step stands from when it was sent until it is undone or its plan's outcome answers for it."""
    found = build_step_state(effects, make_sent_rows(*rows), ended)
    assert (found.unresolved, found.last_generation) == (frozenset(standing), left)


def test_when_the_first_step_was_sent():
    """The last sending counts: those before it were refused, and what comes after it is no sending."""
    rows = [
        row.model_copy(update={"at": at, "phase": phase})
        for at, phase, row in zip(
            (1.0, 2.0, 5.0, 6.0, 9.0),
            ("before", "refused", "before", "after", "before"),
            make_sent_rows(0, 0, 0, 0, 1),
            strict=True,
        )
    ]
    assert build_step_state((), rows, "").sent_at == 5.0
    assert build_step_state((), (), "").sent_at is None
