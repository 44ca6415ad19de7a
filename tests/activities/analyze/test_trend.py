"""What is on a straight way to its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.diagnose import diagnose
from activities.analyze.patterns.trend import POINTS, crossing, line_of
from activities.analyze.settings import AnalyzeSettings
from activities.model.pattern import PatternKind
from activities.model.violation import Bad
from tests.support.analysis_inputs import LENGTH, scene

RISING = [0.002] * (LENGTH - POINTS) + [0.002 + 0.006 * n for n in range(1, POINTS + 1)]


def predicted(values, component="gateway", metric="failure_rate"):
    """Return the predictive patterns of a scene, and its diagnosis."""
    found = diagnose(scene({(component, metric): values}), AnalyzeSettings())
    return [p for p in found.patterns if p.kind is PatternKind.PREDICTIVE], found


def test_a_rising_rate_is_told_and_nothing_acts_upon_it():
    """Horizon and probability stand in the evidence; no cause, no confidence comes of it."""
    (pattern,), diagnosis = predicted(RISING)
    assert (pattern.components, pattern.metrics) == (("gateway",), ("failure_rate",))
    assert "within 600 s with probability" in pattern.evidence.text
    assert pattern.confidence > 0.9
    assert (diagnosis.root_causes, diagnosis.confidence) == ((), 0.0)


@pytest.mark.parametrize(
    "values",
    [[0.002] * LENGTH, RISING[::-1], [*RISING[:-1], None], [0.09 if n % 2 else 0.0 for n in range(LENGTH)]],
    ids=["flat", "falling", "gap", "noise"],
)
def test_what_leads_nowhere_is_not_told(values):
    """Flat, falling, with a gap in the last samples, or all noise."""
    assert predicted(values)[0] == []


def test_the_other_side_counts_too():
    """A throughput that falls towards its lower limit."""
    falling = [400.0] * (LENGTH - POINTS) + [400.0 - 20.0 * n for n in range(POINTS)]
    assert [p.metrics for p in predicted(falling, metric="throughput_ops_per_sec")[0]] == [("throughput_ops_per_sec",)]


@given(
    values=st.lists(st.floats(), min_size=POINTS, max_size=20) | st.lists(st.none() | st.floats(), max_size=20),
    limit=st.floats(-1e6, 1e6),
    bad=st.sampled_from([Bad.ABOVE, Bad.BELOW]),
)
def test_any_values_have_a_probability_or_none(values, limit, bad):
    """Gaps, NaN, infinities and the largest floats never raise, and a probability is one."""
    line = line_of(values)
    assert line is None or 0.0 <= crossing(line, limit, bad, 40.0) <= 1.0
