"""The timings of production, once."""

import pytest

from tests.end_to_end.background_scenarios import Background

pytestmark = pytest.mark.stack

ANALYSIS_STEP, PERIOD, SETTLE, SLACK = 15.0, 30.0, 15.0, 5.0


async def test_from_trigger_to_apply(background: Background) -> None:
    """From the sample that completes the trigger, Charter is changed within step + period + settle + 5 s."""
    times = await background.real_period()
    took = times.applied - times.sample
    assert 0 < took <= ANALYSIS_STEP + PERIOD + SETTLE + SLACK, times
    assert took >= SETTLE, f"it did not settle: {times}"
