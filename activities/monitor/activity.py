"""The Temporal side of Monitor: one look at Prometheus and Charter."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from temporalio import activity

from activities.dependencies import Dependencies, LoopDependencies
from activities.model.alertmanager import ActiveAlert, Silence
from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.cycle import MonitorRequest
from activities.model.errors import ClockSkew, MapekError
from activities.model.observation import Observation
from activities.model.types import truncate
from activities.monitor.adaptive_limits import keep_if_fresh
from activities.monitor.charter_findings import member_names
from activities.monitor.instant import InstantReading, observe
from activities.monitor.queries import coverage_query, prefilter_query
from activities.monitor.rules import build_rules
from activities.monitor.silences import ALL_COMPONENTS, silenced_components
from activities.monitor.visibility import CHARTER, PROMETHEUS

T = TypeVar("T")

FINDINGS_LOOKBACK_SECONDS = 60.0
"""How far back Charter is asked for findings; those still open are always told."""


class MonitorActivities:
    """Looks at one loop."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="monitor")
    async def monitor(self, request: MonitorRequest) -> Observation:
        """Return what is beyond its limits and what cannot be seen. A remote that fails is a blind spot, not an error.

        Two queries for all rules of all components, two reads at Charter and two at Alertmanager; nothing is written.
        """
        loop = self.dependencies.loop(request.loop)
        rules = build_rules(loop.settings.monitor)
        reading, heard = await asyncio.gather(fetch_instant(loop, self.dependencies.clock()), fetch_alertmanager(loop))
        observation = observe(reading, rules, loop.settings.components)
        return observation.model_copy(
            update=alertmanager_fields(heard, loop, {*loop.settings.components, *member_names(reading.committee)})
        )


async def fetch_instant(loop: LoopDependencies, at: float) -> InstantReading:
    """Return what the remotes answer at `at` (unix seconds), all asked at once."""
    monitor = loop.settings.monitor
    rules, max_age = build_rules(monitor), 2 * monitor.scrape_interval
    present = max_age + monitor.timeout_seconds
    limits = keep_if_fresh(await loop.limits.load_newest(), at) if loop.limits is not None else None
    blind: list[BlindSpot] = []
    prefilter, coverage, findings, committee = await asyncio.gather(
        fetch_or_blind(
            loop.prometheus.query(prefilter_query(rules, monitor.rate_window, limits), at, present),
            PROMETHEUS,
            "pre-filter",
            blind,
        ),
        fetch_or_blind(
            loop.prometheus.query(coverage_query(rules, max_age), at, present), PROMETHEUS, "coverage", blind
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


@dataclass(frozen=True)
class AlertmanagerState:
    """What Alertmanager answered (None: nothing), and why if it did not."""

    alerts: tuple[ActiveAlert, ...] | None = None
    silences: tuple[Silence, ...] | None = None
    errors: tuple[str, ...] = ()


async def fetch_alertmanager(loop: LoopDependencies) -> AlertmanagerState:
    """Return what Alertmanager tells.

    One that does not answer makes nothing blind, for the loop measures by itself; only silences are then unknown.
    """
    if loop.alertmanager is None:
        return AlertmanagerState()
    blind: list[BlindSpot] = []
    alerts, silences = await asyncio.gather(
        fetch_or_blind(loop.alertmanager.fetch_alerts(include_suppressed=True), "alertmanager", "alerts", blind),
        fetch_or_blind(loop.alertmanager.fetch_silences(), "alertmanager", "silences", blind),
    )
    return AlertmanagerState(alerts, silences, tuple(spot.detail for spot in blind))


def alertmanager_fields(
    state: AlertmanagerState, loop: LoopDependencies, components: Iterable[str]
) -> dict[str, object]:
    """Return it as fields of an observation. Whatever fires there is no evidence."""
    return {
        "alerts": None if state.alerts is None else len(state.alerts),
        "alerts_unread": truncate("; ".join(state.errors)),
        "silenced": silenced_or_all(state, loop, components),
    }


def silenced_or_all(state: AlertmanagerState, loop: LoopDependencies, components: Iterable[str]) -> tuple[str, ...]:
    """Return the components that may only be observed, "*" if that cannot be told and has to be known."""
    if state.errors and loop.silences_required:
        return (ALL_COMPONENTS,)
    return silenced_components(state.alerts or (), state.silences or (), components)


async def fetch_or_blind(answer: Awaitable[T], remote: str, signal: str, blind_spots: list[BlindSpot]) -> T | None:
    """Return the answer; None if the remote failed, and then the reason stands among the blind spots."""
    try:
        return await answer
    except MapekError as error:
        kind = BlindSpotKind.STALE if isinstance(error, ClockSkew) else BlindSpotKind.UNREACHABLE
        blind_spots.append(BlindSpot(component=remote, signal=signal, kind=kind, detail=truncate(str(error))))
        return None
