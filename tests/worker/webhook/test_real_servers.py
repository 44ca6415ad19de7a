"""Alerts on the real servers: from Alertmanager, or a forger, to a cycle, and to Charter."""

import asyncio
import base64
import itertools
import time
from pathlib import Path

import pytest

from tests.support.alert_payloads import alert
from tests.support.alert_stack import Rig
from tests.support.waiting import wait_until
from worker.cli.main import run

pytestmark = pytest.mark.stack
numbers = itertools.count(1)
TOKEN_FILES = ("api.webhook_token_file", "execute.charter_api_key_file")


def fresh(component: str = "validator-1", **labels: str) -> dict[str, str]:
    """Return the labels of an alert nobody fired before."""
    return {"alertname": f"Test{next(numbers)}", "severity": "critical", "node_or_service": component} | labels


async def inject(rig: Rig, *arguments: str) -> int:
    """Run `mapek alert inject` against the stack."""
    state = str(rig.stack.state.path)
    return await asyncio.to_thread(run, ["--state", state, "alert", "inject", *arguments])


async def test_injected_it_goes_the_whole_way(rig: Rig) -> None:
    """`mapek alert inject` fires a real alert at the real Alertmanager, and a cycle looks because of it; resolving it
    is told too, and starts nothing."""
    since, name = time.time(), fresh()["alertname"]
    assert await inject(rig, name, "--component", "gateway", "--severity", "critical") == 0
    result = await rig.cycle_of_alert(since)
    assert result.outcome == "healthy"
    assert await rig.metric("mapek_alerts_active") >= 1
    (cycle,) = await rig.alert_cycles(since)
    described = await rig.world.client.get_workflow_handle(cycle).describe()
    assert f"critical {name} on gateway" in (await described.static_summary() or "")
    resolved = await rig.metric("mapek_alerts_received_total", status="resolved")
    assert await inject(rig, name, "--component", "gateway", "--severity", "critical", "--resolve") == 0

    async def told() -> bool:
        return await rig.metric("mapek_alerts_received_total", status="resolved") > resolved

    await wait_until("the end of the alert is told", told, 20)
    assert await rig.alert_cycles(since) == [cycle]


async def test_an_alert_is_no_evidence(rig: Rig) -> None:
    """Whatever is claimed, where nothing is wrong nothing is done."""
    since = time.time()
    for severity in ("critical", "page"):
        assert (await rig.post(alert(next(numbers), labels=fresh(severity=severity)))).status_code == 200
    assert (await rig.cycle_of_alert(since)).outcome == "healthy"
    assert await rig.world.ledger(since) == []


async def test_strangers_and_garbage_have_no_effect(rig: Rig) -> None:
    """No workflow, no event and no change at Charter comes of what is not let in or cannot be read."""
    since, before = time.time(), await rig.book()
    url = f"{rig.stack.addresses.mapek}/webhooks/alerts"
    good = (alert(next(numbers), labels=fresh()),)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        reply = await rig.http.post(url, json={"version": "4", "alerts": list(good)}, headers=headers)
        assert reply.status_code == 401
    token = {"Authorization": f"Bearer {rig.token}"}
    for content in (b"", b"{}", b"[]", b'{"version":"4","alerts":[{}]}', b"\x00" * 100):
        assert (await rig.http.post(url, content=content, headers=token)).status_code == 400
    assert await rig.book() == before
    assert await rig.alert_cycles(since) == []
    assert await rig.world.ledger(since) == []


async def test_temporal_away(rig: Rig) -> None:
    """While Temporal is down the answer is 503, in time; Alertmanager comes again, and nothing is lost."""
    before = await rig.book()
    await rig.stack.kill("temporal")
    try:
        started = time.monotonic()
        reply = await rig.post(alert(next(numbers), labels=fresh()))
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - started < 8
        await rig.fire([fresh(f"node-{number}") for number in range(30)])
        assert await rig.metric("mapek_webhook_seconds_count", status="429") == 0
    finally:
        await rig.stack.start_part("temporal")
    book = await rig.settled(before.received - before.repeated + 30, 90)
    assert book.received - book.repeated >= before.received - before.repeated + 30


ALERTED_UPON = (
    *("mapek_mode", "mapek_cycles_total", "mapek_quarantined_knobs"),
    *("mapek_schedule_skipped_total", "mapek_schedule_missed_total"),
)
"""Of the metrics in the loop's own alerts those that are there from the start; the others count what went wrong."""


async def test_prometheus_has_what_the_alerts_ask_for(rig: Rig) -> None:
    """The metrics of the loop's own alerts are scraped from the real worker."""

    async def scraped() -> bool:
        url = f"{rig.stack.addresses.prometheus}/api/v1/series"
        query = {"match[]": f'{{__name__=~"{"|".join(ALERTED_UPON)}"}}'}
        return {one["__name__"] for one in (await rig.http.get(url, params=query)).json()["data"]} == {*ALERTED_UPON}

    await wait_until("all of them are in Prometheus", scraped, 30)


async def test_secrets_stay_where_they_are(rig: Rig) -> None:
    """Neither the tokens nor what callers plant is in any answer, log, metric, history or store."""
    planted, name = "planted-secret-4711", fresh()["alertname"]
    secrets = (planted, rig.token, rig.secret("execute.charter_api_key_file"))
    hidden = alert(
        next(numbers),
        annotations={"description": planted},
        labels=fresh("gateway", alertname=name, password=planted),
        generatorURL=f"http://u:{planted}@h/",
    )
    since = time.time()
    basic = base64.b64encode(f"user:{planted}".encode()).decode()
    right = f"Bearer {rig.token}"
    mistakes = (
        *((wrong, "{}") for wrong in (f"Bearer {planted}", f"Basic {planted}", f"Basic {basic}")),
        *((right, body) for body in (f'{{"{planted}": ', f'{{"version": "4", "alerts": [{{"status": "{planted}"}}]}}')),
    )
    url = f"{rig.stack.addresses.mapek}/webhooks/alerts?token={planted}"
    replies = [
        await rig.post(hidden, commonAnnotations={"x": planted}, externalURL=f"http://h/?token={planted}"),
        *[await rig.http.post(url, content=body, headers={"Authorization": shown}) for shown, body in mistakes],
        *[await rig.http.get(f"{at}/metrics") for at in metrics_of(rig)],
    ]
    assert [reply.status_code for reply in replies] == [200, 401, 401, 401, 400, 400, 200, 200, 200]
    await rig.cycle_of_alert(since)
    seen = [f"{reply.headers} {reply.text}" for reply in replies]
    assert not [secret for secret in secrets if any(secret in text for text in seen)]

    # Histories, the store and the logs are files of the stack; Alertmanager keeps what it was itself told.
    kept = {path.name for path in (Path(rig.stack.layout.setting(name)) for name in TOKEN_FILES)}
    files = [path for path in rig.stack.state.path.rglob("*") if path.is_file() and path.name not in kept]
    contents = {path: path.read_bytes() for path in files if "alertmanager/data" not in str(path)}
    assert not [(path.name, secret) for path in contents for secret in secrets if secret.encode() in contents[path]]
    # What may be told is found there, so the search sees what it should.
    assert any(name.encode() in contents[path] for path in contents if path.name.startswith("temporal.db"))


def metrics_of(rig: Rig) -> tuple[str, ...]:
    """Return the addresses of all parts that count something."""
    return rig.stack.addresses.mapek, rig.stack.addresses.charter, rig.stack.addresses.prometheus
