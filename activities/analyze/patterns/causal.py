"""Causal: latency of one component that moves with the failures of one it calls or that calls it."""

import math
from collections.abc import Sequence
from itertools import product
from statistics import StatisticsError, correlation
from typing import NamedTuple

from activities.analyze.causes.symptoms import FAILURE, LATENCY
from activities.analyze.patterns.counting import Hit, Window, pattern_of
from activities.analyze.settings import CausalSettings
from activities.model.pattern import Pattern, PatternKind
from activities.model.topology import Topology
from activities.monitor.judgement import Judged, Track

_LAGS = range(-2, 3)
"""Steps the failures may lag behind the latency, or lead it."""
_PAIRED = 5
"""Fewest instants with both values: below, a correlation is chance."""


class Link(NamedTuple):
    """The strongest correlation of two tracks: `r` in -1 to 1 over `paired` instants at `lag` steps."""

    r: float
    lag: int
    paired: int


def causal(judged: Judged, topology: Topology, settings: CausalSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each two neighbours whose latency and failures have |r| of at least the threshold.

    Only what deviates is compared: both must be counted as violated somewhere on the grid, for plain correlation over
    all series is no better than chance. r is Pearson's, over the instants where both are believed; a constant series
    correlates with nothing. `topology` names members, not "committee".
    """
    if not settings.enabled:
        return ()
    deviating = [track for track in judged.tracks if any(track.counted)]
    causes = [track for track in deviating if track.metric in LATENCY]
    effects = [track for track in deviating if track.metric in FAILURE]
    best: dict[tuple[str, str], tuple[Link, Track, Track]] = {}
    for cause, effect in product(causes, effects):
        ends = (cause.component, effect.component)
        if ends[1] not in topology.neighbours(ends[0]):
            continue
        link = strongest(cause.values, effect.values)
        if link is None:
            continue
        if abs(link.r) >= settings.correlation_threshold and (ends not in best or abs(link.r) > abs(best[ends][0].r)):
            best[ends] = (link, cause, effect)
    return tuple(_pattern(judged, found, settings.sensitivity) for found in best.values())


def strongest(cause: Sequence[float | None], effect: Sequence[float | None]) -> Link | None:
    """Return the link with the highest |r| over all lags, None if no lag has enough instants that vary."""
    links = [link for lag in _LAGS if (link := _at_lag(cause, effect, lag)) is not None]
    return max(links, key=lambda link: (abs(link.r), -abs(link.lag), link.lag), default=None)


def _at_lag(cause: Sequence[float | None], effect: Sequence[float | None], lag: int) -> Link | None:
    early, late = (cause, effect[lag:]) if lag >= 0 else (cause[-lag:], effect)
    pairs = [(x, y) for x, y in zip(early, late, strict=False) if x is not None and y is not None]
    if len(pairs) < _PAIRED:
        return None
    try:
        r = correlation(*zip(*pairs, strict=True))
        return Link(r, lag, len(pairs)) if math.isfinite(r) else None
    except (StatisticsError, OverflowError):
        return None


def _pattern(judged: Judged, linked: tuple[Link, Track, Track], confidence: float) -> Pattern:
    link, cause, effect = linked
    found = [
        Hit(instant, track.component, track.metric, value)
        for track in (cause, effect)
        for instant, value, counted in zip(judged.grid, track.values, track.counted, strict=True)
        if counted
    ]
    text = (
        f"{cause.metric} of {cause.component} and {effect.metric} of {effect.component}: "
        f"r = {link.r:+.2f} at lag {link.lag * judged.step:g} s over {link.paired} instants"
    )
    window = Window(judged.grid[0] - judged.step, judged.at)
    newest_first = sorted(found, key=lambda hit: (-hit.at, hit.component))
    return pattern_of(PatternKind.CAUSAL, newest_first, window, confidence, text)
