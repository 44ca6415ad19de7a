"""A slice of the soak: what an hour of it does at length, once in a minute."""

from pathlib import Path

from tests.soak.harness.report import SOAK_SITES, SoakRun
from tests.soak.run import run_soak

ROUND_SECONDS = 40.0
"""Of faults; the rest of the time the servers start, and everything comes to rest."""


async def test_a_minute_of_faults_breaks_nothing(server_binaries: dict[str, Path], tmp_path: Path) -> None:
    """Worker and server are killed while spoiled requests, troubles and operators go on, and no invariant breaks."""
    run = SoakRun(
        seed=7,
        has_measurements=False,
        sites=SOAK_SITES[-3:],
        round_seconds=ROUND_SECONDS,
        kill_targets=("kill_worker", "kill_server_and_worker"),
        min_in_flight=2,
        gather_timeout_seconds=8.0,
    )
    told = await run_soak(run, tmp_path / "state", minutes=0.0)
    assert told["violations"] == []
    # What has begun is finished: on a slow machine the time is over after the first of the two.
    assert told["worker_kills"] >= 1
    assert told["faults"] >= 5, told["kinds"]
    refusals = {answer.rpartition(" ")[2] for answer in told["strangers"]}
    assert {"401", "400"} <= refusals, told["strangers"]
