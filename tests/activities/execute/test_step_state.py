"""The state of a plan's steps."""

import pytest

from activities.execute.step_state import build_step_state
from activities.model.audit import AttemptPhase, AuditEntry, AuditKind
from activities.model.effect import Direction, Effect


def make_sent_rows(*steps: int) -> list[AuditEntry]:
    """Return the audit rows of steps that were sent."""
    return [
        AuditEntry(at=1.0, kind=AuditKind.ATTEMPT, loop="charter", step=step, direction=Direction.DO) for step in steps
    ]


def make_effect(step: int, direction: Direction = Direction.DO, generation: int = 8, is_late: bool = False) -> Effect:
    """Return the effect of a step."""
    return Effect(plan_id="p", step=step, direction=direction, at=1.0, generation=generation, late=is_late)


FIRST_EFFECT, SECOND_EFFECT = make_effect(0), make_effect(1, generation=9)
UNDO_EFFECT = make_effect(0, Direction.UNDO, 9)
PRE_IMAGE_EFFECT = make_effect(0, Direction.BEFORE, 7)
STEP_STATE_CASES = [
    ("nothing was sent", (), (), "", set(), None),
    ("sent without a reply", (PRE_IMAGE_EFFECT,), (0,), "", {0}, None),
    ("applied", (PRE_IMAGE_EFFECT, FIRST_EFFECT), (0,), "", {0}, 8),
    ("applied and undone", (FIRST_EFFECT, UNDO_EFFECT), (0,), "", set(), None),
    (
        "two applied, the second undone",
        (FIRST_EFFECT, SECOND_EFFECT, make_effect(1, Direction.UNDO, 10)),
        (0, 1),
        "",
        {0},
        10,
    ),
    ("applied and verified", (FIRST_EFFECT,), (0,), "fixed", set(), None),
    ("ended without a reply", (), (0,), "failed", {0}, None),
    ("reply after the end", (make_effect(0, is_late=True),), (0,), "failed", {0}, None),
    ("reply after the end, undone", (make_effect(0, is_late=True), UNDO_EFFECT), (0,), "failed", set(), None),
    ("one verified, one without a reply", (FIRST_EFFECT,), (0, 1), "fixed", {1}, None),
]


@pytest.mark.parametrize(
    ("effects", "steps", "outcome", "unresolved", "last_generation"),
    [case[1:] for case in STEP_STATE_CASES],
    ids=[case[0] for case in STEP_STATE_CASES],
)
def test_a_sent_step_is_unresolved_until_undone_or_covered(
    effects: tuple[Effect, ...],
    steps: tuple[int, ...],
    outcome: str,
    unresolved: set[int],
    last_generation: int | None,
) -> None:
    """A step is unresolved from its sending until it is undone or the plan's outcome covers it."""
    state = build_step_state(effects, make_sent_rows(*steps), outcome)
    assert (state.unresolved, state.last_generation) == (frozenset(unresolved), last_generation)


def test_the_last_sending_of_the_first_step_counts() -> None:
    """Earlier sendings were refused, and later rows are not sendings."""
    rows = [
        row.model_copy(update={"at": at, "phase": phase})
        for at, phase, row in zip(
            (1.0, 2.0, 5.0, 6.0, 9.0),
            (
                AttemptPhase.BEFORE,
                AttemptPhase.REFUSED,
                AttemptPhase.BEFORE,
                AttemptPhase.AFTER,
                AttemptPhase.BEFORE,
            ),
            make_sent_rows(0, 0, 0, 0, 1),
            strict=True,
        )
    ]
    assert build_step_state((), rows, "").sent_at == 5.0
    assert build_step_state((), (), "").sent_at is None
