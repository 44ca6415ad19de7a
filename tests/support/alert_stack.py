"""The embedded stack for alert tests and load tests: Alertmanager, the webhook and the intake."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from activities.model import identifiers
from activities.model.alert_state import AlertState
from activities.model.cycle import CycleResult
from activities.model.loop_state import ManualCycleRequest
from deploy.devstack.stack import RunningStack, StackOptions, running_stack
from tests.support.alert_payloads import make_payload
from tests.support.stack import StackHarness, connect_harness
from tests.support.waiting import wait_until
from workflows import search_attributes

LOOP_NAME = "charter"
SHORT_SETTINGS: dict[str, Any] = {
    "plan": {"settle_seconds": 0, "cool_down": {"after_success": 5, "rolled_back": 5}},
    "execute": {"timeout_seconds": 3},
    "alertmanager": {"debounce_seconds": 1},
    "knowledge": {"autonomy": {"overrides": [{"level": "auto"}]}},
}
"""Short timings, and a fixed level of trust: harm in one test must not make the next one wait for approval."""


@dataclass
class AlertStack:
    """A running stack. `http` is a client without the token of the webhook."""

    harness: StackHarness
    http: httpx.AsyncClient

    @property
    def stack(self) -> RunningStack:
        """The processes of the stack."""
        return self.harness.stack

    @property
    def webhook_token(self) -> str:
        """The token of the webhook."""
        return self.read_secret("api.webhook_token_file")

    def read_secret(self, setting: str) -> str:
        """Return the secret in the file of a setting."""
        return Path(self.stack.layout.get_setting(setting)).read_text().strip()

    @property
    def loop_handle(self) -> WorkflowHandle[Any, Any]:
        """The intake of the loop."""
        return self.harness.client.get_workflow_handle(identifiers.loop_workflow_id(LOOP_NAME))

    async def post_alerts(self, *alerts: dict[str, Any], **changes: Any) -> httpx.Response:
        """Post alerts to the webhook as Alertmanager would."""
        url = f"{self.stack.addresses.mapek}/webhooks/alerts"
        return await self.http.post(
            url, json=make_payload(*alerts, **changes), headers={"Authorization": f"Bearer {self.webhook_token}"}
        )

    async def run_cycle_until(self, *outcomes: str, timeout_seconds: float = 45.0) -> CycleResult:
        """Request cycles until one has one of these outcomes, and return its result."""

        async def request_cycle() -> CycleResult | None:
            cycle = await self.loop_handle.execute_update(
                "request_cycle", ManualCycleRequest(reason="requested by a test"), result_type=str
            )
            handle = self.harness.client.get_workflow_handle(cycle, result_type=CycleResult)
            result = await handle.result()
            return result if result.outcome in outcomes else None

        return await wait_until(
            f"a cycle that is {' or '.join(outcomes)}", request_cycle, timeout_seconds, interval=1.0
        )

    async def wait_for_alert_cycle(self, since: float, timeout_seconds: float = 20.0) -> CycleResult:
        """Return the result of the first cycle that an alert started since then."""
        cycles = await wait_until("a cycle for an alert", lambda: self.list_alert_cycles(since), timeout_seconds)
        result: CycleResult = await self.harness.client.get_workflow_handle(cycles[0], result_type=CycleResult).result()
        return result

    async def restore_healthy(self) -> None:
        """Clear all faults and wait until no remediation runs."""
        await self.harness.clear_faults()

        async def is_idle() -> bool:
            return not await self.harness.list_remediations(status="Running")

        await wait_until("all remediations ended", is_idle, 60)
        await self.harness.store.guards.close_quiet(LOOP_NAME, time.time())

    async def fire_alerts(self, labels: Sequence[dict[str, str]], seconds: float = 600) -> None:
        """Post alerts to Alertmanager like Prometheus, with a start: without one, the end would be their start."""
        starts, ends = (format_time(at) for at in (time.time(), time.time() + seconds))
        alerts = [{"labels": values, "startsAt": starts, "endsAt": ends} for values in labels]
        (await self.http.post(f"{self.stack.addresses.alertmanager}/api/v2/alerts", json=alerts)).raise_for_status()

    async def create_silence(self, components: str) -> str:
        """Silence the components that match a pattern at Alertmanager, and return the id of the silence."""
        begins, ends = (format_time(at) for at in (time.time(), time.time() + 600))
        matcher = {"name": "node_or_service", "value": components, "isRegex": True, "isEqual": True}
        times = {"startsAt": begins, "endsAt": ends, "createdBy": "test", "comment": "maintenance"}
        url = f"{self.stack.addresses.alertmanager}/api/v2/silences"
        response = await self.http.post(url, json={"matchers": [matcher]} | times)
        return str(response.raise_for_status().json()["silenceID"])

    async def end_silence(self, silence_id: str) -> None:
        """End a silence."""
        (await self.http.delete(f"{self.stack.addresses.alertmanager}/api/v2/silence/{silence_id}")).raise_for_status()

    async def query_alert_state(self) -> AlertState:
        """Return the alert state of the intake; an empty one while the intake does not answer."""
        try:
            return AlertState.model_validate(await self.loop_handle.query("known_alerts"))
        except RPCError:
            return AlertState()

    async def query_alert_counts(self) -> AlertState:
        """Return the alert state without its list of alerts, which is a cheap query."""
        try:
            return AlertState.model_validate((await self.loop_handle.query("status"))["alerts"])
        except RPCError:
            return AlertState()

    async def wait_until_processed(self, received: int, timeout_seconds: float) -> AlertState:
        """Return the alert state once this number of alerts was received and none is pending."""

        async def is_processed() -> bool:
            counts = await self.query_alert_counts()
            return counts.received - counts.duplicates >= received and not counts.pending

        await wait_until(
            f"{received} alerts received, and a cycle after them", is_processed, timeout_seconds, interval=0.25
        )
        return await self.query_alert_state()

    async def sum_metric(self, name: str, service: str = "mapek", **labels: str) -> float:
        """Return the sum of a metric over all series with these labels; 0 if there is none."""
        text = (await self.http.get(f"{getattr(self.stack.addresses, service)}/metrics")).text
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(
            sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def list_alert_cycles(self, since: float) -> list[str]:
        """Return the ids of the cycles that alerts started since then."""
        query = f'WorkflowType="MapekCycle" AND {search_attributes.TRIGGER.name}="alert"'
        return [run.id for run in await self.harness.list_workflows(query, since)]


@asynccontextmanager
async def running_alert_stack(state: Path, **settings: Any) -> AsyncIterator[AlertStack]:
    """Yield a stack with short timings; `settings` are sections that override them."""
    options = StackOptions(state_dir=state, profile="demo", settings=SHORT_SETTINGS | settings, report=lambda _: None)
    async with (
        running_stack(options) as stack,
        connect_harness(stack) as harness,
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        yield AlertStack(harness, http)


def format_time(at: float) -> str:
    """Return a time in the format of Alertmanager."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
