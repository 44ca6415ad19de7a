"""What Knowledge tells the planner."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.types import Noun

DECAY = 0.995
"""Weight an outcome keeps with each later one of the same pair: what helped 500 outcomes ago counts a twelfth."""


class Tally(Noun):
    """Outcomes of a pair on one component. `good` and `bad` are their decayed sums, together at most `n`."""

    component: str
    n: int
    good: float
    bad: float


class Record(Noun):
    """Counted outcomes of one action against one cause: `n` of them, with the sum of their values (0 to n).

    `good` and `bad` are the sums of their values and of what was missing to 1, each outcome decayed by the later
    ones. `contexts` are the same per component on which the cause sat.
    """

    action: ActionType
    cause: Cause
    n: int
    total: float
    good: float = 0.0
    bad: float = 0.0
    contexts: tuple[Tally, ...] = ()

    def on(self, component: str) -> Tally:
        """Return what was seen on one component, an empty tally if nothing was."""
        known = (tally for tally in self.contexts if tally.component == component)
        return next(known, Tally(component=component, n=0, good=0.0, bad=0.0))


Sums = TypeVar("Sums", Tally, Record)


class Experience(Noun):
    """All counted outcomes of a loop, summed."""

    records: tuple[Record, ...] = ()

    def of(self, action: ActionType, cause: Cause) -> Record:
        """Return the record of the pair, an empty one if it was never tried."""
        for record in self.records:
            if (record.action, record.cause) == (action, cause):
                return record
        return Record(action=action, cause=cause, n=0, total=0.0)


class Counted(NamedTuple):
    """One outcome of one action that counts: `value` is 1, 0.5 or 0."""

    action: ActionType
    cause: Cause
    component: str
    value: float


def summed(outcomes: Iterable[Counted]) -> Experience:
    """Return the experience of outcomes, the oldest first; its records are in the order of action and cause."""
    records: dict[tuple[ActionType, Cause], Record] = {}
    for action, cause, component, value in outcomes:
        known = records.get((action, cause)) or Record(action=action, cause=cause, n=0, total=0.0)
        tally = known.on(component)
        tallies = {**{t.component: t for t in known.contexts}, component: _with(tally, value)}
        records[action, cause] = _with(known, value).model_copy(
            update={"total": known.total + value, "contexts": tuple(tallies[name] for name in sorted(tallies))}
        )
    return Experience(records=tuple(records[key] for key in sorted(records)))


def _with(sums: Sums, value: float) -> Sums:
    good, bad = DECAY * sums.good + value, DECAY * sums.bad + 1.0 - value
    return sums.model_copy(update={"n": sums.n + 1, "good": good, "bad": bad})
