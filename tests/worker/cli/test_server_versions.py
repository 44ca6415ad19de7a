"""Doctor prints which version each server names of itself."""

from typing import Any

import httpx
import pytest

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.http import HttpClient
from activities.clients.prometheus import PrometheusClient
from worker.cli.doctor import Finding, add_version

DEBIAN = {
    "version": "2.42.0+ds",
    "revision": "2.42.0+ds-5+deb12u1",
    "branch": "debian/sid",
    "buildUser": "team+pkg-go@tracker.debian.org",
    "buildDate": "20260604-00:58:54",
    "goVersion": "go1.19.8",
}
ALERTMANAGER_STATUS = {
    "cluster": {"peers": [], "status": "disabled"},
    "config": {"original": "route: {receiver: mapek}"},
    "uptime": "2026-01-21T10:15:01.000Z",
    "versionInfo": {**DEBIAN, "version": "0.28.1", "branch": "HEAD"},
}
SERVER = Finding(part="server", detail="http://server:9090")


@pytest.mark.parametrize(
    ("client_type", "status", "body", "version"),
    [
        (PrometheusClient, 200, {"status": "success", "data": DEBIAN}, "2.42.0+ds"),
        (PrometheusClient, 200, {"status": "success", "data": {"version": "2.24.0"}}, "2.24.0"),
        (PrometheusClient, 200, {"status": "success", "data": {"version": ""}}, "unknown: the server names none"),
        (PrometheusClient, 200, {"status": "success"}, "unknown: "),
        (PrometheusClient, 404, "404 page not found", "unknown: "),
        (AlertmanagerClient, 200, ALERTMANAGER_STATUS, "0.28.1"),
        (
            AlertmanagerClient,
            200,
            {**ALERTMANAGER_STATUS, "versionInfo": {"version": ""}},
            "unknown: the server names none",
        ),
        (AlertmanagerClient, 404, "404 page not found", "unknown: "),
    ],
)
async def test_the_version_of_a_server_is_its_own_answer(
    client_type: type[PrometheusClient | AlertmanagerClient], status: int, body: Any, version: str
) -> None:
    """A server that answers queries is ok, even if it does not name its version."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    finding = await add_version(SERVER, client_type(HttpClient(transport), "http://server:9090"))
    assert finding.state == "ok"
    assert finding.detail.startswith(f"http://server:9090, version {version}")


async def test_a_silent_server_is_not_asked_for_its_version() -> None:
    """A failed check stays as it is: a second timeout would exceed doctor's five seconds."""
    transport = httpx.MockTransport(lambda _: pytest.fail("requested"))
    failed = Finding(part="server", state="unreachable", detail="http://server:9090 does not answer within 2 s")
    assert await add_version(failed, PrometheusClient(HttpClient(transport), "http://server:9090")) == failed
