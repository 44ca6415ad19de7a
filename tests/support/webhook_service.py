"""A service with the alert webhook, whose loops only record the batches they receive."""

import time
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from activities.model.alert import AlertBatch
from activities.model.errors import Unreachable
from worker.config.schema import AlertRoute
from worker.http.auth import TokenAuth
from worker.http.probes import Probes
from worker.http.service import ServiceState, build_app
from worker.observability.metrics import Metrics
from worker.webhook.batcher import AlertBatcher
from worker.webhook.handler import AlertRouting, AlertWebhook

WEBHOOK_PATH = "/webhooks/alerts"
AUTHORIZATION_HEADER = {"authorization": "Bearer new"}


async def answer_probe() -> str:
    """Answer a probe as healthy."""
    return "fine"


class WebhookService:
    """The alert webhook with two loops, `first` and `second`."""

    def __init__(self, routes: tuple[AlertRoute, ...] = ()) -> None:
        self.received: dict[str, list[AlertBatch]] = {"first": [], "second": []}
        self.is_down = False
        self.metrics = Metrics(CollectorRegistry())
        batchers = {loop: AlertBatcher(self.make_sender(loop), 5.0) for loop in self.received}
        webhook = AlertWebhook(
            TokenAuth([lambda: "new", lambda: "old"]), AlertRouting(batchers, routes, "first"), self.metrics
        )
        route = Route(WEBHOOK_PATH, webhook.handle_post, methods=["POST"])
        probes = Probes(dict.fromkeys(("worker", "temporal", "charter"), answer_probe))
        registry = self.metrics.registry
        self.app = build_app(ServiceState("1", time.monotonic(), probes, registry=registry, routes=[route]))

    def make_sender(self, loop: str) -> Any:
        async def send(batch: AlertBatch) -> None:
            if self.is_down:
                raise Unreachable("Temporal is away, token=geheim")
            self.received[loop].append(batch)

        return send

    async def post_body(self, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
            return await client.post(
                WEBHOOK_PATH, content=content, headers=AUTHORIZATION_HEADER if headers is None else headers
            )

    def clear_received(self) -> None:
        """Forget the received batches."""
        for batches in self.received.values():
            batches.clear()

    def list_fingerprints(self, loop: str = "first") -> list[str]:
        return [alert.fingerprint for batch in self.received[loop] for alert in batch.alerts]

    def read_counter(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"mapek_alerts_{name}_total", labels) or 0.0
