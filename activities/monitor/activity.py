"""The Temporal side of Monitor: one instant of Prometheus and Charter."""

import asyncio

from temporalio import activity

from activities.dependencies import Dependencies
from activities.model.cycle import MonitorRequest
from activities.model.observation import Observation
from activities.monitor.charter_findings import member_names
from activities.monitor.instant import observe
from activities.monitor.rules import build_rules
from activities.readings.alertmanager import alertmanager_fields, fetch_alertmanager
from activities.readings.instant import fetch_instant


class MonitorActivities:
    """Observes one loop."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="monitor")
    async def monitor(self, request: MonitorRequest) -> Observation:
        """Return the violations and blind spots of one instant. A remote that fails is a blind spot, not an error.

        Sends two queries for all rules of all components, two reads to Charter and two to Alertmanager; writes nothing.
        """
        loop = self.dependencies.loop(request.loop)
        rules = build_rules(loop.settings.monitor)
        reading, alertmanager = await asyncio.gather(
            fetch_instant(loop, self.dependencies.clock()), fetch_alertmanager(loop)
        )
        observation = observe(reading, rules, loop.settings.components)
        return observation.model_copy(
            update=alertmanager_fields(
                alertmanager, loop, {*loop.settings.components, *member_names(reading.committee)}
            )
        )
