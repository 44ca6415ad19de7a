"""Predictive patterns: metrics with a trend towards their threshold."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.diagnose import diagnose
from activities.analyze.patterns.predictive import LINE_SAMPLES, crossing_probability, fit_line
from activities.analyze.settings import AnalyzeSettings
from activities.model.diagnosis import Diagnosis
from activities.model.pattern import Pattern, PatternKind
from activities.model.violation import BreachSide
from tests.support.analysis_inputs import INSTANT_COUNT, make_analysis_input

RISING_VALUES = [0.002] * (INSTANT_COUNT - LINE_SAMPLES) + [0.002 + 0.006 * n for n in range(1, LINE_SAMPLES + 1)]


def diagnose_values(values: Sequence[float | None], metric: str = "failure_rate") -> tuple[list[Pattern], Diagnosis]:
    """Return the predictive patterns for these values on the gateway, and the diagnosis."""
    diagnosis = diagnose(make_analysis_input({("gateway", metric): values}), AnalyzeSettings())
    return [pattern for pattern in diagnosis.patterns if pattern.kind is PatternKind.PREDICTIVE], diagnosis


def test_rising_rate_is_an_advisory_pattern() -> None:
    """The evidence has horizon and probability; the pattern adds neither a cause nor confidence."""
    (pattern,), diagnosis = diagnose_values(RISING_VALUES)
    assert (pattern.components, pattern.metrics) == (("gateway",), ("failure_rate",))
    assert "within 600 s with probability" in pattern.evidence.summary
    assert pattern.confidence > 0.9
    assert (diagnosis.root_causes, diagnosis.confidence) == ((), 0.0)


@pytest.mark.parametrize(
    "values",
    [
        [0.002] * INSTANT_COUNT,
        RISING_VALUES[::-1],
        [*RISING_VALUES[:-1], None],
        [0.09 if n % 2 else 0.0 for n in range(INSTANT_COUNT)],
    ],
    ids=["flat", "falling", "gap", "noise"],
)
def test_values_without_a_trend_have_no_pattern(values: list[float | None]) -> None:
    """Flat values, falling values, a gap in the last samples or noise are no pattern."""
    assert diagnose_values(values)[0] == []


def test_falling_throughput_is_a_pattern() -> None:
    """A throughput that falls towards its lower threshold is a pattern."""
    falling = [400.0] * (INSTANT_COUNT - LINE_SAMPLES) + [400.0 - 20.0 * n for n in range(LINE_SAMPLES)]
    assert [p.metrics for p in diagnose_values(falling, metric="throughput_ops_per_sec")[0]] == [
        ("throughput_ops_per_sec",)
    ]


@given(
    values=st.lists(st.floats(), min_size=LINE_SAMPLES, max_size=20) | st.lists(st.none() | st.floats(), max_size=20),
    limit=st.floats(-1e6, 1e6),
    breach=st.sampled_from([BreachSide.ABOVE, BreachSide.BELOW]),
)
def test_any_values_give_a_probability_or_no_line(values: list[float | None], limit: float, breach: BreachSide) -> None:
    """Gaps, NaN, infinities and the largest floats never raise an error."""
    line = fit_line(values)
    assert line is None or 0.0 <= crossing_probability(line, limit, breach, 40.0) <= 1.0
