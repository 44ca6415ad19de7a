"""The demo, from its start to what is left of it."""

import pytest

from tests.end_to_end.background_scenarios import SEED, Background

pytestmark = pytest.mark.stack


async def test_demo(background: Background) -> None:
    """It tells of both incidents and ends with 0; run.json was there meanwhile, and nothing of it survives."""
    seen = await background.demo()
    assert seen.code == 0, seen.output
    assert f"seed {SEED}:" in seen.output
    assert "both happened:" in seen.output
    pids = seen.run["pids"]
    assert isinstance(pids, dict)
    assert {"temporal", "prometheus", "alertmanager", "charter", "worker"} <= pids.keys()
    assert not seen.run_file_left
    assert seen.survivors == ()
