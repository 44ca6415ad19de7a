"""Causal: latency of one component that moves with the failures of one it calls or that calls it."""

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
"""Steps the failures may lag behind the latency, or lead it."""
_MIN_PAIRED_SAMPLES = 5
"""Fewest instants with both values: below, a correlation is chance."""


class Correlation(NamedTuple):
    """The strongest correlation of two tracks: `r` in -1 to 1 over `paired` instants at `lag` steps."""

    coefficient: float
    lag_steps: int
    sample_count: int


def find_causal_patterns(
    judgement: Judgement, topology: Topology, settings: CausalPatternSettings
) -> tuple[Pattern, ...]:
    """Return a pattern for each two neighbours whose latency and failures have |r| of at least the threshold.

    Only what deviates is compared: both must be counted as violated somewhere on the grid, for plain correlation over
    all series is no better than chance. r is Pearson's, over the instants where both are believed; a constant series
    correlates with nothing. `topology` names members, not "committee".
    """
    if not settings.enabled:
        return ()
    deviating = [track for track in judgement.tracks if any(track.violated_at)]
    causes = [track for track in deviating if track.metric in LATENCY_METRICS]
    effects = [track for track in deviating if track.metric in FAILURE_METRICS]
    best: dict[tuple[str, str], tuple[Correlation, MetricTrack, MetricTrack]] = {}
    for cause, effect in product(causes, effects):
        ends = (cause.component, effect.component)
        if ends[1] not in topology.neighbours(ends[0]):
            continue
        link = strongest_correlation(cause.values, effect.values)
        if link is None:
            continue
        if abs(link.coefficient) >= settings.correlation_threshold and (
            ends not in best or abs(link.coefficient) > abs(best[ends][0].coefficient)
        ):
            best[ends] = (link, cause, effect)
    return tuple(_build_causal_pattern(judgement, found, settings.sensitivity) for found in best.values())


def strongest_correlation(cause: Sequence[float | None], effect: Sequence[float | None]) -> Correlation | None:
    """Return the link with the highest |r| over all lags, None if no lag has enough instants that vary."""
    links = [link for lag in _LAG_STEPS if (link := _correlate_at_lag(cause, effect, lag)) is not None]
    return max(links, key=lambda link: (abs(link.coefficient), -abs(link.lag_steps), link.lag_steps), default=None)


def _correlate_at_lag(
    cause: Sequence[float | None], effect: Sequence[float | None], lag_steps: int
) -> Correlation | None:
    early, late = (cause, effect[lag_steps:]) if lag_steps >= 0 else (cause[-lag_steps:], effect)
    pairs = [(x, y) for x, y in zip(early, late, strict=False) if x is not None and y is not None]
    if len(pairs) < _MIN_PAIRED_SAMPLES:
        return None
    try:
        r = correlation(*zip(*pairs, strict=True))
        return Correlation(r, lag_steps, len(pairs)) if math.isfinite(r) else None
    except (StatisticsError, OverflowError):
        return None


def _build_causal_pattern(
    judgement: Judgement, correlated_tracks: tuple[Correlation, MetricTrack, MetricTrack], confidence: float
) -> Pattern:
    link, cause, effect = correlated_tracks
    found = [
        ViolationSample(instant, track.component, track.metric, value)
        for track in (cause, effect)
        for instant, value, counted in zip(judgement.grid, track.values, track.violated_at, strict=True)
        if counted
    ]
    text = (
        f"{cause.metric} of {cause.component} and {effect.metric} of {effect.component}: "
        f"r = {link.coefficient:+.2f} at lag {link.lag_steps * judgement.step:g} s over {link.sample_count} instants"
    )
    window = TimeWindow(judgement.grid[0] - judgement.step, judgement.at)
    newest_first = sorted(found, key=lambda hit: (-hit.at, hit.component))
    return build_pattern(PatternKind.CAUSAL, newest_first, window, confidence, text)
