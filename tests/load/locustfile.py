"""The load: Prometheus and probes reading, Alertmanager posting. Driven by `make load` (tests/load/run.py)."""

import json
import os
import time
from pathlib import Path

from locust import HttpUser, between, constant_throughput, task

TOKEN = Path(os.environ["MAPEK_LOAD_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
AUTHORIZED_HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
ALERTS_PER_POST = 10
"""Alerts in one notice, as Alertmanager groups them by name and component."""


class ProbeUser(HttpUser):
    """Probes and scrapes, far more often than a real one."""

    weight = 1
    wait_time = between(0.05, 0.2)

    @task(5)
    def get_ready(self) -> None:
        self.client.get("/ready")

    @task(5)
    def get_health(self) -> None:
        self.client.get("/health")

    @task(2)
    def get_metrics(self) -> None:
        self.client.get("/metrics", headers=AUTHORIZED_HEADERS)

    @task(1)
    def post_unauthorized(self) -> None:
        """A post without a token is refused, also under load."""
        with self.client.post(
            "/webhooks/alerts", data=b"{}", name="/webhooks/alerts (stranger)", catch_response=True
        ) as reply:
            if reply.status_code == 401:
                reply.success()


class AlertmanagerUser(HttpUser):
    """One Alertmanager's stream of notices: 5 a second each, every alert a new one."""

    weight = 1
    wait_time = constant_throughput(5)
    post_count = 0

    @task
    def post_alerts(self) -> None:
        self.post_count += 1
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        alerts = [
            {
                "status": "firing",
                "labels": {"alertname": "LoadTest", "severity": "info"},
                "startsAt": now,
                "fingerprint": f"{id(self) & 0xFFFFFFFF:08x}{self.post_count:06x}{number:02x}",
            }
            for number in range(ALERTS_PER_POST)
        ]
        body = json.dumps({"version": "4", "truncatedAlerts": 0, "alerts": alerts})
        self.client.post("/webhooks/alerts", data=body, headers=AUTHORIZED_HEADERS)
