"""Which steps of a plan are or may be applied, also after a crash: from their effects and audit rows in the store."""

from collections.abc import Iterable
from dataclasses import dataclass

from activities.model.audit import AttemptPhase, AuditEntry
from activities.model.effect import Direction, Effect


@dataclass(frozen=True)
class StepState:
    """The state of one plan's steps (numbered from 0)."""

    unresolved: frozenset[int]
    """Steps that were sent to Charter, not undone, and not covered by an outcome.

    The outcome of an ended plan covers the effects known when it ended: they were verified or rolled back.
    """
    last_generation: int | None
    """The knob's generation after the last effect. None if the plan ended, or if no step is applied."""
    outcome: str
    """The outcome of the plan, empty while it runs."""
    changed_charter: bool
    undo_started: bool = False
    """A step was undone, or an undo was sent."""
    sent_at: float | None = None
    """When the first step was last sent (unix seconds, its worker's clock), None if it was not."""


def build_step_state(effects: Iterable[Effect], audit_entries: Iterable[AuditEntry], outcome: str) -> StepState:
    """Return the state of a plan's steps from its effects and audit rows."""
    effects, rows = tuple(effects), tuple(audit_entries)
    done_effects = [effect for effect in effects if effect.direction is Direction.DO]
    done = {effect.step for effect in done_effects}
    covered = {effect.step for effect in done_effects if not effect.late} if outcome else set()
    undone = {effect.step for effect in effects if effect.direction is Direction.UNDO}
    sent = {row.step for row in rows if row.direction == Direction.DO.value and row.step is not None}
    sent_times = [
        row.at for row in rows if (row.direction, row.step, row.phase) == (Direction.DO.value, 0, AttemptPhase.BEFORE)
    ]
    generations = [effect.generation for effect in effects if effect.direction is not Direction.BEFORE]
    return StepState(
        unresolved=frozenset(sent - undone - covered),
        last_generation=max(generations) if done - undone and not outcome else None,
        outcome=outcome,
        changed_charter=bool(done),
        sent_at=max(sent_times, default=None),
        undo_started=bool(undone) or any(row.direction == Direction.UNDO.value for row in rows),
    )
