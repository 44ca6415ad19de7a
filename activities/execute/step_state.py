"""What became of a plan's steps, from what the store keeps of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from activities.model.audit import AuditEntry
from activities.model.effect import Direction, Effect


@dataclass(frozen=True)
class StepState:
    """Steps (from 0) of one plan.

    `standing` were sent to Charter and nobody answers for them: not undone since, and of a plan that has `ended` (how;
    empty if it has not) those not heard of before that end, because the others were judged or taken back. `left` is the
    generation that the last step done and not undone left the knob at, None if there is none or the plan has ended.
    `touched` tells that Charter was changed at all, `taken_back` that a step was undone or the undo was tried.
    `sent_at` is when the first step was last sent (unix seconds, its worker's clock), None if it never was.
    """

    unresolved: frozenset[int]
    last_generation: int | None
    outcome: str
    changed_charter: bool
    undo_started: bool = False
    sent_at: float | None = None


def build_step_state(effects: Iterable[Effect], audit_entries: Iterable[AuditEntry], outcome: str) -> StepState:
    """Return what effects and audit rows of a plan tell about its steps."""
    known, tried = tuple(effects), tuple(audit_entries)
    done = {effect.step for effect in known if effect.direction is Direction.DO}
    answered = (
        {effect.step for effect in known if effect.direction is Direction.DO and not effect.late} if outcome else set()
    )
    undone = {effect.step for effect in known if effect.direction is Direction.UNDO}
    sent = {row.step for row in tried if row.direction == Direction.DO.value and row.step is not None}
    sendings = [row.at for row in tried if (row.direction, row.step, row.phase) == (Direction.DO.value, 0, "before")]
    left = max((effect.generation for effect in known if effect.direction is not Direction.BEFORE), default=None)
    return StepState(
        unresolved=frozenset(sent - undone - answered),
        last_generation=left if done - undone and not outcome else None,
        outcome=outcome,
        changed_charter=bool(done),
        sent_at=max(sendings, default=None),
        undo_started=bool(undone) or any(row.direction == Direction.UNDO.value for row in tried),
    )
