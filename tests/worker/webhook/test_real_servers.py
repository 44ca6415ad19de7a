"""Alerts on the real servers: from Alertmanager, or a forger, to a cycle, and to Charter."""

import asyncio
import base64
import itertools
import time
from pathlib import Path

import pytest

from tests.support.alert_payloads import make_alert
from tests.support.alert_stack import AlertStack
from tests.support.waiting import wait_until
from worker.cli.main import run

pytestmark = pytest.mark.stack
numbers = itertools.count(1)
TOKEN_FILES = ("api.webhook_token_file", "execute.charter_api_key_file")


def make_new_labels(component: str = "validator-1", **labels: str) -> dict[str, str]:
    """Return the labels of an alert nobody fired before."""
    return {"alertname": f"Test{next(numbers)}", "severity": "critical", "node_or_service": component} | labels


async def run_alert_inject(alert_stack: AlertStack, *arguments: str) -> int:
    """Run `mapek alert inject` against the stack."""
    state = str(alert_stack.stack.state.path)
    return await asyncio.to_thread(run, ["--state", state, "alert", "inject", *arguments])


async def test_injected_it_goes_the_whole_way(alert_stack: AlertStack) -> None:
    """`mapek alert inject` fires a real alert at the real Alertmanager, and a cycle looks because of it; resolving it
    is told too, and starts nothing."""
    since, name = time.time(), make_new_labels()["alertname"]
    assert await run_alert_inject(alert_stack, name, "--component", "gateway", "--severity", "critical") == 0
    result = await alert_stack.wait_for_alert_cycle(since)
    assert result.outcome == "healthy"
    assert await alert_stack.sum_metric("mapek_alerts_active") >= 1
    (cycle,) = await alert_stack.list_alert_cycles(since)
    described = await alert_stack.harness.client.get_workflow_handle(cycle).describe()
    assert f"critical {name} on gateway" in (await described.static_summary() or "")
    resolved = await alert_stack.sum_metric("mapek_alerts_received_total", status="resolved")
    assert (
        await run_alert_inject(alert_stack, name, "--component", "gateway", "--severity", "critical", "--resolve") == 0
    )

    async def told() -> bool:
        return await alert_stack.sum_metric("mapek_alerts_received_total", status="resolved") > resolved

    await wait_until("the end of the alert is told", told, 20)
    assert await alert_stack.list_alert_cycles(since) == [cycle]


async def test_an_alert_is_no_evidence(alert_stack: AlertStack) -> None:
    """Whatever is claimed, where nothing is wrong nothing is done."""
    since = time.time()
    for severity in ("critical", "page"):
        assert (
            await alert_stack.post_alerts(make_alert(next(numbers), labels=make_new_labels(severity=severity)))
        ).status_code == 200
    assert (await alert_stack.wait_for_alert_cycle(since)).outcome == "healthy"
    assert await alert_stack.harness.fetch_ledger(since) == []


async def test_strangers_and_garbage_have_no_effect(alert_stack: AlertStack) -> None:
    """No workflow, no event and no change at Charter comes of what is not let in or cannot be read."""
    since, before = time.time(), await alert_stack.query_alert_state()
    url = f"{alert_stack.stack.addresses.mapek}/webhooks/alerts"
    good = (make_alert(next(numbers), labels=make_new_labels()),)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        reply = await alert_stack.http.post(url, json={"version": "4", "alerts": list(good)}, headers=headers)
        assert reply.status_code == 401
    token = {"Authorization": f"Bearer {alert_stack.webhook_token}"}
    for content in (b"", b"{}", b"[]", b'{"version":"4","alerts":[{}]}', b"\x00" * 100):
        assert (await alert_stack.http.post(url, content=content, headers=token)).status_code == 400
    assert await alert_stack.query_alert_state() == before
    assert await alert_stack.list_alert_cycles(since) == []
    assert await alert_stack.harness.fetch_ledger(since) == []


async def test_temporal_away(alert_stack: AlertStack) -> None:
    """While Temporal is down the answer is 503, in time; Alertmanager comes again, and nothing is lost."""
    before = await alert_stack.query_alert_state()
    await alert_stack.stack.kill("temporal")
    try:
        started = time.monotonic()
        reply = await alert_stack.post_alerts(make_alert(next(numbers), labels=make_new_labels()))
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - started < 8
        await alert_stack.fire_alerts([make_new_labels(f"node-{number}") for number in range(30)])
        assert await alert_stack.sum_metric("mapek_webhook_duration_seconds_count", status="429") == 0
    finally:
        await alert_stack.stack.start_service("temporal")
    book = await alert_stack.wait_until_processed(before.received - before.duplicates + 30, 90)
    assert book.received - book.duplicates >= before.received - before.duplicates + 30


ALERT_METRICS = (
    *("mapek_mode", "mapek_cycles_total", "mapek_quarantined_knobs"),
    *("mapek_schedule_skipped_total", "mapek_schedule_missed_total"),
)
"""Of the metrics in the loop's own alerts those that are there from the start; the others count what went wrong."""


async def test_prometheus_has_what_the_alerts_ask_for(alert_stack: AlertStack) -> None:
    """The metrics of the loop's own alerts are scraped from the real worker."""

    async def scraped() -> bool:
        url = f"{alert_stack.stack.addresses.prometheus}/api/v1/series"
        query = {"match[]": f'{{__name__=~"{"|".join(ALERT_METRICS)}"}}'}
        return {one["__name__"] for one in (await alert_stack.http.get(url, params=query)).json()["data"]} == {
            *ALERT_METRICS
        }

    await wait_until("all of them are in Prometheus", scraped, 30)


async def test_secrets_stay_where_they_are(alert_stack: AlertStack) -> None:
    """Neither the tokens nor what callers plant is in any answer, log, metric, history or store."""
    planted, name = "planted-secret-4711", make_new_labels()["alertname"]
    secrets = (planted, alert_stack.webhook_token, alert_stack.read_secret("execute.charter_api_key_file"))
    hidden = make_alert(
        next(numbers),
        annotations={"description": planted},
        labels=make_new_labels("gateway", alertname=name, password=planted),
        generatorURL=f"http://u:{planted}@h/",
    )
    since = time.time()
    basic = base64.b64encode(f"user:{planted}".encode()).decode()
    right = f"Bearer {alert_stack.webhook_token}"
    mistakes = (
        *((wrong, "{}") for wrong in (f"Bearer {planted}", f"Basic {planted}", f"Basic {basic}")),
        *((right, body) for body in (f'{{"{planted}": ', f'{{"version": "4", "alerts": [{{"status": "{planted}"}}]}}')),
    )
    url = f"{alert_stack.stack.addresses.mapek}/webhooks/alerts?token={planted}"
    replies = [
        await alert_stack.post_alerts(
            hidden, commonAnnotations={"x": planted}, externalURL=f"http://h/?token={planted}"
        ),
        *[await alert_stack.http.post(url, content=body, headers={"Authorization": shown}) for shown, body in mistakes],
        *[await alert_stack.http.get(f"{at}/metrics") for at in list_metric_urls(alert_stack)],
    ]
    assert [reply.status_code for reply in replies] == [200, 401, 401, 401, 400, 400, 200, 200, 200]
    await alert_stack.wait_for_alert_cycle(since)
    seen = [f"{reply.headers} {reply.text}" for reply in replies]
    assert not [secret for secret in secrets if any(secret in text for text in seen)]

    # Histories, the store and the logs are files of the stack; Alertmanager keeps what it was itself told.
    kept = {path.name for path in (Path(alert_stack.stack.layout.get_setting(name)) for name in TOKEN_FILES)}
    files = [path for path in alert_stack.stack.state.path.rglob("*") if path.is_file() and path.name not in kept]
    contents = {path: path.read_bytes() for path in files if "alertmanager/data" not in str(path)}
    assert not [(path.name, secret) for path in contents for secret in secrets if secret.encode() in contents[path]]
    # What may be told is found there, so the search sees what it should.
    assert any(name.encode() in contents[path] for path in contents if path.name.startswith("temporal.db"))


def list_metric_urls(alert_stack: AlertStack) -> tuple[str, ...]:
    """Return the addresses of all parts that count something."""
    return (
        alert_stack.stack.addresses.mapek,
        alert_stack.stack.addresses.charter,
        alert_stack.stack.addresses.prometheus,
    )
