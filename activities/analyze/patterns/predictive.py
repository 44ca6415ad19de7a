"""Predictive: a metric that is still good and on a straight way to its limit. Advice: nothing acts upon it.

Least squares over the last samples, carried on to the horizon; the probability is that of the line being beyond the
limit there, given how the samples scatter around it and how far it is carried.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from activities.model.pattern import Evidence, Pattern, PatternKind
from activities.model.rule import MetricRule
from activities.model.violation import BreachSide
from activities.monitor.judgement import Judgement, MetricTrack

LINE_SAMPLES = 12
"""Samples a line is laid through: what was found to work best on recorded servers."""
HORIZON_SECONDS = 600.0
"""Seconds ahead: as far as the analyzers look back."""
MIN_PROBABILITY = 0.8
"""Probability from which it is told: a line through mere noise has a slope too."""
MAX_VALUE = 1e100
"""A value beyond it is no measurement, and its square no number."""


class TrendLine(NamedTuple):
    """A straight line through samples one step apart: its value at the last one, its rise a step, and the scatter."""

    value: float
    slope: float
    scatter: float


def find_predictive_patterns(judgement: Judgement, rules: Mapping[str, MetricRule]) -> tuple[Pattern, ...]:
    """Return a pattern for each metric with a hand-set limit that will likely be beyond it within `HORIZON`."""
    return tuple(_iterate_patterns(judgement, rules))


def fit_line(values: Sequence[float | None]) -> TrendLine | None:
    """Return the least-squares line through the last `POINTS` values, None if one is missing or there are fewer."""
    last = [value for value in values[-LINE_SAMPLES:] if value is not None and abs(value) < MAX_VALUE]
    if len(last) < LINE_SAMPLES:
        return None
    middle, mean = (LINE_SAMPLES - 1) / 2, math.fsum(last) / LINE_SAMPLES
    squares = sum((i - middle) ** 2 for i in range(LINE_SAMPLES))
    rise = math.fsum((i - middle) * value for i, value in enumerate(last)) / squares
    rest = math.fsum((value - mean - rise * (i - middle)) ** 2 for i, value in enumerate(last))
    return TrendLine(mean + rise * middle, rise, math.sqrt(rest / (LINE_SAMPLES - 2)))


def crossing_probability(line: TrendLine, limit: float, breach: BreachSide, steps: float) -> float:
    """Return the probability, 0 to 1, that the line is beyond `limit` after so many steps; 0 if it leads away."""
    sign = 1.0 if breach is BreachSide.ABOVE else -1.0
    if sign * line.slope <= 0.0:
        return 0.0
    squares, reach = LINE_SAMPLES * (LINE_SAMPLES**2 - 1) / 12.0, (LINE_SAMPLES - 1) / 2 + steps
    error = line.scatter * math.sqrt(1.0 + 1.0 / LINE_SAMPLES + reach**2 / squares)
    beyond = sign * (line.value + line.slope * steps - limit)
    if error == 0.0:
        return float(beyond > 0.0)
    return 0.5 * math.erfc(-beyond / error / math.sqrt(2.0))


def _iterate_patterns(judgement: Judgement, rules: Mapping[str, MetricRule]) -> Iterator[Pattern]:
    for track in judgement.tracks:
        rule = rules.get(track.metric)
        line = None if rule is None or rule.adaptive or track.violated_now else fit_line(track.values)
        if rule is None or line is None:
            continue
        chance = crossing_probability(line, rule.threshold, rule.breach, HORIZON_SECONDS / judgement.step)
        if chance >= MIN_PROBABILITY:
            yield _build_predictive_pattern(judgement, track, rule, chance)


def _build_predictive_pattern(
    judgement: Judgement, track: MetricTrack, rule: MetricRule, probability: float
) -> Pattern:
    timed = list(zip(judgement.grid, track.values, strict=True))[-LINE_SAMPLES:]
    sign = ">" if rule.breach is BreachSide.ABOVE else "<"
    return Pattern(
        kind=PatternKind.PREDICTIVE,
        components=(track.component,),
        metrics=(track.metric,),
        confidence=round(probability, 4),
        evidence=Evidence(
            start=timed[0][0] - judgement.step,
            end=judgement.at,
            count=LINE_SAMPLES,
            samples=tuple((track.component, track.metric, at, value) for at, value in timed[:-6:-1]),
            summary=(
                f"{track.metric} of {track.component} goes from {timed[0][1]:.4g} to {timed[-1][1]:.4g}: {sign} "
                f"{rule.threshold:.4g} within {HORIZON_SECONDS:g} s with probability {probability:.2f}"
            ),
        ),
    )
