"""The only judgement: which metric of which component is violated, and which components are blind.

A value is violated if it is finite, fresh and beyond its limit, with hysteresis replayed over the look-back. A blind
spot of a component at an instant excludes its values of that instant: they are neither healthy nor violated. Charter's
findings count nevertheless, because they are independent evidence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from activities.model.baseline import Baseline
from activities.model.blindspot import BlindSpot
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.types import MetricKey
from activities.model.violation import BreachSide, Violation, sort_by_severity
from activities.monitor.baseline import compute_deviations
from activities.monitor.charter_findings import committee_blind_spots, is_open, metric_of, reported_violations
from activities.monitor.trusted_values import trusted_values


class MetricTrack(NamedTuple):
    """One metric of one component over the grid.

    `values[i]` is the trusted sample at instant i, None without one. `violated_at[i]` is True if the value or Charter
    shows a violation there. `violated_now` is True if the value shows one at the last instant. `since` is the start of
    the current violation in unix seconds; it continues through instants without a trusted value, and has no meaning
    unless the metric is violated at the end.

    Only a metric with an adaptive rule has `deviations`, in spreads and positive on the breach side. Only such a metric
    has a `current_limit`: the limit at the last instant in the metric's unit, and its side.
    """

    component: str
    metric: str
    values: tuple[float | None, ...]
    violated_at: tuple[bool, ...]
    violated_now: bool
    since: float
    deviations: tuple[float | None, ...] = ()
    current_limit: tuple[float, BreachSide] | None = None

    @property
    def adaptive(self) -> bool:
        """Whether the metric is judged by its baseline."""
        return bool(self.deviations)


@dataclass(frozen=True)
class Judgement:
    """The judgement over a grid of instants (unix seconds, `step` apart).

    `tracks` holds every (component, metric) with a sample or a finding, sorted. `violations` are those at the last
    instant, the most severe first. `blind` are the blind spots at the last instant.
    """

    grid: tuple[float, ...]
    step: float
    tracks: tuple[MetricTrack, ...]
    violations: tuple[Violation, ...]
    blind: tuple[BlindSpot, ...]

    @property
    def at(self) -> float:
        """The last instant, unix seconds."""
        return self.grid[-1]


def apply_hysteresis(values: Sequence[float | None], rule: MetricRule) -> tuple[bool, ...]:
    """Return the state at each value, oldest first: on beyond `threshold`, off at `clear_threshold` or better.

    None, NaN and infinities do not change the state. It is off before the first value.
    """
    # `rule.is_breached`, written out: this loop runs for every sample.
    sign = -1.0 if rule.breach is BreachSide.BELOW and not rule.adaptive else 1.0
    threshold, clear_threshold = sign * rule.threshold, sign * rule.clear_threshold
    if not any(sign * value > threshold for value in values if value is not None):
        return (False,) * len(values)
    state, states = False, []
    for value in values:
        if value is not None and math.isfinite(value):
            state = sign * value > (clear_threshold if state else threshold)
        states.append(state)
    return tuple(states)


class JudgementInput(NamedTuple):
    """One (component, metric) with its trusted values, its rule, and the baseline of an adaptive rule."""

    key: MetricKey
    values: tuple[float | None, ...] | None
    rule: MetricRule | None
    baseline: Baseline | None

    @property
    def deviations(self) -> tuple[float | None, ...]:
        """The deviations over the grid, empty without an adaptive rule and a baseline."""
        if self.values is None or self.baseline is None or self.rule is None or not self.rule.adaptive:
            return ()
        return compute_deviations(self.values, self.baseline.centre, self.baseline.spread, self.rule.breach)

    @property
    def current_limit(self) -> tuple[float, BreachSide] | None:
        """The limit at the last instant and its side, which is the side of the value; None without a baseline."""
        if self.baseline is None or self.rule is None or not self.values or not self.rule.adaptive:
            return None
        value, centre, spread = self.values[-1], self.baseline.centre[-1], self.baseline.spread[-1]
        if value is None or centre is None or spread is None:
            return None
        distance = self.rule.threshold * spread
        return (centre + distance, BreachSide.ABOVE) if value >= centre else (centre - distance, BreachSide.BELOW)


def judge(analysis_input: AnalysisInput) -> Judgement:
    """Judge every (component, metric) at every instant of the input's grid."""
    trusted = trusted_values(analysis_input)
    reported_now = reported_violations(analysis_input.findings, analysis_input.committee, analysis_input.at)
    reported_at = _reported_instants(analysis_input, reported_now)
    rules = {rule.metric: rule for rule in analysis_input.rules}
    baselines = {(baseline.component, baseline.metric): baseline for baseline in analysis_input.baselines}
    tracks = tuple(
        _build_track(
            analysis_input.grid,
            JudgementInput(key, trusted.values.get(key), rules.get(key[1]), baselines.get(key)),
            reported_at.get(key),
        )
        for key in sorted({*trusted.values, *reported_at})
    )
    return Judgement(
        grid=analysis_input.grid,
        step=analysis_input.step,
        tracks=tracks,
        violations=_current_violations(tracks, rules, reported_now),
        blind=(*analysis_input.blind, *committee_blind_spots(analysis_input.committee), *trusted.current_blind_spots),
    )


def make_violation(component: str, rule: MetricRule, value: float, since: float) -> Violation:
    """Return the violation of `rule` by `value`, with the source "metric"."""
    return Violation(
        component=component,
        metric=rule.metric,
        value=value,
        limit=rule.threshold,
        breach=rule.breach,
        severity=rule.severity,
        since=since,
    )


def merge_sources(measured: Violation, reported: Violation | None) -> Violation:
    """Return one violation of both sources: the metric's numbers, the higher severity, the earlier start."""
    if reported is None:
        return measured
    return measured.model_copy(
        update={
            "severity": min(measured.severity, reported.severity, key=lambda severity: severity.rank),
            "since": min(measured.since, reported.since),
            "sources": ("metric", "charter"),
        }
    )


def _reported_instants(
    analysis_input: AnalysisInput, reported_now: Mapping[MetricKey, Violation]
) -> dict[MetricKey, tuple[bool, ...]]:
    """Return for each instant whether Charter reports the (component, metric)."""
    keys = {*reported_now, *((finding.component, metric_of(finding)) for finding in analysis_input.findings)}
    return {
        key: tuple(
            (instant == analysis_input.at and key in reported_now)
            or any(is_open(f, instant) for f in analysis_input.findings if (f.component, metric_of(f)) == key)
            for instant in analysis_input.grid
        )
        for key in keys
    }


def _build_track(
    grid: Sequence[float], judgement_input: JudgementInput, reported: Sequence[bool] | None
) -> MetricTrack:
    values = judgement_input.values or (None,) * len(grid)
    deviations = judgement_input.deviations
    judged_values = deviations if judgement_input.rule and judgement_input.rule.adaptive else values
    states = (
        apply_hysteresis(judged_values, judgement_input.rule)
        if judgement_input.rule and judged_values
        else (False,) * len(grid)
    )
    if reported is None and True not in states:
        return MetricTrack(
            *judgement_input.key, values, states, False, grid[-1], deviations, judgement_input.current_limit
        )
    reported = reported or (False,) * len(grid)
    violated_at = tuple(
        report or (state and value is not None) for report, state, value in zip(reported, states, values, strict=True)
    )
    since = grid[-1]
    for instant, state, report in zip(reversed(grid), reversed(states), reversed(reported), strict=True):
        if not (state or report):
            break
        since = instant
    violated_now = states[-1] and values[-1] is not None
    return MetricTrack(
        *judgement_input.key, values, violated_at, violated_now, since, deviations, judgement_input.current_limit
    )


def _current_violations(
    tracks: Sequence[MetricTrack], rules: Mapping[str, MetricRule], reported_now: Mapping[MetricKey, Violation]
) -> tuple[Violation, ...]:
    violations = dict(reported_now)
    for track in tracks:
        value = track.values[-1]
        if track.violated_now and value is not None:
            key = (track.component, track.metric)
            rule = rules[track.metric]
            if track.current_limit is not None:
                rule = rule.model_copy(update={"threshold": track.current_limit[0], "breach": track.current_limit[1]})
            violations[key] = merge_sources(
                make_violation(track.component, rule, value, track.since), reported_now.get(key)
            )
    return sort_by_severity(list(violations.values()))
