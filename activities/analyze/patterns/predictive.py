"""Predictive patterns: a metric with a trend towards its threshold. They are advisory: nothing acts on them.

A least-squares line through the last samples is extended to the horizon. The probability is that of a value beyond the
threshold there, from the scatter around the line and the distance of the horizon.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from activities.model.pattern import Evidence, Pattern, PatternKind
from activities.model.rule import MetricRule
from activities.model.violation import BreachSide
from activities.monitor.judgement import Judgement, MetricTrack

LINE_SAMPLES = 12
"""Samples that a line is fitted to: the best number on recorded servers."""
HORIZON_SECONDS = 600.0
"""Seconds ahead: as long as the look-back of the analyzers."""
MIN_PROBABILITY = 0.8
"""Lowest probability of a pattern: a line through noise has a slope too."""
MAX_VALUE = 1e100
"""Larger values are not measurements, and their squares overflow."""


class TrendLine(NamedTuple):
    """A straight line through samples one step apart: its value at the last one, its slope a step, and the scatter."""

    value: float
    slope: float
    scatter: float


def find_predictive_patterns(judgement: Judgement, rules: Mapping[str, MetricRule]) -> tuple[Pattern, ...]:
    """Return a pattern for each hand-set threshold that will probably be breached within `HORIZON_SECONDS`."""
    return tuple(_iterate_patterns(judgement, rules))


def fit_line(values: Sequence[float | None]) -> TrendLine | None:
    """Return the least-squares line through the last `LINE_SAMPLES` values, None if one is missing."""
    latest = [value for value in values[-LINE_SAMPLES:] if value is not None and abs(value) < MAX_VALUE]
    if len(latest) < LINE_SAMPLES:
        return None
    middle, mean = (LINE_SAMPLES - 1) / 2, math.fsum(latest) / LINE_SAMPLES
    squares = sum((i - middle) ** 2 for i in range(LINE_SAMPLES))
    slope = math.fsum((i - middle) * value for i, value in enumerate(latest)) / squares
    residual = math.fsum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(latest))
    return TrendLine(mean + slope * middle, slope, math.sqrt(residual / (LINE_SAMPLES - 2)))


def crossing_probability(line: TrendLine, limit: float, breach: BreachSide, steps: float) -> float:
    """Return the probability, 0 to 1, of a value beyond `limit` after `steps`; 0 if the line leads away from it."""
    sign = 1.0 if breach is BreachSide.ABOVE else -1.0
    if sign * line.slope <= 0.0:
        return 0.0
    squares, distance = LINE_SAMPLES * (LINE_SAMPLES**2 - 1) / 12.0, (LINE_SAMPLES - 1) / 2 + steps
    error = line.scatter * math.sqrt(1.0 + 1.0 / LINE_SAMPLES + distance**2 / squares)
    excess = sign * (line.value + line.slope * steps - limit)
    if error == 0.0:
        return float(excess > 0.0)
    return 0.5 * math.erfc(-excess / error / math.sqrt(2.0))


def _iterate_patterns(judgement: Judgement, rules: Mapping[str, MetricRule]) -> Iterator[Pattern]:
    for track in judgement.tracks:
        rule = rules.get(track.metric)
        line = None if rule is None or rule.adaptive or track.violated_now else fit_line(track.values)
        if rule is None or line is None:
            continue
        probability = crossing_probability(line, rule.threshold, rule.breach, HORIZON_SECONDS / judgement.step)
        if probability >= MIN_PROBABILITY:
            yield _build_predictive_pattern(judgement, track, rule, probability)


def _build_predictive_pattern(
    judgement: Judgement, track: MetricTrack, rule: MetricRule, probability: float
) -> Pattern:
    timed_values = list(zip(judgement.grid, track.values, strict=True))[-LINE_SAMPLES:]
    operator = ">" if rule.breach is BreachSide.ABOVE else "<"
    return Pattern(
        kind=PatternKind.PREDICTIVE,
        components=(track.component,),
        metrics=(track.metric,),
        confidence=round(probability, 4),
        evidence=Evidence(
            start=timed_values[0][0] - judgement.step,
            end=judgement.at,
            count=LINE_SAMPLES,
            samples=tuple((track.component, track.metric, at, value) for at, value in timed_values[:-6:-1]),
            summary=(
                f"{track.metric} of {track.component} goes from {timed_values[0][1]:.4g} to {timed_values[-1][1]:.4g}: "
                f"{operator} {rule.threshold:.4g} within {HORIZON_SECONDS:g} s with probability {probability:.2f}"
            ),
        ),
    )
