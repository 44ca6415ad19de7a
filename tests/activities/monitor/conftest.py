"""A real Prometheus over generated history."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from activities.model.timeseries import Sample, SampleSeries
from deploy.devstack.binaries import SearchPaths, find_binary
from tests.support.prometheus_history import format_history


class PrometheusHistory:
    """Answers queries over the generated history."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def query_instant(self, query: str, at: float) -> tuple[Sample, ...]:
        """All series at `at`."""
        rows = self._query("/api/v1/query", {"query": query, "time": f"{at:.3f}"})
        return tuple(Sample(labels=row["metric"], value=float(row["value"][1]), at=row["value"][0]) for row in rows)

    def query_range(self, query: str, instants: tuple[float, ...], step: float) -> tuple[SampleSeries, ...]:
        """All series at the instants."""
        window = {"start": f"{instants[0]:.3f}", "end": f"{instants[-1]:.3f}", "step": f"{step:.3f}"}
        rows = self._query("/api/v1/query_range", {"query": query} | window)
        return tuple(
            SampleSeries(labels=row["metric"], points=tuple((float(t), float(v)) for t, v in row["values"]))
            for row in rows
        )

    def _query(self, path: str, form: dict[str, str]) -> list[dict[str, list[float]]]:
        reply = self._client.post(path, data=form).json()
        assert reply["status"] == "success", reply
        return reply["data"]["result"]


def require_binary(name: str) -> Path:
    """A server's binary, found as the project finds it; a missing one is a failure, not a skip."""
    found = find_binary(name, SearchPaths())
    assert found is not None, f"{name} is not installed: run `make setup`"
    return found


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusHistory]:
    """A Prometheus that holds the history of `history.py`."""
    folder = tmp_path_factory.mktemp("prometheus")
    text, data, config = folder / "history.txt", folder / "data", folder / "prometheus.yml"
    text.write_text(format_history())
    config.write_text("{}")
    made = [require_binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, data]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        *(require_binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}"),
        *(f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y"),
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait_until(lambda: httpx.get(f"http://{address}/-/ready", trust_env=False).is_success)
            with httpx.Client(base_url=f"http://{address}", timeout=20.0, trust_env=False) as client:
                yield PrometheusHistory(client)
        finally:
            server.terminate()


def _wait_until(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"Prometheus was not ready within {seconds:g} s")
