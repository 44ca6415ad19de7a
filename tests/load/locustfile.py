"""The load: Prometheus and probes reading, Alertmanager posting. Driven by `make load` (tests/load/run.py)."""

import json
import os
import time
from pathlib import Path

from locust import HttpUser, between, constant_throughput, task

TOKEN = Path(os.environ["MAPEK_LOAD_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
AUTHORIZED = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
GROUP = 10
"""Alerts in one notice, as Alertmanager groups them by name and component."""


class Reader(HttpUser):
    """Probes and scrapes, far more often than a real one."""

    weight = 1
    wait_time = between(0.05, 0.2)

    @task(5)
    def ready(self) -> None:
        self.client.get("/ready")

    @task(5)
    def health(self) -> None:
        self.client.get("/health")

    @task(2)
    def metrics(self) -> None:
        self.client.get("/metrics", headers=AUTHORIZED)

    @task(1)
    def stranger(self) -> None:
        """A post without a token has to be refused, also under load."""
        with self.client.post(
            "/webhooks/alerts", data=b"{}", name="/webhooks/alerts (stranger)", catch_response=True
        ) as reply:
            if reply.status_code == 401:
                reply.success()


class Alertmanager(HttpUser):
    """One Alertmanager's stream of notices: 5 a second each, every alert a new one."""

    weight = 1
    wait_time = constant_throughput(5)
    posted = 0

    @task
    def notice(self) -> None:
        self.posted += 1
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        alerts = [
            {
                "status": "firing",
                "labels": {"alertname": "LoadTest", "severity": "info"},
                "startsAt": now,
                "fingerprint": f"{id(self) & 0xFFFFFFFF:08x}{self.posted:06x}{number:02x}",
            }
            for number in range(GROUP)
        ]
        body = json.dumps({"version": "4", "truncatedAlerts": 0, "alerts": alerts})
        self.client.post("/webhooks/alerts", data=body, headers=AUTHORIZED)
