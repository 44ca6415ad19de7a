"""Alerts posted at a pace: one after the other, 50 a second for minutes, and one for an incident."""

import statistics
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.common import WorkflowIDConflictPolicy

from activities.model import identifiers
from activities.model.alert import Alert, AlertBatch
from activities.model.loop_state import LoopState
from tests.load.alerts.figures import report
from tests.load.alerts.sender import send_alerts
from tests.load.alerts.storms import count_new_states
from tests.support.alert_payloads import make_alert, make_payload
from tests.support.alert_stack import AlertStack
from tests.support.waiting import wait_until
from worker.http.service import serve

ALERTS_PER_SECOND = 50.0
"""Alerts a second."""
MAX_LATENESS_SECONDS = 1.0
"""Seconds the driver may be behind: more, and it did not send at that rate."""
ROUND_COUNT = 20
"""Incidents of the latency scenario; each takes half a minute."""


async def run_steady_rate(alert_stack: AlertStack, minutes: float) -> bool:
    """50 alerts a second over several continue-as-new: none lost, none doubled, and the pace was kept."""
    before, since = await alert_stack.query_alert_state(), time.time()
    total = round(minutes * 60 * ALERTS_PER_SECOND)
    alerts = [make_alert(number, fingerprint=f"5{number:015x}") for number in range(total)]
    sent = await send_alerts(
        f"{alert_stack.stack.addresses.mapek}/webhooks/alerts", alert_stack.webhook_token, alerts, ALERTS_PER_SECOND
    )
    took = time.time() - since
    book = await alert_stack.wait_until_processed(count_new_states(before) + total, 30)
    query = f'WorkflowId="{identifiers.loop_workflow_id("charter")}"'
    runs = (await alert_stack.harness.client.count_workflows(query)).count
    received, repeated = count_new_states(book) - count_new_states(before), book.duplicates - before.duplicates
    return report(
        "steady",
        (received, repeated) == (total, sent.retries and repeated)
        and runs > 2
        and sent.max_lateness < MAX_LATENESS_SECONDS,
        seconds=round(took, 1),
        received=received,
        of=total,
        doubled=repeated,
        posted_again=sent.retries,
        runs=runs,
        cycles=book.cycles - before.cycles,
        p50_ms=round(statistics.median(sent.durations) * 1000, 1),
        p99_ms=round(statistics.quantiles(sent.durations, n=100)[98] * 1000, 1),
        late=round(sent.max_lateness, 2),
    )


async def run_sequential_posts(alert_stack: AlertStack) -> bool:
    """POSTs one after the other cost at most twice a bare handler with one durable write of the same kind."""
    client = alert_stack.harness.client

    async def bare(request: Request) -> Response:
        body = await request.body()
        batch = AlertBatch(alerts=(Alert(fingerprint="f", firing=True, starts_at=1.0, name=str(len(body))),))
        await client.start_workflow(
            "MapekLoop",
            LoopState(loop="bare"),
            id=identifiers.loop_workflow_id("bare"),
            task_queue="nobody",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="alerts",
            start_signal_args=[batch],
        )
        return JSONResponse({"status": "ok"})

    taken: dict[str, list[float]] = {"bare": [], "webhook": []}
    async with serve(Starlette(routes=[Route("/", bare, methods=["POST"])]), "127.0.0.1", 0) as port:
        for number in range(200):
            started = time.perf_counter()
            await alert_stack.http.post(f"http://127.0.0.1:{port}/", json=make_payload(make_alert(number)))
            taken["bare"].append(time.perf_counter() - started)
            started = time.perf_counter()
            await alert_stack.post_alerts(make_alert(number, fingerprint=f"6{number:015x}"))
            taken["webhook"].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratio = medians["webhook"] / medians["bare"]
    figures = {f"{name}_p50_ms": round(value * 1000, 2) for name, value in medians.items()}
    return report("one by one", ratio <= 2, ratio=round(ratio, 2), **figures)


async def run_alert_to_apply(alert_stack: AlertStack) -> bool:
    """From the POST of an alert to its apply at Charter, the evidence being there already: p95 within 2 s.

    Each round the same alert fires again, as in a relapse, and is remedied once more.
    """
    await alert_stack.run_cycle_until("healthy")
    taken: list[float] = []
    for number in range(ROUND_COUNT):
        await alert_stack.harness.inject_fault_fully("few-validators", "validator-1")
        since = time.time()
        relapse = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
        await alert_stack.post_alerts(make_alert(number, fingerprint="8" * 16, startsAt=relapse))
        remedy = await alert_stack.harness.wait_for_remediation(since)

        async def list_applied_times(since: float = since) -> list[float]:
            return [row["at"] for row in await alert_stack.harness.fetch_ledger(since) if row["effect"] == "applied"]

        taken.append((await wait_until(f"an apply of {remedy.plan.actions}", list_applied_times, 30))[0] - since)
        print(f"     round {number + 1} of {ROUND_COUNT}: {taken[-1]:.2f} s", flush=True)
        await alert_stack.harness.clear_faults()
        await remedy.wait_for_result()
        await alert_stack.run_cycle_until("healthy")
        await alert_stack.harness.store.guards.close_quiet("charter", time.time())
    p95 = sorted(taken)[-1 - len(taken) // 20]
    figures = {"p50": round(statistics.median(taken), 2), "p95": round(p95, 2), "worst": round(max(taken), 2)}
    return report("alert to Charter", p95 <= 2.0, **figures, rounds=len(taken))
