"""The instant that Monitor judges."""

import asyncio

from activities.dependencies import LoopDependencies
from activities.model.blindspot import BlindSpot
from activities.monitor.adaptive_limits import keep_if_fresh
from activities.monitor.instant import InstantReading
from activities.monitor.queries import coverage_query, prefilter_query
from activities.monitor.rules import build_rules
from activities.monitor.visibility import CHARTER, PROMETHEUS
from activities.readings.blind_spots import fetch_or_blind

FINDINGS_LOOKBACK_SECONDS = 60.0
"""Seconds before the instant from which Charter is queried for findings; it always reports open ones."""


async def fetch_instant(loop: LoopDependencies, at: float) -> InstantReading:
    """Return the answers of the remotes at `at` (unix seconds), requested concurrently."""
    monitor = loop.settings.monitor
    rules, max_age = build_rules(monitor), monitor.max_sample_age
    max_skew = max_age + monitor.timeout_seconds
    limits = keep_if_fresh(await loop.limits.load_newest(), at) if loop.limits is not None else None
    blind: list[BlindSpot] = []
    prefilter, coverage, findings, committee = await asyncio.gather(
        fetch_or_blind(
            loop.prometheus.query(prefilter_query(rules, monitor.rate_window, limits), at, max_skew),
            PROMETHEUS,
            "pre-filter",
            blind,
        ),
        fetch_or_blind(
            loop.prometheus.query(coverage_query(rules, max_age), at, max_skew), PROMETHEUS, "coverage", blind
        ),
        fetch_or_blind(loop.charter.fetch_violations(at - FINDINGS_LOOKBACK_SECONDS), CHARTER, "violations", blind),
        fetch_or_blind(loop.charter.fetch_committee(), CHARTER, "committee/state", blind),
    )
    return InstantReading(
        at=at,
        prefilter=prefilter or (),
        coverage=coverage or (),
        findings=findings or (),
        committee=committee,
        blind=tuple(blind),
        limits=limits,
    )
