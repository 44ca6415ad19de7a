"""Causal patterns: latency of one component that correlates with the failures of a neighbour in the call graph."""

import math
from collections.abc import Sequence
from itertools import product
from statistics import StatisticsError, correlation
from typing import NamedTuple

from activities.analyze.causes.symptoms import FAILURE_METRICS, LATENCY_METRICS
from activities.analyze.patterns.counting import TimeWindow, ViolationSample, build_pattern
from activities.analyze.settings import CausalPatternSettings
from activities.model.pattern import Pattern, PatternKind
from activities.model.topology import Topology
from activities.monitor.judgement import Judgement, MetricTrack

_LAG_STEPS = range(-2, 3)
"""Steps that the failures lag behind the latency, negative if they lead it."""
_MIN_PAIRED_SAMPLES = 5
"""Fewest instants with both values: with fewer, a correlation is chance."""


class Correlation(NamedTuple):
    """Pearson's `coefficient`, -1 to 1, of two tracks over `sample_count` instants at `lag_steps`."""

    coefficient: float
    lag_steps: int
    sample_count: int


def find_causal_patterns(
    judgement: Judgement, topology: Topology, settings: CausalPatternSettings
) -> tuple[Pattern, ...]:
    """Return a pattern for each pair of neighbours whose latency and failures have |r| of at least the threshold.

    Both tracks must be violated somewhere on the grid: correlation over all series is no better than chance. r is
    Pearson's, over the instants where both values are trusted. A constant series has no correlation. `topology` names
    members, not "committee".
    """
    if not settings.enabled:
        return ()
    violated = [track for track in judgement.tracks if any(track.violated_at)]
    causes = [track for track in violated if track.metric in LATENCY_METRICS]
    effects = [track for track in violated if track.metric in FAILURE_METRICS]
    best: dict[tuple[str, str], tuple[Correlation, MetricTrack, MetricTrack]] = {}
    for cause, effect in product(causes, effects):
        ends = (cause.component, effect.component)
        if ends[1] not in topology.neighbours(ends[0]):
            continue
        correlated = strongest_correlation(cause.values, effect.values)
        if correlated is None:
            continue
        if abs(correlated.coefficient) >= settings.correlation_threshold and (
            ends not in best or abs(correlated.coefficient) > abs(best[ends][0].coefficient)
        ):
            best[ends] = (correlated, cause, effect)
    return tuple(_build_causal_pattern(judgement, tracks, settings.sensitivity) for tracks in best.values())


def strongest_correlation(cause: Sequence[float | None], effect: Sequence[float | None]) -> Correlation | None:
    """Return the correlation with the highest |r| over all lags, None if no lag has enough varying instants."""
    candidates = [match for lag in _LAG_STEPS if (match := _correlate_at_lag(cause, effect, lag)) is not None]
    return max(
        candidates, key=lambda match: (abs(match.coefficient), -abs(match.lag_steps), match.lag_steps), default=None
    )


def _correlate_at_lag(
    cause: Sequence[float | None], effect: Sequence[float | None], lag_steps: int
) -> Correlation | None:
    early, late = (cause, effect[lag_steps:]) if lag_steps >= 0 else (cause[-lag_steps:], effect)
    pairs = [(x, y) for x, y in zip(early, late, strict=False) if x is not None and y is not None]
    if len(pairs) < _MIN_PAIRED_SAMPLES:
        return None
    try:
        coefficient = correlation(*zip(*pairs, strict=True))
        return Correlation(coefficient, lag_steps, len(pairs)) if math.isfinite(coefficient) else None
    except (StatisticsError, OverflowError):
        return None


def _build_causal_pattern(
    judgement: Judgement, correlated_tracks: tuple[Correlation, MetricTrack, MetricTrack], confidence: float
) -> Pattern:
    correlated, cause, effect = correlated_tracks
    samples = [
        ViolationSample(instant, track.component, track.metric, value)
        for track in (cause, effect)
        for instant, value, is_violated in zip(judgement.grid, track.values, track.violated_at, strict=True)
        if is_violated
    ]
    summary = (
        f"{cause.metric} of {cause.component} and {effect.metric} of {effect.component}: "
        f"r = {correlated.coefficient:+.2f} at lag {correlated.lag_steps * judgement.step:g} s "
        f"over {correlated.sample_count} instants"
    )
    window = TimeWindow(judgement.grid[0] - judgement.step, judgement.at)
    newest_first = sorted(samples, key=lambda sample: (-sample.at, sample.component))
    return build_pattern(PatternKind.CAUSAL, newest_first, window, confidence, summary)
