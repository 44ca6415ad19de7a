"""Predictive: a metric that is still good and on a straight way to its limit. Advice: nothing acts upon it.

Least squares over the last samples, carried on to the horizon; the probability is that of the line being beyond the
limit there, given how the samples scatter around it and how far it is carried.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from activities.model.pattern import Evidence, Pattern, PatternKind
from activities.model.rule import MetricRule
from activities.model.violation import Bad
from activities.monitor.judgement import Judged, Track

POINTS = 12
"""Samples a line is laid through: what was found to work best on recorded servers."""
HORIZON = 600.0
"""Seconds ahead: as far as the analyzers look back."""
LIKELY = 0.8
"""Probability from which it is told: a line through mere noise has a slope too."""
LARGEST = 1e100
"""A value beyond it is no measurement, and its square no number."""


class Line(NamedTuple):
    """A straight line through samples one step apart: its value at the last one, its rise a step, and the scatter."""

    value: float
    rise: float
    scatter: float


def trends(judged: Judged, rules: Mapping[str, MetricRule]) -> tuple[Pattern, ...]:
    """Return a pattern for each metric with a hand-set limit that will likely be beyond it within `HORIZON`."""
    return tuple(_found(judged, rules))


def line_of(values: Sequence[float | None]) -> Line | None:
    """Return the least-squares line through the last `POINTS` values, None if one is missing or there are fewer."""
    last = [value for value in values[-POINTS:] if value is not None and abs(value) < LARGEST]
    if len(last) < POINTS:
        return None
    middle, mean = (POINTS - 1) / 2, math.fsum(last) / POINTS
    squares = sum((i - middle) ** 2 for i in range(POINTS))
    rise = math.fsum((i - middle) * value for i, value in enumerate(last)) / squares
    rest = math.fsum((value - mean - rise * (i - middle)) ** 2 for i, value in enumerate(last))
    return Line(mean + rise * middle, rise, math.sqrt(rest / (POINTS - 2)))


def crossing(line: Line, limit: float, bad: Bad, steps: float) -> float:
    """Return the probability, 0 to 1, that the line is beyond `limit` after so many steps; 0 if it leads away."""
    sign = 1.0 if bad is Bad.ABOVE else -1.0
    if sign * line.rise <= 0.0:
        return 0.0
    squares, reach = POINTS * (POINTS**2 - 1) / 12.0, (POINTS - 1) / 2 + steps
    error = line.scatter * math.sqrt(1.0 + 1.0 / POINTS + reach**2 / squares)
    beyond = sign * (line.value + line.rise * steps - limit)
    if error == 0.0:
        return float(beyond > 0.0)
    return 0.5 * math.erfc(-beyond / error / math.sqrt(2.0))


def _found(judged: Judged, rules: Mapping[str, MetricRule]) -> Iterator[Pattern]:
    for track in judged.tracks:
        rule = rules.get(track.metric)
        line = None if rule is None or rule.adaptive or track.held else line_of(track.values)
        if rule is None or line is None:
            continue
        chance = crossing(line, rule.enter, rule.bad, HORIZON / judged.step)
        if chance >= LIKELY:
            yield _pattern(judged, track, rule, chance)


def _pattern(judged: Judged, track: Track, rule: MetricRule, chance: float) -> Pattern:
    timed = list(zip(judged.grid, track.values, strict=True))[-POINTS:]
    sign = ">" if rule.bad is Bad.ABOVE else "<"
    return Pattern(
        kind=PatternKind.PREDICTIVE,
        components=(track.component,),
        metrics=(track.metric,),
        confidence=round(chance, 4),
        evidence=Evidence(
            start=timed[0][0] - judged.step,
            end=judged.at,
            count=POINTS,
            samples=tuple((track.component, track.metric, at, value) for at, value in timed[:-6:-1]),
            text=(
                f"{track.metric} of {track.component} goes from {timed[0][1]:.4g} to {timed[-1][1]:.4g}: {sign} "
                f"{rule.enter:.4g} within {HORIZON:g} s with probability {chance:.2f}"
            ),
        ),
    )
