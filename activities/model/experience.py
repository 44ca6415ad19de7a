"""The experience that Knowledge gives to the planner."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple, TypeVar

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.types import MigratedModel

OUTCOME_DECAY_FACTOR = 0.995
"""Decay per later outcome of the same pair: an outcome 500 outcomes ago counts a twelfth."""


class ComponentStats(MigratedModel):
    """Outcomes of a pair on one component.

    `success_weight` and `failure_weight` are their decayed sums, together at most `count`.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"n": "count", "good": "success_weight", "bad": "failure_weight"}

    component: str
    count: int
    success_weight: float
    failure_weight: float


class ActionStats(MigratedModel):
    """Scored outcomes of one action against one cause: `count` of them, with the sum of their values (0 to `count`).

    `success_weight` sums their values and `failure_weight` the remainders to 1, each outcome decayed by the later ones.
    `contexts` are the same figures per component of the cause.
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
        """Return the figures of one component, empty without outcomes."""
        matching = (stats for stats in self.contexts if stats.component == component)
        return next(matching, ComponentStats(component=component, count=0, success_weight=0.0, failure_weight=0.0))


Stats = TypeVar("Stats", ComponentStats, ActionStats)


class Experience(MigratedModel):
    """All scored outcomes of a loop, aggregated."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"records": "action_stats"}

    action_stats: tuple[ActionStats, ...] = ()

    def for_action(self, action: ActionType, cause: Cause) -> ActionStats:
        """Return the figures of the pair, empty if it was never tried."""
        for stats in self.action_stats:
            if (stats.action, stats.cause) == (action, cause):
                return stats
        return ActionStats(action=action, cause=cause, count=0, total=0.0)


class ScoredOutcome(NamedTuple):
    """One scored outcome of one action: `value` is 1, 0.5 or 0."""

    action: ActionType
    cause: Cause
    component: str
    value: float


def aggregate(outcomes: Iterable[ScoredOutcome]) -> Experience:
    """Return the experience of outcomes, oldest first. The figures are sorted by action and cause."""
    by_pair: dict[tuple[ActionType, Cause], ActionStats] = {}
    for action, cause, component, value in outcomes:
        stats = by_pair.get((action, cause)) or ActionStats(action=action, cause=cause, count=0, total=0.0)
        by_component = {context.component: context for context in stats.contexts}
        by_component[component] = _add_value(stats.for_component(component), value)
        by_pair[action, cause] = _add_value(stats, value).model_copy(
            update={
                "total": stats.total + value,
                "contexts": tuple(by_component[name] for name in sorted(by_component)),
            }
        )
    return Experience(action_stats=tuple(by_pair[key] for key in sorted(by_pair)))


def _add_value(stats: Stats, value: float) -> Stats:
    return stats.model_copy(
        update={
            "count": stats.count + 1,
            "success_weight": OUTCOME_DECAY_FACTOR * stats.success_weight + value,
            "failure_weight": OUTCOME_DECAY_FACTOR * stats.failure_weight + 1.0 - value,
        }
    )
