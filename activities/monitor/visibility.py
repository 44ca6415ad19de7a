"""What can be seen of a component at one instant, and the blind spots that follow."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from activities.model.blindspot import Blindness, BlindSpot
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample
from activities.monitor.builtin_rules import LIVENESS
from activities.monitor.queries import MOVING, component_of, steady_signals

PROMETHEUS = "prometheus"
CHARTER = "charter"
REMOTES = (PROMETHEUS, CHARTER)
"""The names that stand for a remote as a whole in a blind spot."""


@dataclass(frozen=True)
class Sight:
    """What is wrong with the view of one component at one instant.

    `absent` describes steady signals that are not there, `stale` maps signals to the age of their last sample in
    seconds, `still` says that the counters do not move, `unreadable` maps metrics to a NaN or infinity, `disputed`
    are metrics with several values that differ.
    """

    absent: tuple[str, ...] = ()
    stale: Mapping[str, float] = field(default_factory=dict)
    still: bool = False
    unreadable: Mapping[str, float] = field(default_factory=dict)
    disputed: tuple[str, ...] = ()

    def blind_spots(self, component: str, reported: bool) -> tuple[BlindSpot, ...]:
        """Return the blind spots of `component`; with any of them its values are not believed.

        `reported` says that Charter itself reports something wrong with the component: then counters that stand
        still are no contradiction, they are what a dead component looks like.
        """
        spots = [
            *(_spot(component, signal, Blindness.MISSING) for signal in self.absent),
            *(_spot(component, s, Blindness.STALE, f"last sample {age:.0f} s old") for s, age in self.stale.items()),
            *(_spot(component, m, Blindness.NAN, f"value {value}") for m, value in self.unreadable.items()),
            *(_spot(component, m, Blindness.CONTRADICTORY, "several different values") for m in self.disputed),
        ]
        if self.still and not reported:
            detail = "counters stand still, and Charter reports nothing wrong"
            spots.append(_spot(component, LIVENESS, Blindness.CONTRADICTORY, detail))
        return tuple(spots)


def seen(ages: Mapping[str, float], changes: float | None, steady: Sequence[str], max_age: float) -> Sight:
    """Return the sight of a component from the ages of its signals, in seconds, and its changes (`MOVING`).

    `steady` are the `steady_signals` of the rules. A component without `LIVENESS` is missing as a whole. One that
    moves must have all steady signals; one that stands still lacks those that are made of its movement, which says
    nothing new.
    """
    stale = {signal: age for signal, age in ages.items() if not abs(age) <= max_age}
    if LIVENESS not in ages:
        return Sight(absent=(LIVENESS,), stale=stale)
    if changes == 0:
        return Sight(stale=stale, still=True)
    return Sight(absent=tuple(s for s in steady if s not in ages), stale=stale)


def coverage_sights(
    coverage: Iterable[Sample], rules: Sequence[MetricRule], required: Collection[str]
) -> dict[str, Sight]:
    """Return the sight of every component from the answer to `coverage_query`.

    Components are the `required` ones, and any other with a steady signal in the answer. The answer counts steady
    signals and names only the stale ones, so what is absent is a number here.
    """
    steady = steady_signals(rules)
    fresh: dict[str, float] = {}
    odd: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in coverage:
        component, signal = component_of(sample.labels), sample.labels.get("signal")
        if signal is None:
            fresh[component] = sample.value
        else:
            odd[component][signal] = sample.value
    aged = {name for name, signals in odd.items() if signals.keys() & set(steady)}
    return {
        name: _counted(fresh.get(name, 0.0), odd.get(name, {}), steady) for name in sorted({*required, *fresh, *aged})
    }


def _counted(fresh: float, odd: Mapping[str, float], steady: Sequence[str]) -> Sight:
    stale = {signal: value for signal, value in odd.items() if signal != MOVING}
    lost = len(steady) - int(fresh) - sum(signal in stale for signal in steady)
    if MOVING in odd:
        return Sight(stale=stale, still=True)
    absent = (f"{lost} of {len(steady)} steady signals",) if lost > 0 else ()
    return Sight(absent=absent, stale=stale)


def _spot(component: str, signal: str, kind: Blindness, detail: str = "") -> BlindSpot:
    return BlindSpot(component=component, signal=signal, kind=kind, detail=detail)
