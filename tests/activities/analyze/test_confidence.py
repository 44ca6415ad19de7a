"""The overall confidence of a diagnosis."""

import pytest

from activities.analyze.diagnose import overall_confidence
from activities.model.pattern import Evidence, Pattern, PatternKind


def make_pattern(confidence: float) -> Pattern:
    evidence = Evidence(start=0.0, end=60.0, count=3)
    return Pattern(kind=PatternKind.TEMPORAL, components=("gateway",), confidence=confidence, evidence=evidence)


@pytest.mark.parametrize(
    ("confidences", "counted", "saturation", "expected"),
    [
        ([], 50, 10, 0.0),
        ([0.85], 0, 10, 0.595),
        ([0.85], 3, 10, 0.685),
        ([0.85, 0.75], 10, 10, 0.86),
        ([0.85, 0.75], 100, 10, 0.86),
        ([0.85, 0.75], 10, 20, 0.71),
        ([1.0], 10, 10, 1.0),
    ],
)
def test_overall_confidence_follows_the_formula(
    confidences: list[float], counted: int, saturation: int, expected: float
) -> None:
    """0.7 × mean + 0.3 × min(1, count ÷ saturation), and 0 without a pattern."""
    assert overall_confidence([make_pattern(c) for c in confidences], counted, saturation) == pytest.approx(expected)
