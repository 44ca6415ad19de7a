"""One incident with production timings."""

import pytest

from tests.end_to_end.background_scenarios import BackgroundScenarios

pytestmark = pytest.mark.stack

ANALYSIS_STEP_SECONDS, PERIOD_SECONDS, SETTLE_SECONDS, SLACK_SECONDS = 15.0, 30.0, 15.0, 5.0


async def test_apply_follows_the_trigger_within_its_limit(background_scenarios: BackgroundScenarios) -> None:
    """Charter is changed within step + period + settle + 5 s after the sample that completes the trigger."""
    timings = await background_scenarios.wait_for_production_timings()
    seconds = timings.applied_at - timings.sample_at
    assert 0 < seconds <= ANALYSIS_STEP_SECONDS + PERIOD_SECONDS + SETTLE_SECONDS + SLACK_SECONDS, timings
    assert seconds >= SETTLE_SECONDS, f"applied before the settle time: {timings}"
