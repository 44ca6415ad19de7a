"""The Alertmanager of a soak, the proxy between it and the worker's webhook, and the accepted alerts."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from tests.soak.faults.proxy import HttpProxy
from tests.soak.harness.sites import Site

ALERT_NAME_SUFFIX = "-trouble"
"""The end of an alert's name, after the name of its Charter."""
HTTP_200_PREFIX = b"HTTP/1.1 200"


@dataclass
class SoakAlertmanager:
    """An Alertmanager by its API, the proxy before the webhook, and when each alert was first accepted.

    `accepted_at` holds unix seconds by an alert's Charter, component and start. A repeated alert (the first
    answer was lost) is not counted: the cycle of the first one may have started already.
    """

    alertmanager: httpx.AsyncClient
    webhook_proxy: HttpProxy
    accepted_at: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.webhook_proxy.on_reply = self.record_accepted_alerts

    async def set_alert(self, site: Site, component: str, *, firing: bool) -> None:
        """Start or end an alert about a component. Raises: httpx.HTTPError."""
        now = datetime.now(UTC).isoformat()
        labels = {"alertname": site.name + ALERT_NAME_SUFFIX, "severity": "critical", "node_or_service": component}
        alert = {"labels": labels, "startsAt": now} if firing else {"labels": labels, "endsAt": now}
        (await self.alertmanager.post("/api/v2/alerts", json=[alert])).raise_for_status()

    def record_accepted_alerts(self, request: bytes, reply: bytes) -> None:
        """Record the firing alerts of a post that the webhook answered with 200."""
        if not reply.startswith(HTTP_200_PREFIX):
            return
        for alert in json.loads(request.partition(b"\r\n\r\n")[2])["alerts"]:
            if alert["status"] == "firing":
                labels = alert["labels"]
                site = labels["alertname"].removesuffix(ALERT_NAME_SUFFIX)
                self.accepted_at.setdefault((site, labels["node_or_service"], alert["startsAt"]), time.time())

    def accepted_times(self, site: str) -> list[float]:
        """Return when alerts about a Charter were first accepted."""
        return [at for (name, _, _), at in self.accepted_at.items() if name == site]


def build_route(site: str, loop: str) -> dict[str, str]:
    """Return the route of a Charter's alerts to a loop."""
    return {"alert": site + ALERT_NAME_SUFFIX, "match": "exact", "to": loop}
