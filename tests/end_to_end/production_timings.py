"""One incident with the timings of production: how long from the sample that completes the trigger to the apply."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import httpx

from activities.monitor.queries import COMPONENT
from activities.monitor.rules import rules_of
from activities.monitor.settings import MonitorSettings
from tests.support.stack import World
from tests.support.waiting import wait_until

STEP = 15
"""Seconds between two instants at which violations are counted."""
FIRST_HEALTHY = 180.0
PLANNED = 240.0
APPLIED = 60.0

Counted = dict[int, dict[str, int]]
"""For each instant of the grid: how many metrics of each component are violated."""


@dataclass(frozen=True)
class RealPeriod:
    """When things happened, in unix seconds: the fault, the sample that completed the trigger, the apply."""

    fault: float
    sample: float
    applied: float
    headline: str


async def play(world: World) -> RealPeriod:
    """Wait until all is healthy, let a fault strike, and tell when it could be known and when Charter was changed."""
    await world.cycle(["healthy"], 0.0, FIRST_HEALTHY)
    fault = await world.strike("few-validators", "validator-2")
    remedy = await world.remedy(fault, PLANNED)
    applied = (await wait_until("the apply", lambda: world.ledger(fault), APPLIED))[0]["at"]
    async with httpx.AsyncClient(base_url=world.stack.addresses.prometheus, trust_env=False) as prometheus:
        trigger = triggered(await counted(prometheus, fault, applied))
        sample = await last_scrape(prometheus, trigger)
    return RealPeriod(fault, sample, applied, remedy.plan.headline)


async def counted(prometheus: httpx.AsyncClient, since: float, until: float) -> Counted:
    """Ask Prometheus which limits were passed at the instants of the grid, rule by rule."""
    found: Counted = defaultdict(lambda: defaultdict(int))
    settings = MonitorSettings()
    for rule in rules_of(settings):
        value = rule.expr.replace("{window}", f"{settings.rate_window:.0f}s")
        passed = f"({value}) {'>' if rule.beyond(1.0, 0.0) else '<'} {rule.enter!r}"
        span = {"start": since // STEP * STEP, "end": until // STEP * STEP, "step": STEP}
        for series in await answer(prometheus, "query_range", {"query": passed, **span}):
            for at, _ in series["values"]:
                found[int(at)][series["metric"].get(COMPONENT, "")] += 1
    return found


def triggered(found: Counted) -> int:
    """Return the first instant with 3 violated instants in 60 s, or 8 counted violations in 5 min, of one component."""
    for now in sorted(found):
        for component in found[now]:
            lately = [at for at in found if now - 60 < at <= now and component in found[at]]
            often = sum(of.get(component, 0) for at, of in found.items() if now - 300 < at <= now)
            if len(lately) >= 3 or often >= 8:
                return now
    raise AssertionError(f"Prometheus knows of no trigger: {found}")


async def last_scrape(prometheus: httpx.AsyncClient, at: int) -> float:
    """Return when the last sample at or before that instant was taken."""
    query = {"query": 'max(timestamp(up{job="charter"}))', "time": at}
    return float((await answer(prometheus, "query", query))[0]["value"][1])


async def answer(prometheus: httpx.AsyncClient, kind: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the series of an answer."""
    reply = (await prometheus.post(f"/api/v1/{kind}", data=query)).raise_for_status()
    series: list[dict[str, Any]] = reply.json()["data"]["result"]
    return series
