"""A real Prometheus with a generated history."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.model.timeseries import Sample, SampleSeries
from deploy.devstack.binaries import SearchPaths, find_binary
from tests.support.prometheus_history import format_history


class PrometheusHistory:
    """A client for queries over the generated history."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def query_instant(self, query: str, at: float) -> tuple[Sample, ...]:
        """Return all series at `at` (unix seconds)."""
        rows = self._query("/api/v1/query", {"query": query, "time": f"{at:.3f}"})
        return tuple(Sample(labels=row["metric"], value=float(row["value"][1]), at=row["value"][0]) for row in rows)

    def query_range(self, query: str, instants: tuple[float, ...], step: float) -> tuple[SampleSeries, ...]:
        """Return all series at the instants."""
        window = {"start": f"{instants[0]:.3f}", "end": f"{instants[-1]:.3f}", "step": f"{step:.3f}"}
        rows = self._query("/api/v1/query_range", {"query": query} | window)
        return tuple(
            SampleSeries(labels=row["metric"], points=tuple((float(t), float(v)) for t, v in row["values"]))
            for row in rows
        )

    def _query(self, path: str, form: dict[str, str]) -> list[dict[str, Any]]:
        answer: dict[str, Any] = self._client.post(path, data=form).json()
        assert answer["status"] == "success", answer
        rows: list[dict[str, Any]] = answer["data"]["result"]
        return rows


def require_binary(name: str) -> Path:
    """Return the path of a server's binary; a missing one is a failure, not a skip."""
    binary = find_binary(name, SearchPaths())
    assert binary is not None, f"{name} is not installed: run `make setup`"
    return binary.path


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusHistory]:
    """Run a Prometheus that holds the history of `prometheus_history.py`."""
    folder = tmp_path_factory.mktemp("prometheus")
    text, data, config = folder / "history.txt", folder / "data", folder / "prometheus.yml"
    text.write_text(format_history())
    config.write_text("{}")
    create_blocks = [str(require_binary("promtool")), "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(create_blocks, check=True, capture_output=True, timeout=60)
    with socket.socket() as free_socket:
        free_socket.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free_socket.getsockname()[1]}"
    command = [
        *(str(require_binary("prometheus")), f"--config.file={config}", f"--storage.tsdb.path={data}"),
        *(f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y"),
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait_until(lambda: httpx.get(f"http://{address}/-/ready", trust_env=False).is_success)
            with httpx.Client(base_url=f"http://{address}", timeout=20.0, trust_env=False) as client:
                yield PrometheusHistory(client)
        finally:
            server.terminate()


def _wait_until(is_ready: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if is_ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"Prometheus was not ready within {seconds:g} s")
