"""Alerts on the real servers: from Alertmanager, or a forger, to a cycle, and to Charter."""

import asyncio
import itertools
import time
from typing import Any

import httpx
import pytest
from temporalio.client import WorkflowExecutionStatus

from tests.end_to_end.waiting import wait_until
from tests.worker.alerts.bodies import alert
from tests.worker.alerts.rig import Rig
from worker.cli.main import run
from workflows import names

pytestmark = pytest.mark.stack
numbers = itertools.count(1)


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


async def test_from_the_alert_to_charter_once(rig: Rig) -> None:
    """While a person silences the component an alert is only looked at. After that, with the evidence in Prometheus,
    one told by two Alertmanagers at once, and again while it decays, is one remediation, applied within seconds."""
    since, silence = time.time(), await rig.silence("validator-.*")
    await rig.world.strike_in_full("few-validators", "validator-1")
    posted = time.time()
    await rig.post(alert(next(numbers), labels=fresh()))
    seen = await rig.cycle_of_alert(posted)
    assert (seen.outcome, await rig.world.ledger(since)) == ("observed", [])
    assert any("silenced" in reason for reason in seen.rejected)
    await rig.unsilence(silence)

    since, told = time.time(), alert(0, fingerprint="a" * 16, labels=fresh())
    replies = await asyncio.gather(rig.post(told), rig.post(told))
    assert [reply.status_code for reply in replies] == [200, 200]

    async def applied() -> list[dict[str, Any]]:
        return [row for row in await rig.world.ledger(since) if row["effect"] == "applied"]

    (first,) = await wait_until("an apply at Charter", applied, 15)
    assert first["at"] - since < 6  # the bound of 2 s is measured by `make load-alerts`, on a machine at rest
    remedy = await rig.world.remedy(since)
    for _ in range(3):
        assert (await rig.post(told)).json()["new"] == 0
    await remedy.ended()
    assert (await rig.post(alert(0, fingerprint="a" * 16, startsAt="2027-01-01T00:00:00Z"))).json()["new"] == 1
    await rig.settled(0, 20)
    assert len(await rig.world.remediations(since)) == 1
    assert {row["knob"] for row in await applied()} == {first["knob"]}


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


async def test_killed_in_the_middle(rig: Rig) -> None:
    """The service is killed while Alertmanager tells it of 200 groups; it comes back, and each is known once."""
    before = await rig.book()
    labels = [fresh(f"node-{number}") for number in range(200)]
    await rig.fire(labels)

    async def some() -> bool:
        return (await rig.book()).received > before.received

    await wait_until("the first alerts are taken", some, 20)
    await rig.stack.kill("worker")
    await rig.stack.start_part("worker")
    book = await rig.settled(before.received - before.repeated + 200, 60)
    assert book.received - book.repeated - before.received + before.repeated == 200
    runs = await rig.world.runs(f'WorkflowType="MapekCycle" AND {names.TRIGGER.name}="alert"', 0.0)
    assert not [run for run in runs if run.status is WorkflowExecutionStatus.FAILED]
    assert len({run.id for run in runs}) == len(runs)


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


async def test_secrets_stay_where_they_are(rig: Rig) -> None:
    """Neither the tokens nor what callers plant is in any log, metric, history or store."""
    planted = "planted-secret-4711"
    token, charter = rig.token, rig.secret("execute.charter_api_key_file")
    hidden = alert(
        next(numbers),
        annotations={"description": planted},
        labels=fresh("gateway", password=planted),
        generatorURL=f"http://u:{planted}@h/",
    )
    assert (await rig.post(hidden, commonAnnotations={"x": planted})).status_code == 200
    url = f"{rig.stack.addresses.mapek}/webhooks/alerts"
    for authorization in (f"Bearer {planted}", f"Basic {planted}"):
        assert (await rig.http.post(url, json={}, headers={"Authorization": authorization})).status_code == 401
    broken = await rig.http.post(url, content=f'{{"{planted}": '.encode(), headers={"Authorization": f"Bearer {token}"})
    assert planted not in broken.text
    await rig.settled(0, 20)
    places = [path for path in rig.stack.state.path.rglob("*") if path.is_file()]
    kept = {"webhook.token", "charter.token"}
    found = {
        (path.name, secret)
        for path in places
        if path.name not in kept and "alertmanager/data" not in str(path)
        for secret in (planted, token, charter)
        if secret.encode() in path.read_bytes()
    }
    assert found == set()
    for part in ("mapek", "charter", "prometheus"):
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"{getattr(rig.stack.addresses, part)}/metrics")).text
        assert not [secret for secret in (planted, token, charter) if secret in text]
