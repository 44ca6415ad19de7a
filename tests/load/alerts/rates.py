"""Alerts posted at a pace: one after the other, 50 a second for minutes, and one for an incident."""

import statistics
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.common import WorkflowIDConflictPolicy

from activities.model.alert import Alert, AlertBatch
from activities.model.intake import LoopState
from tests.load.alerts.figures import say
from tests.load.alerts.sender import send
from tests.load.alerts.storms import news
from tests.support.alert_payloads import alert, payload
from tests.support.alert_stack import Rig
from tests.support.waiting import wait_until
from worker.http.service import serve
from workflows import names

RATE = 50.0
"""Alerts a second."""
LATE = 1.0
"""Seconds the driver may be behind: more, and it did not send at that rate."""
ROUNDS = 20
"""Incidents of the latency scenario; each takes half a minute."""


async def steady(rig: Rig, minutes: float) -> bool:
    """50 alerts a second over several continue-as-new: none lost, none doubled, and the pace was kept."""
    before, since = await rig.book(), time.time()
    total = round(minutes * 60 * RATE)
    alerts = [alert(number, fingerprint=f"5{number:015x}") for number in range(total)]
    sent = await send(f"{rig.stack.addresses.mapek}/webhooks/alerts", rig.token, alerts, RATE)
    took = time.time() - since
    book = await rig.settled(news(before) + total, 30)
    query = f'WorkflowId="{names.intake_id("charter")}"'
    runs = (await rig.world.client.count_workflows(query)).count
    received, repeated = news(book) - news(before), book.repeated - before.repeated
    return say(
        "steady",
        (received, repeated) == (total, sent.again and repeated) and runs > 2 and sent.late < LATE,
        seconds=round(took, 1),
        received=received,
        of=total,
        doubled=repeated,
        posted_again=sent.again,
        runs=runs,
        cycles=book.cycles - before.cycles,
        p50_ms=round(statistics.median(sent.took) * 1000, 1),
        p99_ms=round(statistics.quantiles(sent.took, n=100)[98] * 1000, 1),
        late=round(sent.late, 2),
    )


async def one_by_one(rig: Rig) -> bool:
    """POSTs one after the other cost at most twice a bare handler with one durable write of the same kind."""
    client = rig.world.client

    async def bare(request: Request) -> Response:
        body = await request.body()
        batch = AlertBatch(alerts=(Alert(fingerprint="f", firing=True, starts_at=1.0, name=str(len(body))),))
        await client.start_workflow(
            "MapekLoop",
            LoopState(loop="bare"),
            id=names.intake_id("bare"),
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
            await rig.http.post(f"http://127.0.0.1:{port}/", json=payload(alert(number)))
            taken["bare"].append(time.perf_counter() - started)
            started = time.perf_counter()
            await rig.post(alert(number, fingerprint=f"6{number:015x}"))
            taken["webhook"].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratio = medians["webhook"] / medians["bare"]
    figures = {f"{name}_p50_ms": round(value * 1000, 2) for name, value in medians.items()}
    return say("one by one", ratio <= 2, ratio=round(ratio, 2), **figures)


async def to_charter(rig: Rig) -> bool:
    """From the POST of an alert to its apply at Charter, the evidence being there already: p95 within 2 s.

    Each round the same alert fires anew, as in a relapse, and is remedied again, once.
    """
    await rig.look("healthy")
    taken: list[float] = []
    for number in range(ROUNDS):
        await rig.world.strike_in_full("few-validators", "validator-1")
        since = time.time()
        relapse = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
        await rig.post(alert(number, fingerprint="8" * 16, startsAt=relapse))
        remedy = await rig.world.remedy(since)

        async def applied(since: float = since) -> list[float]:
            return [row["at"] for row in await rig.world.ledger(since) if row["effect"] == "applied"]

        taken.append((await wait_until(f"an apply of {remedy.plan.actions}", applied, 30))[0] - since)
        print(f"     round {number + 1} of {ROUNDS}: {taken[-1]:.2f} s", flush=True)
        await rig.world.heal()
        await remedy.ended()
        await rig.look("healthy")
        await rig.world.store.guards.close_quiet("charter", time.time())
    p95 = sorted(taken)[-1 - len(taken) // 20]
    figures = {"p50": round(statistics.median(taken), 2), "p95": round(p95, 2), "worst": round(max(taken), 2)}
    return say("alert to Charter", p95 <= 2.0, **figures, rounds=len(taken))
