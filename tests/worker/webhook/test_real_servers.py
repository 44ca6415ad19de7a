"""Alerts on real servers: from Alertmanager or another sender to a cycle and to Charter."""

import asyncio
import base64
import itertools
import time
from pathlib import Path

import pytest

from tests.support.alert_payloads import make_alert, make_grafana_payload
from tests.support.alert_stack import AlertStack
from tests.support.waiting import wait_until
from worker.cli.main import run

pytestmark = pytest.mark.stack
numbers = itertools.count(1)
TOKEN_FILES = ("api.webhook_token_file", "execute.charter_api_key_file")


def make_new_labels(component: str = "validator-1", **labels: str) -> dict[str, str]:
    """Return the labels of a new alert."""
    return {"alertname": f"Test{next(numbers)}", "severity": "critical", "node_or_service": component} | labels


def to_rfc3339(at: float) -> str:
    """Return unix seconds as Alertmanager writes them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


async def run_alert_inject(alert_stack: AlertStack, *arguments: str) -> int:
    """Run `mapek alert inject` against the stack."""
    state = str(alert_stack.stack.state.path)
    return await asyncio.to_thread(run, ["--state", state, "alert", "inject", *arguments])


async def test_an_injected_alert_starts_a_cycle(alert_stack: AlertStack) -> None:
    """`mapek alert inject` fires an alert at Alertmanager, which starts a cycle; its end is received and starts
    nothing."""
    since, name = time.time(), make_new_labels()["alertname"]
    assert await run_alert_inject(alert_stack, name, "--component", "gateway", "--severity", "critical") == 0
    result = await alert_stack.wait_for_alert_cycle(since)
    assert result.outcome == "healthy"
    assert await alert_stack.sum_metric("mapek_alerts_active") >= 1
    (cycle,) = await alert_stack.list_alert_cycles(since)
    description = await alert_stack.harness.client.get_workflow_handle(cycle).describe()
    assert f"critical {name} on gateway" in (await description.static_summary() or "")
    resolved = await alert_stack.sum_metric("mapek_alerts_received_total", status="resolved")
    assert (
        await run_alert_inject(alert_stack, name, "--component", "gateway", "--severity", "critical", "--resolve") == 0
    )

    async def is_received() -> bool:
        return await alert_stack.sum_metric("mapek_alerts_received_total", status="resolved") > resolved

    await wait_until("the end of the alert is received", is_received, 20)
    assert await alert_stack.list_alert_cycles(since) == [cycle]


async def test_an_alert_without_violation_changes_nothing(alert_stack: AlertStack) -> None:
    """Alerts of any severity start cycles that are healthy and change nothing."""
    since = time.time()
    for severity in ("critical", "page"):
        assert (
            await alert_stack.post_alerts(make_alert(next(numbers), labels=make_new_labels(severity=severity)))
        ).status_code == 200
    assert (await alert_stack.wait_for_alert_cycle(since)).outcome == "healthy"
    assert await alert_stack.harness.fetch_ledger(since) == []


async def test_unauthorized_and_invalid_posts_have_no_effect(alert_stack: AlertStack) -> None:
    """A post without token or with an invalid body causes no workflow, no event and no change at Charter."""
    since, before = time.time(), await alert_stack.query_alert_state()
    url = f"{alert_stack.stack.addresses.mapek}/webhooks/alerts"
    alerts = (make_alert(next(numbers), labels=make_new_labels()),)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        reply = await alert_stack.http.post(url, json={"version": "4", "alerts": list(alerts)}, headers=headers)
        assert reply.status_code == 401
    token = {"Authorization": f"Bearer {alert_stack.webhook_token}"}
    for content in (b"", b"{}", b"[]", b'{"version":"4","alerts":[{}]}', b"\x00" * 100):
        assert (await alert_stack.http.post(url, content=content, headers=token)).status_code == 400
    assert await alert_stack.query_alert_state() == before
    assert await alert_stack.list_alert_cycles(since) == []
    assert await alert_stack.harness.fetch_ledger(since) == []


async def test_an_alert_of_odd_form_does_not_lose_its_group(alert_stack: AlertStack) -> None:
    """Alertmanager posts a group with an annotation of 20,000 characters, an overlong label and a start in the future.

    All its alerts are read, and a cycle starts.
    """
    since, group = time.time(), make_new_labels()
    base = {"labels": group, "endsAt": to_rfc3339(since + 7200)}
    alerts = [
        base | {"labels": group | {"pod": "plain"}},
        base | {"labels": group | {"pod": "annotated"}, "annotations": {"description": "x" * 20_000}},
        base | {"labels": group | {"pod": "long", "severity": "y" * 5_000}},
        base | {"labels": group | {"pod": "ahead"}, "startsAt": to_rfc3339(since + 3600)},
    ]
    before = await alert_stack.sum_metric("mapek_alerts_received_total", status="firing")
    url = f"{alert_stack.stack.addresses.alertmanager}/api/v2/alerts"
    (await alert_stack.http.post(url, json=alerts)).raise_for_status()

    async def are_received() -> bool:
        return await alert_stack.sum_metric("mapek_alerts_received_total", status="firing") >= before + len(alerts)

    await wait_until("every alert of the group is received", are_received, 30)
    await alert_stack.wait_for_alert_cycle(since)
    assert await alert_stack.sum_metric("mapek_alerts_invalid_total", field="labels", remedy="kept") >= 1
    states = (await alert_stack.query_alert_state()).last_states.values()
    assert max(start for start, _ in states) < time.time() + 60


async def test_an_alert_of_grafana_starts_a_cycle(alert_stack: AlertStack) -> None:
    """A post as Grafana Alerting sends it, with basic authentication, starts a cycle."""
    since, url = time.time(), f"{alert_stack.stack.addresses.mapek}/webhooks/alerts"
    payload = make_grafana_payload(make_alert(next(numbers), labels=make_new_labels(), startsAt=to_rfc3339(since)))
    auth = ("grafana", alert_stack.webhook_token)
    assert (await alert_stack.http.post(url, json=payload, auth=auth)).status_code == 200
    assert (await alert_stack.wait_for_alert_cycle(since)).outcome == "healthy"


async def test_alerts_during_a_temporal_outage_are_not_lost(alert_stack: AlertStack) -> None:
    """While Temporal is down the answer is 503 in time; Alertmanager posts again, and no alert is lost."""
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
    state = await alert_stack.wait_until_processed(before.received - before.duplicates + 30, 90)
    assert state.received - state.duplicates >= before.received - before.duplicates + 30


ALERT_METRICS = (
    *("mapek_mode", "mapek_cycles_total", "mapek_quarantined_knobs"),
    *("mapek_schedule_skipped_total", "mapek_schedule_missed_total"),
)
"""Metrics in the alerts about the loop that exist from the start; the others count failures."""


async def test_prometheus_has_the_metrics_of_the_alerts(alert_stack: AlertStack) -> None:
    """The metrics in the alerts about the loop are scraped from the worker."""

    async def is_scraped() -> bool:
        url = f"{alert_stack.stack.addresses.prometheus}/api/v1/series"
        query = {"match[]": f'{{__name__=~"{"|".join(ALERT_METRICS)}"}}'}
        series = (await alert_stack.http.get(url, params=query)).json()["data"]
        return {labels["__name__"] for labels in series} == set(ALERT_METRICS)

    await wait_until("all of them are in Prometheus", is_scraped, 30)


async def test_secrets_do_not_leak(alert_stack: AlertStack) -> None:
    """No token and no planted secret is in an answer, log, metric, history or store."""
    planted, name = "planted-secret-4711", make_new_labels()["alertname"]
    secrets = (planted, alert_stack.webhook_token, alert_stack.read_secret("execute.charter_api_key_file"))
    alert = make_alert(
        next(numbers),
        annotations={"description": planted},
        labels=make_new_labels("gateway", alertname=name, password=planted),
        generatorURL=f"http://u:{planted}@h/",
    )
    since = time.time()
    basic = base64.b64encode(f"user:{planted}".encode()).decode()
    valid = f"Bearer {alert_stack.webhook_token}"
    invalid_posts = (
        *((header, "{}") for header in (f"Bearer {planted}", f"Basic {planted}", f"Basic {basic}")),
        *((valid, body) for body in (f'{{"{planted}": ', f'{{"version": "4", "alerts": [{{"status": "{planted}"}}]}}')),
    )
    url = f"{alert_stack.stack.addresses.mapek}/webhooks/alerts?token={planted}"
    replies = [
        await alert_stack.post_alerts(
            alert, commonAnnotations={"x": planted}, externalURL=f"http://h/?token={planted}"
        ),
        *[
            await alert_stack.http.post(url, content=body, headers={"Authorization": header})
            for header, body in invalid_posts
        ],
        *[await alert_stack.http.get(f"{base}/metrics") for base in list_metric_urls(alert_stack)],
    ]
    assert [reply.status_code for reply in replies] == [200, 401, 401, 401, 400, 400, 200, 200, 200]
    await alert_stack.wait_for_alert_cycle(since)
    texts = [f"{reply.headers} {reply.text}" for reply in replies]
    assert not [secret for secret in secrets if any(secret in text for text in texts)]

    # Histories, the store and the logs are files of the stack. Alertmanager stores the alerts it received.
    token_files = {path.name for path in (Path(alert_stack.stack.layout.get_setting(name)) for name in TOKEN_FILES)}
    files = [
        path for path in alert_stack.stack.state.path.rglob("*") if path.is_file() and path.name not in token_files
    ]
    contents = {path: path.read_bytes() for path in files if "alertmanager/data" not in str(path)}
    assert not [(path.name, secret) for path in contents for secret in secrets if secret.encode() in contents[path]]
    # The name of the alert is found, so the search covers these files.
    assert any(name.encode() in contents[path] for path in contents if path.name.startswith("temporal.db"))


def list_metric_urls(alert_stack: AlertStack) -> tuple[str, ...]:
    """Return the addresses of all services with metrics."""
    return (
        alert_stack.stack.addresses.mapek,
        alert_stack.stack.addresses.charter,
        alert_stack.stack.addresses.prometheus,
    )
