"""One incident with the timings of production: how long from the sample that completes the trigger to the apply."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import httpx

from activities.monitor.metric_names import COMPONENT_LABEL
from activities.monitor.rules import build_rules
from activities.monitor.settings import MonitorSettings
from tests.support.stack import StackHarness
from tests.support.waiting import wait_until

STEP_SECONDS = 15
"""Seconds between two instants at which violations are counted."""
HEALTHY_TIMEOUT_SECONDS = 180.0
PLAN_TIMEOUT_SECONDS = 240.0
APPLY_TIMEOUT_SECONDS = 60.0

ViolationCounts = dict[int, dict[str, int]]
"""For each instant of the grid: how many metrics of each component are violated."""


@dataclass(frozen=True)
class ProductionTimings:
    """When things happened, in unix seconds: the fault, the sample that completed the trigger, the apply."""

    fault_at: float
    sample_at: float
    applied_at: float
    headline: str


async def measure_timings(harness: StackHarness) -> ProductionTimings:
    """Wait until all is healthy, let a fault strike, and tell when it could be known and when Charter was changed."""
    await harness.wait_for_cycle(["healthy"], 0.0, HEALTHY_TIMEOUT_SECONDS)
    fault = await harness.inject_fault("few-validators", "validator-2")
    remedy = await harness.wait_for_remediation(fault, PLAN_TIMEOUT_SECONDS)
    applied = (await wait_until("the apply", lambda: harness.fetch_ledger(fault), APPLY_TIMEOUT_SECONDS))[0]["at"]
    async with httpx.AsyncClient(base_url=harness.stack.addresses.prometheus, trust_env=False) as prometheus:
        trigger = find_trigger_instant(await count_violations(prometheus, fault, applied))
        sample = await find_last_scrape(prometheus, trigger)
    return ProductionTimings(fault, sample, applied, remedy.plan.headline)


async def count_violations(prometheus: httpx.AsyncClient, since: float, until: float) -> ViolationCounts:
    """Ask Prometheus which limits were passed at the instants of the grid, rule by rule."""
    found: ViolationCounts = defaultdict(lambda: defaultdict(int))
    settings = MonitorSettings()
    for rule in build_rules(settings):
        value = rule.expr.replace("{window}", f"{settings.rate_window:.0f}s")
        passed = f"({value}) {'>' if rule.is_breached(1.0, 0.0) else '<'} {rule.threshold!r}"
        span = {
            "start": since // STEP_SECONDS * STEP_SECONDS,
            "end": until // STEP_SECONDS * STEP_SECONDS,
            "step": STEP_SECONDS,
        }
        for series in await query_series(prometheus, "query_range", {"query": passed, **span}):
            for at, _ in series["values"]:
                found[int(at)][series["metric"].get(COMPONENT_LABEL, "")] += 1
    return found


def find_trigger_instant(counts: ViolationCounts) -> int:
    """Return the first instant with 3 violated instants in 60 s, or 8 counted violations in 5 min, of one component."""
    for now in sorted(counts):
        for component in counts[now]:
            lately = [at for at in counts if now - 60 < at <= now and component in counts[at]]
            often = sum(of.get(component, 0) for at, of in counts.items() if now - 300 < at <= now)
            if len(lately) >= 3 or often >= 8:
                return now
    raise AssertionError(f"Prometheus knows of no trigger: {counts}")


async def find_last_scrape(prometheus: httpx.AsyncClient, at: int) -> float:
    """Return when the last sample at or before that instant was taken."""
    query = {"query": 'max(timestamp(up{job="charter"}))', "time": at}
    return float((await query_series(prometheus, "query", query))[0]["value"][1])


async def query_series(prometheus: httpx.AsyncClient, kind: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the series of an answer."""
    reply = (await prometheus.post(f"/api/v1/{kind}", data=query)).raise_for_status()
    series: list[dict[str, Any]] = reply.json()["data"]["result"]
    return series
