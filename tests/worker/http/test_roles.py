"""The two roles as the worker assembles them: who shows the token of view reads, who shows that of operate acts too."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from worker.assemble import build_service_state, build_webhook_routes
from worker.config.load import Config
from worker.config.schema import ApiSettings
from worker.http.probes import Probes
from worker.http.service import build_app
from worker.observability.metrics import Metrics

NO_CLIENT: Any = None
"""Temporal is asked only once a body is understood."""


@pytest.fixture
def caller(tmp_path: Path) -> httpx.AsyncClient:
    """Return a caller of a service that others can reach, with a token for each role and the one before."""
    files = {}
    for name in ("view", "webhook", "webhook_previous"):
        files[f"{name}_token_file"] = tmp_path / name
        (tmp_path / name).write_text(name)
    config = Config(api=ApiSettings(host="0.0.0.0", **files))
    metrics = Metrics(CollectorRegistry())
    service = build_app(
        build_service_state(config, metrics, Probes({}), build_webhook_routes(config, NO_CLIENT, metrics))
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://mapek")


@pytest.mark.parametrize(
    ("token", "reads", "acts"),
    [("view", 200, 401), ("webhook", 200, 400), ("webhook_previous", 200, 400), ("", 401, 401), ("other", 401, 401)],
)
async def test_roles(caller: httpx.AsyncClient, token: str, reads: int, acts: int) -> None:
    """View reads metrics and cannot post, not even a malformed body; operate does both; nobody else does either."""
    headers = {"authorization": f"Bearer {token}"}
    assert (await caller.get("/metrics", headers=headers)).status_code == reads
    assert ("version" in (await caller.get("/health", headers=headers)).json()) == (reads == 200)
    assert (await caller.post("/webhooks/alerts", content=b"no json", headers=headers)).status_code == acts
