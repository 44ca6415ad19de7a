"""A service with the door for alerts, whose loops only note what they are told."""

import time
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from activities.model.alert import AlertBatch
from activities.model.errors import Unreachable
from worker.config.schema import AlertRoute
from worker.http.auth import Gate
from worker.http.probes import Probes
from worker.http.service import ServiceState, app
from worker.observability.metrics import Metrics
from worker.webhook.batcher import HandOver
from worker.webhook.handler import Delivery, Webhook

PATH = "/webhooks/alerts"
BEARER = {"authorization": "Bearer new"}


async def well() -> str:
    """Answer a probe."""
    return "fine"


class World:
    """A service whose loops only note what they are told."""

    def __init__(self, routes: tuple[AlertRoute, ...] = ()) -> None:
        self.told: dict[str, list[AlertBatch]] = {"first": [], "second": []}
        self.down = False
        self.metrics = Metrics(CollectorRegistry())
        ways = {loop: HandOver(self.sender(loop), 5.0) for loop in self.told}
        door = Webhook(Gate([lambda: "new", lambda: "old"]), Delivery(ways, routes, "first"), self.metrics)
        route = Route(PATH, door.post, methods=["POST"])
        probes = Probes(dict.fromkeys(("worker", "temporal", "charter"), well))
        registry = self.metrics.registry
        self.app = app(ServiceState("1", time.monotonic(), probes, registry=registry, routes=[route]))

    def sender(self, loop: str) -> Any:
        async def send(batch: AlertBatch) -> None:
            if self.down:
                raise Unreachable("Temporal is away, token=geheim")
            self.told[loop].append(batch)

        return send

    async def post(self, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
            return await client.post(PATH, content=content, headers=BEARER if headers is None else headers)

    def forget(self) -> None:
        """Let go of what the loops were told."""
        for batches in self.told.values():
            batches.clear()

    def fingerprints(self, loop: str = "first") -> list[str]:
        return [one.fingerprint for batch in self.told[loop] for one in batch.alerts]

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"mapek_alerts_{name}_total", labels) or 0.0
