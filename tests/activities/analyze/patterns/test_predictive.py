"""What is on a straight way to its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.diagnose import diagnose
from activities.analyze.patterns.predictive import LINE_SAMPLES, crossing_probability, fit_line
from activities.analyze.settings import AnalyzeSettings
from activities.model.pattern import PatternKind
from activities.model.violation import BreachSide
from tests.support.analysis_inputs import INSTANT_COUNT, make_analysis_input

RISING_VALUES = [0.002] * (INSTANT_COUNT - LINE_SAMPLES) + [0.002 + 0.006 * n for n in range(1, LINE_SAMPLES + 1)]


def predict_scene(values, component="gateway", metric="failure_rate"):
    """Return the predictive patterns of a scene, and its diagnosis."""
    found = diagnose(make_analysis_input({(component, metric): values}), AnalyzeSettings())
    return [p for p in found.patterns if p.kind is PatternKind.PREDICTIVE], found


def test_a_rising_rate_is_told_and_nothing_acts_upon_it():
    """Horizon and probability stand in the evidence; no cause, no confidence comes of it."""
    (pattern,), diagnosis = predict_scene(RISING_VALUES)
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
def test_what_leads_nowhere_is_not_told(values):
    """Flat, falling, with a gap in the last samples, or all noise."""
    assert predict_scene(values)[0] == []


def test_the_other_side_counts_too():
    """A throughput that falls towards its lower limit."""
    falling = [400.0] * (INSTANT_COUNT - LINE_SAMPLES) + [400.0 - 20.0 * n for n in range(LINE_SAMPLES)]
    assert [p.metrics for p in predict_scene(falling, metric="throughput_ops_per_sec")[0]] == [
        ("throughput_ops_per_sec",)
    ]


@given(
    values=st.lists(st.floats(), min_size=LINE_SAMPLES, max_size=20) | st.lists(st.none() | st.floats(), max_size=20),
    limit=st.floats(-1e6, 1e6),
    bad=st.sampled_from([BreachSide.ABOVE, BreachSide.BELOW]),
)
def test_any_values_have_a_probability_or_none(values, limit, bad):
    """Gaps, NaN, infinities and the largest floats never raise, and a probability is one."""
    line = fit_line(values)
    assert line is None or 0.0 <= crossing_probability(line, limit, bad, 40.0) <= 1.0
