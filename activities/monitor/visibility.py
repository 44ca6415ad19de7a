"""The visibility of a component at one instant, and the blind spots that follow from it."""

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
"""The components of a blind spot that covers a whole remote."""


@dataclass(frozen=True)
class Visibility:
    """The defects in the view of one component at one instant.

    `missing` describes required signals without a sample. `stale` maps signals to the age of their last sample in
    seconds. `non_finite` maps metrics to a NaN or infinity. `conflicting` are metrics with several different values.
    """

    missing: tuple[str, ...] = ()
    stale: Mapping[str, float] = field(default_factory=dict)
    counters_frozen: bool = False
    non_finite: Mapping[str, float] = field(default_factory=dict)
    conflicting: tuple[str, ...] = ()

    def blind_spots(self, component: str, reported: bool) -> tuple[BlindSpot, ...]:
        """Return the blind spots of `component`; with any of them its values are not trusted.

        `reported` is True if Charter reports a finding on the component. Frozen counters are then no contradiction:
        a dead component has them too.
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
            detail = "counters are frozen, and Charter reports no finding"
            spots.append(_make_blind_spot(component, LIVENESS_COUNTER, BlindSpotKind.CONTRADICTORY, detail))
        return tuple(spots)


def visibility_of(
    ages: Mapping[str, float], changes: float | None, signals: Sequence[str], max_age: float
) -> Visibility:
    """Return the visibility from the ages of the signals, in seconds, and the counter changes (`COUNTER_MOVING`).

    `signals` are the `required_signals` of the rules. A component without `LIVENESS_COUNTER` is missing as a whole.
    With moving counters it must have every required signal. With frozen counters it lacks those derived from rates;
    they are not reported again.
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
    """Return the visibility of every component from the answer to `coverage_query`.

    Components are the required ones, and any other with a required signal in the answer. The answer counts required
    signals and names only the stale ones, so missing signals are a number here.
    """
    required = required_signals(rules)
    fresh: dict[str, float] = {}
    abnormal: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in coverage:
        component, signal = component_of(sample.labels), sample.labels.get("signal")
        if signal is None:
            fresh[component] = sample.value
        else:
            abnormal[component][signal] = sample.value
    aged = {name for name, signals in abnormal.items() if signals.keys() & set(required)}
    return {
        name: _visibility_from_counts(fresh.get(name, 0.0), abnormal.get(name, {}), required)
        for name in sorted({*required_components, *fresh, *aged})
    }


def _visibility_from_counts(
    fresh_count: float, abnormal_signals: Mapping[str, float], signals: Sequence[str]
) -> Visibility:
    stale = {signal: value for signal, value in abnormal_signals.items() if signal != COUNTER_MOVING}
    missing_count = len(signals) - int(fresh_count) - sum(signal in stale for signal in signals)
    if COUNTER_MOVING in abnormal_signals:
        return Visibility(stale=stale, counters_frozen=True)
    missing = (f"{missing_count} of {len(signals)} required signals",) if missing_count > 0 else ()
    return Visibility(missing=missing, stale=stale)


def _make_blind_spot(component: str, signal: str, kind: BlindSpotKind, detail: str = "") -> BlindSpot:
    return BlindSpot(component=component, signal=signal, kind=kind, detail=detail)
