"""The demo, from its start to what is left of it."""

import pytest

from tests.end_to_end.background_scenarios import DEMO_SEED, BackgroundScenarios

pytestmark = pytest.mark.stack


async def test_demo(background_scenarios: BackgroundScenarios) -> None:
    """It tells of both incidents and ends with 0; run.json was there meanwhile, and nothing of it survives."""
    seen = await background_scenarios.wait_for_demo()
    assert seen.exit_code == 0, seen.output
    assert f"seed {DEMO_SEED}:" in seen.output
    assert "both happened:" in seen.output
    pids = seen.run_file["pids"]
    assert isinstance(pids, dict)
    assert {"temporal", "prometheus", "alertmanager", "charter", "worker"} <= pids.keys()
    assert not seen.is_run_file_left
    assert seen.survivors == ()
