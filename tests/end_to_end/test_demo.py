"""The demo as a separate process."""

import pytest

from tests.end_to_end.background_scenarios import DEMO_SEED, BackgroundScenarios

pytestmark = pytest.mark.stack


async def test_demo_plays_both_incidents_and_leaves_no_process(background_scenarios: BackgroundScenarios) -> None:
    """The demo reports both incidents and exits with 0; run.json and all processes are removed."""
    result = await background_scenarios.wait_for_demo()
    assert result.exit_code == 0, result.output
    assert f"seed {DEMO_SEED}:" in result.output
    assert "both incidents passed:" in result.output
    pids = result.run_file["pids"]
    assert isinstance(pids, dict)
    assert {"temporal", "prometheus", "alertmanager", "charter", "worker"} <= pids.keys()
    assert not result.is_run_file_left
    assert result.survivors == ()
