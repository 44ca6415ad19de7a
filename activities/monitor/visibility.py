"""What can be seen of a component at one instant, and the blind spots that follow."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample
from activities.monitor.metric_names import LIVENESS_COUNTER
from activities.monitor.queries import COUNTER_MOVING, component_of, required_signals

PROMETHEUS = "prometheus"
CHARTER = "charter"
REMOTES = (PROMETHEUS, CHARTER)
"""The names that stand for a remote as a whole in a blind spot."""


@dataclass(frozen=True)
class Visibility:
    """What is wrong with the view of one component at one instant.

    `absent` describes steady signals that are not there, `stale` maps signals to the age of their last sample in
    seconds, `still` says that the counters do not move, `unreadable` maps metrics to a NaN or infinity, `disputed`
    are metrics with several values that differ.
    """

    missing: tuple[str, ...] = ()
    stale: Mapping[str, float] = field(default_factory=dict)
    counters_frozen: bool = False
    non_finite: Mapping[str, float] = field(default_factory=dict)
    conflicting: tuple[str, ...] = ()

    def blind_spots(self, component: str, reported: bool) -> tuple[BlindSpot, ...]:
        """Return the blind spots of `component`; with any of them its values are not believed.

        `reported` says that Charter itself reports something wrong with the component: then counters that stand
        still are no contradiction, they are what a dead component looks like.
        """
        spots = [
            *(_make_blind_spot(component, signal, BlindSpotKind.MISSING) for signal in self.missing),
            *(
                _make_blind_spot(component, s, BlindSpotKind.STALE, f"last sample {age:.0f} s old")
                for s, age in self.stale.items()
            ),
            *(
                _make_blind_spot(component, m, BlindSpotKind.NAN, f"value {value}")
                for m, value in self.non_finite.items()
            ),
            *(
                _make_blind_spot(component, m, BlindSpotKind.CONTRADICTORY, "several different values")
                for m in self.conflicting
            ),
        ]
        if self.counters_frozen and not reported:
            detail = "counters stand still, and Charter reports nothing wrong"
            spots.append(_make_blind_spot(component, LIVENESS_COUNTER, BlindSpotKind.CONTRADICTORY, detail))
        return tuple(spots)


def visibility_of(
    ages: Mapping[str, float], changes: float | None, signals: Sequence[str], max_age: float
) -> Visibility:
    """Return the sight of a component from the ages of its signals, in seconds, and its changes (`MOVING`).

    `steady` are the `steady_signals` of the rules. A component without `LIVENESS` is missing as a whole. One that
    moves must have all steady signals; one that stands still lacks those that are made of its movement, which says
    nothing new.
    """
    stale = {signal: age for signal, age in ages.items() if not abs(age) <= max_age}
    if LIVENESS_COUNTER not in ages:
        return Visibility(missing=(LIVENESS_COUNTER,), stale=stale)
    if changes == 0:
        return Visibility(stale=stale, counters_frozen=True)
    return Visibility(missing=tuple(s for s in signals if s not in ages), stale=stale)


def visibility_from_coverage(
    coverage: Iterable[Sample], rules: Sequence[MetricRule], required_components: Collection[str]
) -> dict[str, Visibility]:
    """Return the sight of every component from the answer to `coverage_query`.

    Components are the `required` ones, and any other with a steady signal in the answer. The answer counts steady
    signals and names only the stale ones, so what is absent is a number here.
    """
    steady = required_signals(rules)
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
        name: _visibility_from_counts(fresh.get(name, 0.0), odd.get(name, {}), steady)
        for name in sorted({*required_components, *fresh, *aged})
    }


def _visibility_from_counts(
    fresh_count: float, abnormal_signals: Mapping[str, float], signals: Sequence[str]
) -> Visibility:
    stale = {signal: value for signal, value in abnormal_signals.items() if signal != COUNTER_MOVING}
    lost = len(signals) - int(fresh_count) - sum(signal in stale for signal in signals)
    if COUNTER_MOVING in abnormal_signals:
        return Visibility(stale=stale, counters_frozen=True)
    absent = (f"{lost} of {len(signals)} steady signals",) if lost > 0 else ()
    return Visibility(missing=absent, stale=stale)


def _make_blind_spot(component: str, signal: str, kind: BlindSpotKind, detail: str = "") -> BlindSpot:
    return BlindSpot(component=component, signal=signal, kind=kind, detail=detail)
