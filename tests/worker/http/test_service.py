"""Health, readiness and metrics as a caller sees them."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from activities.model.errors import ConfigurationError, MapekError, Unreachable
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
    named |= changes.pop("ill", {})
    return ServiceState(version="1.2.3", started_at=time.monotonic() - 5, probes=Probes(named), **changes)


async def send_get(service: ServiceState, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(build_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
        return await client.get(path, headers=headers)


async def test_health_when_all_is_well() -> None:
    """Status, version, uptime and each component with its detail."""
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
async def test_only_what_a_restart_mends_makes_the_process_unhealthy(name: str, code: int, status: str) -> None:
    """A remote that is down degrades; a vital part that is down asks for a restart."""
    reply = await send_get(make_state(ill={name: make_failing_probe(Unreachable("gone"))}), "/health")
    assert (reply.status_code, reply.json()["status"]) == (code, status)
    assert reply.json()["components"][name] == {"status": "down", "detail": "gone"}


@pytest.mark.parametrize(("name", "code"), [("worker", 503), ("temporal", 503), ("charter", 200), ("knowledge", 200)])
async def test_ready_is_polling_and_temporal(name: str, code: int) -> None:
    """Ready means that cycles would run here; other remotes are shown and do not decide."""
    reply = await send_get(make_state(ill={name: make_failing_probe(Unreachable("gone"))}), "/ready")
    assert (reply.status_code, reply.json()["ready"]) == (code, code == 200)
    assert reply.json()["dependencies"][name]["status"] == "down"


async def test_not_ready_without_a_worker() -> None:
    """A part nobody can ask counts as not ready."""
    empty = ServiceState(version="1", started_at=time.monotonic(), probes=Probes({}))
    assert (await send_get(empty, "/ready")).status_code == 503


async def test_a_silent_probe_is_down_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that does not answer is cut off, all at once and not one after the other."""
    monkeypatch.setattr(probes_module, "PROBE_TIMEOUT_SECONDS", 0.1)

    async def silent() -> str:
        await asyncio.Event().wait()
        return "never"

    started = time.monotonic()
    reply = await send_get(make_state(ill=dict.fromkeys(("prometheus", "charter", "temporal"), silent)), "/health")
    assert time.monotonic() - started < 2
    assert reply.json()["components"]["charter"] == {"status": "down", "detail": "no answer within 0.1 s"}


async def test_a_broken_probe_is_no_good_news() -> None:
    """An error nobody expected is down, with its class and not its text."""
    reply = await send_get(make_state(ill={"charter": make_failing_probe(KeyError("secret detail"))}), "/health")
    assert reply.json()["components"]["charter"] == {"status": "down", "detail": "cannot be told: KeyError"}


async def test_details_hold_no_credential() -> None:
    """What a probe says is redacted."""
    reply = await send_get(make_state(ill={"charter": make_failing_probe(MapekError("Bearer geheim-4711"))}), "/health")
    assert "geheim" not in reply.text


async def test_answers_are_kept_for_a_second() -> None:
    """Within a second a probe runs once, however many ask; after it, again."""
    calls, now = 0, 0.0

    async def counted() -> str:
        nonlocal calls
        calls += 1
        return str(calls)

    asked = Probes({"a": counted}, clock=lambda: now)
    answers = await asyncio.gather(*(asked.check() for _ in range(5)))
    assert {answer["a"]["detail"] for answer in answers} == {"1"}
    now = 1.0
    assert (await asked.check())["a"]["detail"] == "2"


def make_secret_reader(value: str) -> Callable[[], str]:
    return lambda: value


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        ("Bearer right", True),
        ("bearer right", True),
        ("Basic YTpyaWdodA==", True),
        ("Bearer wrong", False),
        ("right", False),
        ("", False),
    ],
)
async def test_strangers_see_a_status_alone(header: str, admitted: bool) -> None:
    """With a token set, metrics are refused and health is bare to anyone who does not show it."""
    guarded = make_state(view_auth=TokenAuth([make_secret_reader("right")]), registry=CollectorRegistry())
    headers = {"authorization": header} if header else {}
    assert (await send_get(guarded, "/metrics", **headers)).status_code == (200 if admitted else 401)
    health, ready = await send_get(guarded, "/health", **headers), await send_get(guarded, "/ready", **headers)
    assert (health.status_code, ready.status_code) == (200, 200)
    assert ("components" in health.json(), "dependencies" in ready.json()) == (admitted, admitted)


async def test_a_token_that_cannot_be_read_admits_nobody() -> None:
    """Without the secret there is no way in, and health still answers."""

    def unreadable() -> str:
        raise ConfigurationError("gone")

    reply = await send_get(make_state(view_auth=TokenAuth([unreadable])), "/health", authorization="Bearer x")
    assert (reply.status_code, reply.json()) == (200, {"status": "healthy"})


def test_loopback_needs_no_token() -> None:
    """Only an address others can reach asks for one."""
    assert auth_for_host("127.0.0.1", [make_secret_reader("x")]).is_authorized("")
    assert auth_for_host("::1", [make_secret_reader("x")]).is_authorized("")
    assert not auth_for_host("0.0.0.0", [make_secret_reader("x")]).is_authorized("")


async def test_metrics_are_in_prometheus_text_with_good_names() -> None:
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


async def test_metrics_can_be_left_out() -> None:
    """Without a registry the route does not exist."""
    assert (await send_get(make_state(), "/metrics")).status_code == 404


async def test_other_origins_need_leave() -> None:
    """CORS headers are sent only when they are switched on."""
    for cors in (False, True):
        reply = await send_get(make_state(cors=cors), "/health", origin="http://elsewhere")
        assert ("access-control-allow-origin" in reply.headers) == cors


async def test_it_serves_over_a_socket_and_ends() -> None:
    """The block gives the bound port; after it nobody listens; a taken port is a configuration error."""
    async with serve(build_app(make_state()), "127.0.0.1", 0) as port:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == 200
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} cannot be bound"):
            async with serve(build_app(make_state()), "127.0.0.1", port):
                pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
