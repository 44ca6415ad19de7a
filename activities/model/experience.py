"""What Knowledge tells the planner."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple, TypeVar

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.types import MigratedModel

OUTCOME_DECAY_FACTOR = 0.995
"""Weight an outcome keeps with each later one of the same pair: what helped 500 outcomes ago counts a twelfth."""


class ComponentStats(MigratedModel):
    """Outcomes of a pair on one component. `good` and `bad` are their decayed sums, together at most `n`."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"n": "count", "good": "success_weight", "bad": "failure_weight"}

    component: str
    count: int
    success_weight: float
    failure_weight: float


class ActionStats(MigratedModel):
    """Counted outcomes of one action against one cause: `n` of them, with the sum of their values (0 to n).

    `good` and `bad` are the sums of their values and of what was missing to 1, each outcome decayed by the later
    ones. `contexts` are the same per component on which the cause sat.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"n": "count", "good": "success_weight", "bad": "failure_weight"}

    action: ActionType
    cause: Cause
    count: int
    total: float
    success_weight: float = 0.0
    failure_weight: float = 0.0
    contexts: tuple[ComponentStats, ...] = ()

    def for_component(self, component: str) -> ComponentStats:
        """Return what was seen on one component, an empty tally if nothing was."""
        known = (tally for tally in self.contexts if tally.component == component)
        return next(known, ComponentStats(component=component, count=0, success_weight=0.0, failure_weight=0.0))


Stats = TypeVar("Stats", ComponentStats, ActionStats)


class Experience(MigratedModel):
    """All counted outcomes of a loop, summed."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"records": "action_stats"}

    action_stats: tuple[ActionStats, ...] = ()

    def for_action(self, action: ActionType, cause: Cause) -> ActionStats:
        """Return the record of the pair, an empty one if it was never tried."""
        for record in self.action_stats:
            if (record.action, record.cause) == (action, cause):
                return record
        return ActionStats(action=action, cause=cause, count=0, total=0.0)


class ScoredOutcome(NamedTuple):
    """One outcome of one action that counts: `value` is 1, 0.5 or 0."""

    action: ActionType
    cause: Cause
    component: str
    value: float


def aggregate(outcomes: Iterable[ScoredOutcome]) -> Experience:
    """Return the experience of outcomes, the oldest first; its records are in the order of action and cause."""
    records: dict[tuple[ActionType, Cause], ActionStats] = {}
    for action, cause, component, value in outcomes:
        known = records.get((action, cause)) or ActionStats(action=action, cause=cause, count=0, total=0.0)
        tally = known.for_component(component)
        tallies = {**{t.component: t for t in known.contexts}, component: _add_value(tally, value)}
        records[action, cause] = _add_value(known, value).model_copy(
            update={"total": known.total + value, "contexts": tuple(tallies[name] for name in sorted(tallies))}
        )
    return Experience(action_stats=tuple(records[key] for key in sorted(records)))


def _add_value(stats: Stats, value: float) -> Stats:
    good, bad = (
        OUTCOME_DECAY_FACTOR * stats.success_weight + value,
        OUTCOME_DECAY_FACTOR * stats.failure_weight + 1.0 - value,
    )
    return stats.model_copy(update={"count": stats.count + 1, "success_weight": good, "failure_weight": bad})
