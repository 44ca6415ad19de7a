"""The only judgement: which metric of which component is violated, and what cannot be judged.

A value counts if it is finite, fresh and beyond its limit, with hysteresis replayed over the look-back. A component
with any blind spot at an instant has its values of that instant set aside: neither healthy nor violated. What Charter
itself reports counts all the same, because it is independent evidence.
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
    violated_at: tuple[bool, ...]
    violated_now: bool
    since: float
    deviations: tuple[float | None, ...] = ()
    current_limit: tuple[float, BreachSide] | None = None

    @property
    def adaptive(self) -> bool:
        """Whether the metric is judged by its own past."""
        return bool(self.deviations)


@dataclass(frozen=True)
class Judgement:
    """The judgement over a grid of instants (unix seconds, `step` apart).

    `tracks` holds every (component, metric) that was seen or reported, sorted. `violations` are those at the last
    instant, the worst first; `blind` is what cannot be judged there.
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
    """Replay the rule over the values, oldest first: on beyond `enter`, off at `leave` or better.

    None, NaN and infinities leave the state as it is; before the first value it is off.
    """
    # Inside out of `rule.beyond`: this loop sees every sample there is.
    sign = -1.0 if rule.breach is BreachSide.BELOW and not rule.adaptive else 1.0
    enter, leave = sign * rule.threshold, sign * rule.clear_threshold
    if not any(sign * value > enter for value in values if value is not None):
        return (False,) * len(values)
    state, states = False, []
    for value in values:
        if value is not None and math.isfinite(value):
            state = sign * value > (leave if state else enter)
        states.append(state)
    return tuple(states)


class JudgementInput(NamedTuple):
    """One (component, metric) with its believed values, its rule, and what is usual if the rule is adaptive."""

    key: MetricKey
    values: tuple[float | None, ...] | None
    rule: MetricRule | None
    baseline: Baseline | None

    @property
    def deviations(self) -> tuple[float | None, ...]:
        """The deviations over the grid, empty unless the rule is adaptive and the past is known."""
        if self.values is None or self.baseline is None or self.rule is None or not self.rule.adaptive:
            return ()
        return compute_deviations(self.values, self.baseline.centre, self.baseline.spread, self.rule.breach)

    @property
    def current_limit(self) -> tuple[float, BreachSide] | None:
        """Where a violation begins at the last instant, on the side the value is on; None without a past."""
        if self.baseline is None or self.rule is None or not self.values or not self.rule.adaptive:
            return None
        value, centre, spread = self.values[-1], self.baseline.centre[-1], self.baseline.spread[-1]
        if value is None or centre is None or spread is None:
            return None
        reach = self.rule.threshold * spread
        return (centre + reach, BreachSide.ABOVE) if value >= centre else (centre - reach, BreachSide.BELOW)


def judge(analysis_input: AnalysisInput) -> Judgement:
    """Judge every (component, metric) at every instant of the input's grid."""
    view = trusted_values(analysis_input)
    now = reported_violations(analysis_input.findings, analysis_input.committee, analysis_input.at)
    reports = _reported_instants(analysis_input, now)
    rules = {rule.metric: rule for rule in analysis_input.rules}
    known = {(usual.component, usual.metric): usual for usual in analysis_input.baselines}
    tracks = tuple(
        _build_track(
            analysis_input.grid,
            JudgementInput(key, view.values.get(key), rules.get(key[1]), known.get(key)),
            reports.get(key),
        )
        for key in sorted({*view.values, *reports})
    )
    return Judgement(
        grid=analysis_input.grid,
        step=analysis_input.step,
        tracks=tracks,
        violations=_current_violations(tracks, rules, now),
        blind=(*analysis_input.blind, *committee_blind_spots(analysis_input.committee), *view.current_blind_spots),
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
    """Return one violation of what a metric shows and Charter reports: the metric's numbers, the worse severity."""
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
    """Return at which instants Charter reports each (component, metric)."""
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
    replayed = deviations if judgement_input.rule and judgement_input.rule.adaptive else values
    states = (
        apply_hysteresis(replayed, judgement_input.rule) if judgement_input.rule and replayed else (False,) * len(grid)
    )
    if reported is None and True not in states:
        return MetricTrack(
            *judgement_input.key, values, states, False, grid[-1], deviations, judgement_input.current_limit
        )
    reported = reported or (False,) * len(grid)
    counted = tuple(r or (s and v is not None) for r, s, v in zip(reported, states, values, strict=True))
    since = grid[-1]
    for instant, state, report in zip(reversed(grid), reversed(states), reversed(reported), strict=True):
        if not (state or report):
            break
        since = instant
    held = states[-1] and values[-1] is not None
    return MetricTrack(*judgement_input.key, values, counted, held, since, deviations, judgement_input.current_limit)


def _current_violations(
    tracks: Sequence[MetricTrack], rules: Mapping[str, MetricRule], reported_now: Mapping[MetricKey, Violation]
) -> tuple[Violation, ...]:
    found = dict(reported_now)
    for track in tracks:
        value = track.values[-1]
        if track.violated_now and value is not None:
            key = (track.component, track.metric)
            rule = rules[track.metric]
            if track.current_limit is not None:
                rule = rule.model_copy(update={"threshold": track.current_limit[0], "breach": track.current_limit[1]})
            found[key] = merge_sources(make_violation(track.component, rule, value, track.since), reported_now.get(key))
    return sort_by_severity(list(found.values()))
