"""The only judgement: which metric of which component is violated, and what cannot be judged.

A value counts if it is finite, fresh and beyond its limit, with hysteresis replayed over the look-back. A component
with any blind spot at an instant has its values of that instant set aside: neither healthy nor violated. What Charter
itself reports counts all the same, because it is independent evidence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from activities.model.baseline import Usual
from activities.model.blindspot import BlindSpot
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.violation import Bad, Violation, worst_first
from activities.monitor.adaptive import deviations
from activities.monitor.charter_findings import doubted_committee, is_open, metric_of, reported_violations
from activities.monitor.trusted_values import Key, view_of


class Track(NamedTuple):
    """One metric of one component over the grid.

    `values[i]` is the sample at instant i, None if there is none or it is not believed. `counted[i]` says that the
    pair is violated there, by its value or by Charter; `held` that its value is at the last one. `since` is the
    instant the present run began, unix seconds; a run lasts through instants without a believed value. It means
    nothing unless the pair is violated at the end. `deviations` are those of a metric with an adaptive rule, in usual
    spreads and positive in the bad direction; `bound` is where its violation begins at the last instant, in the
    metric's unit, and on which side. A metric with a hand-set limit has neither.
    """

    component: str
    metric: str
    values: tuple[float | None, ...]
    counted: tuple[bool, ...]
    held: bool
    since: float
    deviations: tuple[float | None, ...] = ()
    bound: tuple[float, Bad] | None = None

    @property
    def adaptive(self) -> bool:
        """Whether the metric is judged by its own past."""
        return bool(self.deviations)


@dataclass(frozen=True)
class Judged:
    """The judgement over a grid of instants (unix seconds, `step` apart).

    `tracks` holds every (component, metric) that was seen or reported, sorted. `violations` are those at the last
    instant, the worst first; `blind` is what cannot be judged there.
    """

    grid: tuple[float, ...]
    step: float
    tracks: tuple[Track, ...]
    violations: tuple[Violation, ...]
    blind: tuple[BlindSpot, ...]

    @property
    def at(self) -> float:
        """The last instant, unix seconds."""
        return self.grid[-1]


def hysteresis(values: Sequence[float | None], rule: MetricRule) -> tuple[bool, ...]:
    """Replay the rule over the values, oldest first: on beyond `enter`, off at `leave` or better.

    None, NaN and infinities leave the state as it is; before the first value it is off.
    """
    # Inside out of `rule.beyond`: this loop sees every sample there is.
    sign = -1.0 if rule.bad is Bad.BELOW and not rule.adaptive else 1.0
    enter, leave = sign * rule.enter, sign * rule.leave
    if not any(sign * value > enter for value in values if value is not None):
        return (False,) * len(values)
    state, states = False, []
    for value in values:
        if value is not None and math.isfinite(value):
            state = sign * value > (leave if state else enter)
        states.append(state)
    return tuple(states)


class Judgeable(NamedTuple):
    """One (component, metric) with its believed values, its rule, and what is usual if the rule is adaptive."""

    key: Key
    values: tuple[float | None, ...] | None
    rule: MetricRule | None
    usual: Usual | None

    @property
    def deviations(self) -> tuple[float | None, ...]:
        """The deviations over the grid, empty unless the rule is adaptive and the past is known."""
        if self.values is None or self.usual is None or self.rule is None or not self.rule.adaptive:
            return ()
        return deviations(self.values, self.usual.centre, self.usual.spread, self.rule.bad)

    @property
    def bound(self) -> tuple[float, Bad] | None:
        """Where a violation begins at the last instant, on the side the value is on; None without a past."""
        if self.usual is None or self.rule is None or not self.values or not self.rule.adaptive:
            return None
        value, centre, spread = self.values[-1], self.usual.centre[-1], self.usual.spread[-1]
        if value is None or centre is None or spread is None:
            return None
        reach = self.rule.enter * spread
        return (centre + reach, Bad.ABOVE) if value >= centre else (centre - reach, Bad.BELOW)


def judge(source: AnalysisInput) -> Judged:
    """Judge every (component, metric) at every instant of the input's grid."""
    view = view_of(source)
    now = reported_violations(source.findings, source.committee, source.at)
    reports = _reports(source, now)
    rules = {rule.metric: rule for rule in source.rules}
    known = {(usual.component, usual.metric): usual for usual in source.usual}
    tracks = tuple(
        _track(source.grid, Judgeable(key, view.values.get(key), rules.get(key[1]), known.get(key)), reports.get(key))
        for key in sorted({*view.values, *reports})
    )
    return Judged(
        grid=source.grid,
        step=source.step,
        tracks=tracks,
        violations=_violations(tracks, rules, now),
        blind=(*source.blind, *doubted_committee(source.committee), *view.blind_now),
    )


def violated(component: str, rule: MetricRule, value: float, since: float) -> Violation:
    """Return the violation of `rule` by `value`, with the source "metric"."""
    return Violation(
        component=component,
        metric=rule.metric,
        value=value,
        limit=rule.enter,
        bad=rule.bad,
        severity=rule.severity,
        since=since,
    )


def merged(metric: Violation, report: Violation | None) -> Violation:
    """Return one violation of what a metric shows and Charter reports: the metric's numbers, the worse severity."""
    if report is None:
        return metric
    return metric.model_copy(
        update={
            "severity": min(metric.severity, report.severity, key=lambda severity: severity.rank),
            "since": min(metric.since, report.since),
            "sources": ("metric", "charter"),
        }
    )


def _reports(source: AnalysisInput, now: Mapping[Key, Violation]) -> dict[Key, tuple[bool, ...]]:
    """Return at which instants Charter reports each (component, metric)."""
    keys = {*now, *((finding.component, metric_of(finding)) for finding in source.findings)}
    return {
        key: tuple(
            (instant == source.at and key in now)
            or any(is_open(f, instant) for f in source.findings if (f.component, metric_of(f)) == key)
            for instant in source.grid
        )
        for key in keys
    }


def _track(grid: Sequence[float], pair: Judgeable, reported: Sequence[bool] | None) -> Track:
    values = pair.values or (None,) * len(grid)
    deviations = pair.deviations
    replayed = deviations if pair.rule and pair.rule.adaptive else values
    states = hysteresis(replayed, pair.rule) if pair.rule and replayed else (False,) * len(grid)
    if reported is None and True not in states:
        return Track(*pair.key, values, states, False, grid[-1], deviations, pair.bound)
    reported = reported or (False,) * len(grid)
    counted = tuple(r or (s and v is not None) for r, s, v in zip(reported, states, values, strict=True))
    since = grid[-1]
    for instant, state, report in zip(reversed(grid), reversed(states), reversed(reported), strict=True):
        if not (state or report):
            break
        since = instant
    held = states[-1] and values[-1] is not None
    return Track(*pair.key, values, counted, held, since, deviations, pair.bound)


def _violations(
    tracks: Sequence[Track], rules: Mapping[str, MetricRule], now: Mapping[Key, Violation]
) -> tuple[Violation, ...]:
    found = dict(now)
    for track in tracks:
        value = track.values[-1]
        if track.held and value is not None:
            key = (track.component, track.metric)
            rule = rules[track.metric]
            if track.bound is not None:
                rule = rule.model_copy(update={"enter": track.bound[0], "bad": track.bound[1]})
            found[key] = merged(violated(track.component, rule, value, track.since), now.get(key))
    return worst_first(list(found.values()))
