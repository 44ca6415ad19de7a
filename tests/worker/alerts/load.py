"""What the way in bears: `make load-alerts`. Prints one line of figures a scenario; fails where a bound is missed."""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.common import WorkflowIDConflictPolicy

from activities.model.alert import Alert, AlertBatch
from activities.model.intake import LoopState
from tests.end_to_end.waiting import wait_until
from tests.worker.alerts.bodies import alert, payload
from tests.worker.alerts.rig import Rig, running_rig
from worker.http.service import serve
from workflows import names

ROUNDS = 10
"""Incidents of the latency scenario; each takes half a minute."""

Scenario = Callable[[Rig, float], Awaitable[bool]]


def say(name: str, good: bool, **figures: object) -> bool:
    """Print one line and return whether the bound was kept."""
    told = " ".join(f"{key}={value}" for key, value in figures.items())
    print(f"{'ok  ' if good else 'MISS'} {name}: {told}", flush=True)
    return good


def group(number: int, each: int = 1) -> list[dict[str, str]]:
    """Return the labels of one group of alerts."""
    base = {"alertname": "Load", "severity": "warning", "node_or_service": f"node-{number}"}
    return [base | {"shard": str(shard)} for shard in range(each)]


async def groups(rig: Rig, _minutes: float) -> bool:
    """1,000 groups through the real Alertmanager: accepted in 3 s beyond its group_wait of 1 s, none lost."""
    since, signals = time.time(), await rig.metric("mapek_alert_signals_total")
    before = await rig.book()
    await rig.fire([one for number in range(1000) for one in group(number)])
    book = await accepted(rig, before.received - before.repeated + 1000, 60)
    took = time.time() - since - 1.0
    book = await rig.settled(before.received - before.repeated + 1000, 30)
    signals = await rig.metric("mapek_alert_signals_total") - signals
    cycles = await rig.alert_cycles(since)
    good = took < 3.0 and signals <= 200 and len(cycles) == len(set(cycles)) == book.cycles - before.cycles
    known = len(book.known) - len(before.known)
    return say(
        "groups", good and known == 1000, seconds=round(took, 2), signals=signals, known=known, cycles=len(cycles)
    )


async def accepted(rig: Rig, received: int, bound: float) -> object:
    """Wait until so many different alerts are received."""
    began = time.monotonic()
    while True:
        book = await rig.book()
        if book.received - book.repeated >= received:
            return book
        assert time.monotonic() - began < bound, f"received {book.received}, repeated {book.repeated}, not {received}"
        await asyncio.sleep(0.05)


async def burst(rig: Rig, _minutes: float) -> bool:
    """20,000 alerts in 200 groups at once: none lost, none refused for good."""
    since, before = time.time(), await rig.book()
    for start in range(2000, 2200, 10):
        await rig.fire([one for number in range(start, start + 10) for one in group(number, 100)])
    book = await rig.settled(before.received - before.repeated + 20_000, 240)
    took = time.time() - since
    refused = sum(
        [
            await rig.metric("mapek_webhook_seconds_count", status=status)
            for status in ("400", "401", "408", "413", "429")
        ]
    )
    busy = await rig.metric("mapek_webhook_seconds_count", status="503")
    news = book.received - book.repeated - before.received + before.repeated
    return say(
        "burst",
        news >= 20_000 and refused == 0,
        seconds=round(took, 1),
        received=news,
        known=len(book.known),
        refused=refused,
        told_to_come_again=busy,
        cycles=book.cycles - before.cycles,
    )


async def steady(rig: Rig, minutes: float) -> bool:
    """50 alerts a second over several continue-as-new: none lost, none doubled."""
    before, since = await rig.book(), time.time()
    total, failed, late = round(minutes * 60 * 50), 0, 0.0
    pending: set[asyncio.Task[int]] = set()

    async def one(number: int) -> int:
        tries = 0
        while (await rig.post(alert(number, fingerprint=f"5{number:015x}"))).status_code != 200:
            tries += 1
            await asyncio.sleep(0.5)
        return tries

    began = time.monotonic()
    for number in range(total):
        wait = began + number / 50 - time.monotonic()
        late = max(late, -wait)
        await asyncio.sleep(max(0.0, wait))
        pending.add(asyncio.create_task(one(number)))
        done = {task for task in pending if task.done()}
        failed += sum(task.result() for task in done)
        pending -= done
    failed += sum(await asyncio.gather(*pending))
    book = await rig.settled(before.received - before.repeated + total, 30)
    query = f'WorkflowId="{names.intake_id("charter")}"'
    runs = len(await rig.world.runs(query, since)) + 1
    news, repeated = book.received - before.received - book.repeated + before.repeated, book.repeated - before.repeated
    return say(
        "steady",
        (news, repeated) == (total, failed and repeated) and runs > 2,
        minutes=minutes,
        received=news,
        doubled=repeated,
        posted_again=failed,
        runs=runs,
        cycles=book.cycles - before.cycles,
        late=round(late, 2),
    )


async def one_by_one(rig: Rig, _minutes: float) -> bool:
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


async def to_charter(rig: Rig, _minutes: float) -> bool:
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

        taken.append((await wait_until("an apply", applied, 30))[0] - since)
        await rig.world.heal()
        await remedy.ended()
        await rig.look("healthy")
        await rig.world.store.guards.close_quiet("charter", time.time())
    p95 = sorted(taken)[-1 - len(taken) // 20]
    figures = {"p50": round(statistics.median(taken), 2), "p95": round(p95, 2), "rounds": len(taken)}
    return say("alert to Charter", p95 <= 2.0, **figures)


SCENARIOS: dict[str, Scenario] = {
    "groups": groups,
    "one-by-one": one_by_one,
    "to-charter": to_charter,
    "burst": burst,
    "steady": steady,
}


async def main(wanted: list[str], minutes: float) -> int:
    """Run the scenarios, each on a stack of its own, and return the exit code."""
    good = True
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            async with running_rig(Path(folder) / "state", orchestrator={"loop_interval": 600}) as rig:
                good &= await SCENARIOS[name](rig, minutes)
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the steady scenario takes")
    options = parser.parse_args()
    code = asyncio.run(main(options.scenarios, options.minutes))
    sys.stdout.flush()
    # The SDK's threads sometimes abort an interpreter that ends by itself.
    os._exit(code)
