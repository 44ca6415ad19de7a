"""Alerts and silences of Alertmanager."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from activities.dependencies import LoopDependencies
from activities.model.alertmanager import ActiveAlert, Silence
from activities.model.blindspot import BlindSpot
from activities.model.types import truncate
from activities.monitor.silences import ALL_COMPONENTS, silenced_components
from activities.readings.blind_spots import fetch_or_blind


@dataclass(frozen=True)
class AlertmanagerState:
    """Alertmanager's answers, None if it was not read, and the errors."""

    alerts: tuple[ActiveAlert, ...] | None = None
    silences: tuple[Silence, ...] | None = None
    errors: tuple[str, ...] = ()


async def fetch_alertmanager(loop: LoopDependencies) -> AlertmanagerState:
    """Return the alerts and silences.

    A failing Alertmanager causes no blind spot: the loop has its own measurements, and only silences are unknown.
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
    """Return the state as fields of an observation. A firing alert is not evidence of a violation."""
    return {
        "alerts": None if state.alerts is None else len(state.alerts),
        "alerts_unread": truncate("; ".join(state.errors)),
        "silenced": silenced_or_all(state, loop, components),
    }


def silenced_or_all(state: AlertmanagerState, loop: LoopDependencies, components: Iterable[str]) -> tuple[str, ...]:
    """Return the silenced components, "*" if silences are unknown but `silences_required`."""
    if state.errors and loop.silences_required:
        return (ALL_COMPONENTS,)
    return silenced_components(state.alerts or (), state.silences or (), components)
