"""The Temporal side of Monitor: one look at Prometheus and Charter."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from temporalio import activity

from activities.dependencies import LoopParts, Parts
from activities.model.alertmanager import ActiveAlert, Silence
from activities.model.blindspot import Blindness, BlindSpot
from activities.model.cycle import MonitorRequest
from activities.model.errors import MapekError, Untimely
from activities.model.observation import Observation
from activities.model.types import clipped
from activities.monitor.adaptive_limits import believed
from activities.monitor.charter_findings import member_names
from activities.monitor.instant import Reading, observe
from activities.monitor.queries import coverage_query, prefilter_query
from activities.monitor.rules import rules_of
from activities.monitor.silences import EVERYTHING, quiet_components
from activities.monitor.visibility import CHARTER, PROMETHEUS

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
        reading, heard = await asyncio.gather(read(loop, self.parts.clock()), listen(loop))
        observation = observe(reading, rules, loop.settings.components)
        return observation.model_copy(
            update=told(heard, loop, {*loop.settings.components, *member_names(reading.committee)})
        )


async def read(loop: LoopParts, at: float) -> Reading:
    """Return what the remotes answer at `at` (unix seconds), all asked at once."""
    monitor = loop.settings.monitor
    rules, max_age = rules_of(monitor), 2 * monitor.scrape_interval
    present = max_age + monitor.timeout_seconds
    limits = believed(await loop.limits.newest(), at) if loop.limits is not None else None
    blind: list[BlindSpot] = []
    prefilter, coverage, findings, committee = await asyncio.gather(
        seen(
            loop.prometheus.query(prefilter_query(rules, monitor.rate_window, limits), at, present),
            PROMETHEUS,
            "pre-filter",
            blind,
        ),
        seen(loop.prometheus.query(coverage_query(rules, max_age), at, present), PROMETHEUS, "coverage", blind),
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
        limits=limits,
    )


@dataclass(frozen=True)
class Heard:
    """What Alertmanager answered (None: nothing), and why if it did not."""

    alerts: tuple[ActiveAlert, ...] | None = None
    silences: tuple[Silence, ...] | None = None
    unread: tuple[str, ...] = ()


async def listen(loop: LoopParts) -> Heard:
    """Return what Alertmanager tells.

    One that does not answer makes nothing blind, for the loop measures by itself; only silences are then unknown.
    """
    if loop.alertmanager is None:
        return Heard()
    blind: list[BlindSpot] = []
    alerts, silences = await asyncio.gather(
        seen(loop.alertmanager.alerts(muted=True), "alertmanager", "alerts", blind),
        seen(loop.alertmanager.silences(), "alertmanager", "silences", blind),
    )
    return Heard(alerts, silences, tuple(spot.detail for spot in blind))


def told(heard: Heard, loop: LoopParts, components: Iterable[str]) -> dict[str, object]:
    """Return it as fields of an observation. Whatever fires there is no evidence."""
    return {
        "alerts": None if heard.alerts is None else len(heard.alerts),
        "alerts_unread": clipped("; ".join(heard.unread)),
        "silenced": silenced(heard, loop, components),
    }


def silenced(heard: Heard, loop: LoopParts, components: Iterable[str]) -> tuple[str, ...]:
    """Return the components that may only be observed, "*" if that cannot be told and has to be known."""
    if heard.unread and loop.silences_required:
        return (EVERYTHING,)
    return quiet_components(heard.alerts or (), heard.silences or (), components)


async def seen(answer: Awaitable[T], remote: str, signal: str, blind: list[BlindSpot]) -> T | None:
    """Return the answer; None if the remote failed, and then the reason stands among the blind spots."""
    try:
        return await answer
    except MapekError as error:
        kind = Blindness.STALE if isinstance(error, Untimely) else Blindness.UNREACHABLE
        blind.append(BlindSpot(component=remote, signal=signal, kind=kind, detail=clipped(str(error))))
        return None
