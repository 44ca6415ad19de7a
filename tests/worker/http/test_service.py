"""Health, readiness and metrics over HTTP."""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from activities.model.errors import ConfigurationError, MapekError, Unreachable
from worker.assemble import build_service_state, build_webhook_routes
from worker.config.load import Config
from worker.config.schema import ApiSettings
from worker.http import probes as probes_module
from worker.http.auth import TokenAuth
from worker.http.probes import Probe, Probes
from worker.http.service import DEPENDENCIES, LIVENESS_COMPONENTS, ServiceState, auth_for_host, build_app, serve
from worker.observability.metrics import Metrics


def make_healthy_probe() -> Probe:
    async def probe() -> str:
        return "fine"

    return probe


def make_failing_probe(error: Exception) -> Probe:
    async def probe() -> str:
        raise error

    return probe


def make_state(**changes: Any) -> ServiceState:
    named: dict[str, Probe] = {name: make_healthy_probe() for name in (*LIVENESS_COMPONENTS, *DEPENDENCIES)}
    named |= changes.pop("failing", {})
    return ServiceState(version="1.2.3", started_at=time.monotonic() - 5, probes=Probes(named), **changes)


async def send_get(service: ServiceState, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(build_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
        return await client.get(path, headers=headers)


async def test_health_with_all_components_up() -> None:
    """The body has status, version, uptime and each component with its detail."""
    reply = await send_get(make_state(), "/health")
    body = reply.json()
    assert (reply.status_code, body["status"], body["version"]) == (200, "healthy", "1.2.3")
    assert 5 <= body["uptime_seconds"] < 60
    assert body["components"]["prometheus"] == {"status": "up", "detail": "fine"}
    assert set(body["components"]) == {*LIVENESS_COMPONENTS, *DEPENDENCIES}


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("prometheus", 200, "degraded"), ("knowledge", 200, "degraded"), ("monitor", 503, "unhealthy")],
)
async def test_only_a_component_of_this_process_makes_it_unhealthy(name: str, code: int, status: str) -> None:
    """A failed remote degrades the process; a failed component of its own makes it unhealthy."""
    reply = await send_get(make_state(failing={name: make_failing_probe(Unreachable("gone"))}), "/health")
    assert (reply.status_code, reply.json()["status"]) == (code, status)
    assert reply.json()["components"][name] == {"status": "down", "detail": "gone"}


@pytest.mark.parametrize(("name", "code"), [("worker", 503), ("temporal", 503), ("charter", 200), ("knowledge", 200)])
async def test_ready_needs_the_worker_and_temporal(name: str, code: int) -> None:
    """Other dependencies are shown and do not count."""
    reply = await send_get(make_state(failing={name: make_failing_probe(Unreachable("gone"))}), "/ready")
    assert (reply.status_code, reply.json()["ready"]) == (code, code == 200)
    assert reply.json()["dependencies"][name]["status"] == "down"


async def test_not_ready_without_a_worker() -> None:
    """A component without a probe counts as not ready."""
    empty = ServiceState(version="1", started_at=time.monotonic(), probes=Probes({}))
    assert (await send_get(empty, "/ready")).status_code == 503


async def test_silent_probes_are_down_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes run concurrently, and a silent one is reported as down after the timeout."""
    monkeypatch.setattr(probes_module, "PROBE_TIMEOUT_SECONDS", 0.1)

    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    started = time.monotonic()
    reply = await send_get(make_state(failing=dict.fromkeys(("prometheus", "charter", "temporal"), hang)), "/health")
    assert time.monotonic() - started < 2
    assert reply.json()["components"]["charter"] == {"status": "down", "detail": "no answer within 0.1 s"}


async def test_an_unexpected_error_of_a_probe_is_down() -> None:
    """The detail has the class of the error and not its text."""
    reply = await send_get(make_state(failing={"charter": make_failing_probe(KeyError("secret detail"))}), "/health")
    assert reply.json()["components"]["charter"] == {"status": "down", "detail": "unknown: KeyError"}


async def test_details_contain_no_credential() -> None:
    """The detail of a probe is redacted."""
    reply = await send_get(
        make_state(failing={"charter": make_failing_probe(MapekError("Bearer geheim-4711"))}), "/health"
    )
    assert "geheim" not in reply.text


async def test_results_are_cached_for_a_second() -> None:
    """Within a second a probe runs once for all callers; afterwards it runs again."""
    calls, now = 0, 0.0

    async def count() -> str:
        nonlocal calls
        calls += 1
        return str(calls)

    probes = Probes({"a": count}, clock=lambda: now)
    results = await asyncio.gather(*(probes.check() for _ in range(5)))
    assert {result["a"]["detail"] for result in results} == {"1"}
    now = 1.0
    assert (await probes.check())["a"]["detail"] == "2"


def make_secret_reader(value: str) -> Callable[[], str]:
    return lambda: value


@pytest.mark.parametrize(
    ("header", "is_authorized"),
    [
        ("Bearer right", True),
        ("bearer right", True),
        ("Basic YTpyaWdodA==", True),
        ("Bearer wrong", False),
        ("right", False),
        ("", False),
    ],
)
async def test_without_a_token_only_the_status_is_shown(header: str, is_authorized: bool) -> None:
    """Callers without a valid token get no metrics and no details of health."""
    state = make_state(view_auth=TokenAuth([make_secret_reader("right")]), registry=CollectorRegistry())
    headers = {"authorization": header} if header else {}
    assert (await send_get(state, "/metrics", **headers)).status_code == (200 if is_authorized else 401)
    health, ready = await send_get(state, "/health", **headers), await send_get(state, "/ready", **headers)
    assert (health.status_code, ready.status_code) == (200, 200)
    assert ("components" in health.json(), "dependencies" in ready.json()) == (is_authorized, is_authorized)


async def test_an_unreadable_token_authorizes_no_caller() -> None:
    """The health status is still answered."""

    def raise_error() -> str:
        raise ConfigurationError("gone")

    reply = await send_get(make_state(view_auth=TokenAuth([raise_error])), "/health", authorization="Bearer x")
    assert (reply.status_code, reply.json()) == (200, {"status": "healthy"})


def test_loopback_needs_no_token() -> None:
    """Any other address requires one."""
    assert auth_for_host("127.0.0.1", [make_secret_reader("x")]).is_authorized("")
    assert auth_for_host("::1", [make_secret_reader("x")]).is_authorized("")
    assert not auth_for_host("0.0.0.0", [make_secret_reader("x")]).is_authorized("")


async def test_metrics_are_prometheus_text_with_standard_names() -> None:
    """Every metric begins with mapek_, or with temporal_ if it is the SDK's, and has a help text."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.cycles.labels("charter", "schedule", "healthy").inc()
    reply = await send_get(make_state(registry=registry), "/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert 'mapek_cycles_total{loop="charter",outcome="healthy",trigger="schedule"} 1.0' in reply.text
    for family in registry.collect():
        assert family.name.startswith(("mapek_", "temporal_"))
        assert family.documentation.endswith(".")


async def test_metrics_are_optional() -> None:
    """Without a registry the route does not exist."""
    assert (await send_get(make_state(), "/metrics")).status_code == 404


async def test_cors_is_optional() -> None:
    """CORS headers are sent only if CORS is enabled."""
    for cors in (False, True):
        reply = await send_get(make_state(cors=cors), "/health", origin="http://elsewhere")
        assert ("access-control-allow-origin" in reply.headers) == cors


async def test_the_service_listens_only_inside_its_block() -> None:
    """The block yields the bound port; afterwards the port is closed; a port in use is a configuration error."""
    async with serve(build_app(make_state()), "127.0.0.1", 0) as port:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == 200
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} cannot be bound"):
            async with serve(build_app(make_state()), "127.0.0.1", port):
                pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


NO_CLIENT: Any = None
"""Temporal is only called for a valid body."""


@pytest.fixture
def role_client(tmp_path: Path) -> httpx.AsyncClient:
    """A client of a service that other hosts can reach, with a token for each role and a previous one."""
    files = {}
    for name in ("view", "webhook", "webhook_previous"):
        files[f"{name}_token_file"] = tmp_path / name
        (tmp_path / name).write_text(name)
    config = Config(api=ApiSettings(host="0.0.0.0", **files))
    metrics = Metrics(CollectorRegistry())
    routes = build_webhook_routes(config, NO_CLIENT, metrics)
    service = build_app(build_service_state(config, metrics, Probes({}), routes))
    return httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://mapek")


@pytest.mark.parametrize(
    ("token", "read_status", "post_status"),
    [("view", 200, 401), ("webhook", 200, 400), ("webhook_previous", 200, 400), ("", 401, 401), ("other", 401, 401)],
)
async def test_roles(role_client: httpx.AsyncClient, token: str, read_status: int, post_status: int) -> None:
    """View reads metrics and cannot post, not even a malformed body; operate does both; other tokens do neither."""
    headers = {"authorization": f"Bearer {token}"}
    assert (await role_client.get("/metrics", headers=headers)).status_code == read_status
    assert ("version" in (await role_client.get("/health", headers=headers)).json()) == (read_status == 200)
    response = await role_client.post("/webhooks/alerts", content=b"no json", headers=headers)
    assert response.status_code == post_status
