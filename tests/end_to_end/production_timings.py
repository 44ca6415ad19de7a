"""One incident with production timings: the time from the sample that completes the trigger to the apply."""

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
"""Interval of the instants at which violations are counted."""
HEALTHY_TIMEOUT_SECONDS = 180.0
PLAN_TIMEOUT_SECONDS = 240.0
APPLY_TIMEOUT_SECONDS = 60.0

ViolationCounts = dict[int, dict[str, int]]
"""The number of violated metrics by instant and component."""


@dataclass(frozen=True)
class ProductionTimings:
    """The times of the fault, of the sample that completed the trigger and of the apply, in unix seconds."""

    fault_at: float
    sample_at: float
    applied_at: float
    headline: str


async def measure_timings(harness: StackHarness) -> ProductionTimings:
    """Wait for a healthy cycle, inject a fault, and return the times of trigger and apply."""
    await harness.wait_for_cycle(["healthy"], 0.0, HEALTHY_TIMEOUT_SECONDS)
    fault_at = await harness.inject_fault("few-validators", "validator-2")
    remedy = await harness.wait_for_remediation(fault_at, PLAN_TIMEOUT_SECONDS)
    applied_at = (await wait_until("the apply", lambda: harness.fetch_ledger(fault_at), APPLY_TIMEOUT_SECONDS))[0]["at"]
    async with httpx.AsyncClient(base_url=harness.stack.addresses.prometheus, trust_env=False) as prometheus:
        trigger = find_trigger_instant(await count_violations(prometheus, fault_at, applied_at))
        sample_at = await find_last_scrape(prometheus, trigger)
    return ProductionTimings(fault_at, sample_at, applied_at, remedy.plan.headline)


async def count_violations(prometheus: httpx.AsyncClient, since: float, until: float) -> ViolationCounts:
    """Query Prometheus for the exceeded limits at each instant, rule by rule."""
    counts: ViolationCounts = defaultdict(lambda: defaultdict(int))
    settings = MonitorSettings()
    for rule in build_rules(settings):
        value = rule.expr.replace("{window}", f"{settings.rate_window:.0f}s")
        condition = f"({value}) {'>' if rule.is_breached(1.0, 0.0) else '<'} {rule.threshold!r}"
        span = {
            "start": since // STEP_SECONDS * STEP_SECONDS,
            "end": until // STEP_SECONDS * STEP_SECONDS,
            "step": STEP_SECONDS,
        }
        for series in await query_series(prometheus, "query_range", {"query": condition, **span}):
            for at, _ in series["values"]:
                counts[int(at)][series["metric"].get(COMPONENT_LABEL, "")] += 1
    return counts


def find_trigger_instant(counts: ViolationCounts) -> int:
    """Return the first instant with 3 violated instants in 60 s, or 8 counted violations in 5 min, of one component."""
    for now in sorted(counts):
        for component in counts[now]:
            recent = [at for at in counts if now - 60 < at <= now and component in counts[at]]
            total = sum(by_component.get(component, 0) for at, by_component in counts.items() if now - 300 < at <= now)
            if len(recent) >= 3 or total >= 8:
                return now
    raise AssertionError(f"Prometheus has no trigger: {counts}")


async def find_last_scrape(prometheus: httpx.AsyncClient, at: int) -> float:
    """Return the time of the last sample at or before an instant."""
    query = {"query": 'max(timestamp(up{job="charter"}))', "time": at}
    return float((await query_series(prometheus, "query", query))[0]["value"][1])


async def query_series(prometheus: httpx.AsyncClient, kind: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the series of a query."""
    response = (await prometheus.post(f"/api/v1/{kind}", data=query)).raise_for_status()
    series: list[dict[str, Any]] = response.json()["data"]["result"]
    return series
