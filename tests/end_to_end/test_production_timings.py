"""The timings of production, once."""

import pytest

from tests.end_to_end.background_scenarios import BackgroundScenarios

pytestmark = pytest.mark.stack

ANALYSIS_STEP_SECONDS, PERIOD_SECONDS, SETTLE_SECONDS, SLACK_SECONDS = 15.0, 30.0, 15.0, 5.0


async def test_from_trigger_to_apply(background_scenarios: BackgroundScenarios) -> None:
    """From the sample that completes the trigger, Charter is changed within step + period + settle + 5 s."""
    times = await background_scenarios.wait_for_production_timings()
    took = times.applied_at - times.sample_at
    assert 0 < took <= ANALYSIS_STEP_SECONDS + PERIOD_SECONDS + SETTLE_SECONDS + SLACK_SECONDS, times
    assert took >= SETTLE_SECONDS, f"it did not settle: {times}"
