"""A minute of the soak, on fewer Charters: faults on real processes, and no invariant broken."""

from pathlib import Path

import pytest

from tests.faults.soak import Soak, soak

pytestmark = pytest.mark.stack

SITES = (("c1", ("a1",)), ("c2", ("a2",)), ("c3", ("a3", "b3")))
ROUND = 60.0


async def test_a_minute_of_faults(servers: dict[str, Path], tmp_path: Path) -> None:
    """Workers are killed and requests spoiled, everything comes to rest, and the checker finds nothing."""
    del servers
    run = Soak(seed=4, measuring=False, sites=SITES, round=ROUND)
    told = await soak(run, tmp_path / "state", minutes=0.0)
    assert told["violations"] == []
    assert told["worker_kills"] > 0
    assert sum(told["kinds"].values()) >= 10
