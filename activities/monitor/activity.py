"""The Temporal side of Monitor: one look at Prometheus and Charter."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import activity

from activities.model.base import clipped
from activities.model.blindspot import Blindness, BlindSpot
from activities.model.cycle import MonitorRequest
from activities.model.errors import MapekError
from activities.model.observation import Observation
from activities.monitor.observing import Reading, observe
from activities.monitor.queries import coverage_query, prefilter_query
from activities.monitor.quiet import EVERYTHING, quiet_components
from activities.monitor.rules import rules_of
from activities.monitor.sight import CHARTER, PROMETHEUS
from activities.parts import LoopParts, Parts

T = TypeVar("T")

FINDINGS_SECONDS = 60.0
"""How far back Charter is asked for findings; those still open are always told."""


class MonitorActivities:
    """Looks at one loop."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @activity.defn(name="monitor")
    async def monitor(self, request: MonitorRequest) -> Observation:
        """Return what is beyond its limits and what cannot be seen. A remote that fails is a blind spot, not an error.

        Two queries for all rules of all components, two reads at Charter and two at Alertmanager; nothing is written.
        """
        loop = self.parts.loop(request.loop)
        rules = rules_of(loop.settings.monitor)
        reading, quiet = await asyncio.gather(read(loop, self.parts.clock()), listen(loop))
        return observe(reading, rules, loop.settings.components).model_copy(update=quiet)


async def read(loop: LoopParts, at: float) -> Reading:
    """Return what the remotes answer at `at` (unix seconds), all asked at once."""
    monitor = loop.settings.monitor
    rules = rules_of(monitor)
    blind: list[BlindSpot] = []
    prefilter, coverage, findings, committee = await asyncio.gather(
        seen(loop.prometheus.query(prefilter_query(rules, monitor.rate_window), at), PROMETHEUS, "pre-filter", blind),
        seen(
            loop.prometheus.query(coverage_query(rules, 2 * monitor.scrape_interval), at), PROMETHEUS, "coverage", blind
        ),
        seen(loop.charter.violations(at - FINDINGS_SECONDS), CHARTER, "violations", blind),
        seen(loop.charter.committee(), CHARTER, "committee/state", blind),
    )
    return Reading(
        at=at,
        prefilter=prefilter or (),
        coverage=coverage or (),
        findings=findings or (),
        committee=committee,
        blind=tuple(blind),
    )


async def listen(loop: LoopParts) -> dict[str, object]:
    """Return what Alertmanager tells, as fields of an observation. Whatever fires there is no evidence.

    One that does not answer makes nothing blind, for the loop measures by itself; only silences are then unknown.
    """
    if loop.alertmanager is None:
        return {}
    try:
        alerts, silences = await asyncio.gather(loop.alertmanager.alerts(muted=True), loop.alertmanager.silences())
    except MapekError as error:
        everything = (EVERYTHING,) if loop.silences_required else ()
        return {"alerts_unread": clipped(str(error)), "silenced": everything}
    return {"alerts": len(alerts), "silenced": quiet_components(alerts, silences, loop.settings.components)}


async def seen(answer: Awaitable[T], remote: str, signal: str, blind: list[BlindSpot]) -> T | None:
    """Return the answer; None if the remote failed, and then the reason stands among the blind spots."""
    try:
        return await answer
    except MapekError as error:
        spot = BlindSpot(component=remote, signal=signal, kind=Blindness.UNREACHABLE, detail=clipped(str(error)))
        blind.append(spot)
        return None
