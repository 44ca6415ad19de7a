"""Delivery of a batch to the intake when the server does not accept it immediately."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from activities.model.alert import Alert, AlertBatch
from activities.model.errors import Unreachable
from activities.model.loop_state import LoopState
from worker.observability.metrics import Metrics
from worker.webhook import alert_signal
from worker.webhook.alert_signal import alert_signal_sender

ALERT_BATCH = AlertBatch(alerts=(Alert(fingerprint="f", firing=True, starts_at=1.0, name="A"),))


class FakeTemporalServer:
    """A server that answers with these statuses in turn, and then always with the last; None accepts the batch."""

    def __init__(self, *answers: RPCStatusCode | None) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.run_id = "first run"
        self.metrics = Metrics(CollectorRegistry())
        service = SimpleNamespace(signal_with_start_workflow_execution=self.handle_call)
        client: Any = SimpleNamespace(
            namespace="default", identity="w", data_converter=pydantic_data_converter, workflow_service=service
        )
        self.send = alert_signal_sender(client, LoopState(loop="first"), self.metrics)

    async def handle_call(self, request: Any, **_: Any) -> Any:
        self.requests.append(request.request_id)
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status is not None:
            raise RPCError("busy", status, b"")
        return SimpleNamespace(run_id=self.run_id)

    @property
    def send_count(self) -> float | None:
        return self.metrics.registry.get_sample_value("mapek_alert_signals_total", {"loop": "first"})


async def test_a_closing_intake_is_signalled_again() -> None:
    """While the intake continues as new, the same request is repeated within 0.1 s, and counted once."""
    server = FakeTemporalServer(RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE, None)
    await server.send(ALERT_BATCH)
    assert (len(server.requests), len(set(server.requests)), server.send_count) == (3, 1, 1)
    await server.send(ALERT_BATCH)
    assert len(set(server.requests)) == 2


async def test_a_full_run_gets_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with its maximum of signals gets a pause to continue as new; the next run gets the next signal."""
    monkeypatch.setattr(alert_signal, "MAX_REQUESTS_PER_RUN", 3)
    server, clock = FakeTemporalServer(None), asyncio.get_running_loop().time
    start = clock()
    for _ in range(3):
        await server.send(ALERT_BATCH)
    assert clock() - start < alert_signal.ROLLOVER_PAUSE_SECONDS
    server.run_id, start = "second run", clock()
    await server.send(ALERT_BATCH)
    assert clock() - start > 0.8 * alert_signal.ROLLOVER_PAUSE_SECONDS
    start = clock()
    await server.send(ALERT_BATCH)
    assert clock() - start < alert_signal.ROLLOVER_PAUSE_SECONDS / 2


@pytest.mark.parametrize("status", [RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED])
async def test_a_final_error_is_not_retried(status: RPCStatusCode) -> None:
    """An error that a retry cannot fix is raised after the first attempt."""
    server = FakeTemporalServer(status)
    with pytest.raises(Unreachable, match=f"did not accept 1 alerts: {status.name}"):
        await server.send(ALERT_BATCH)
    assert (len(server.requests), server.send_count) == (1, None)


async def test_retries_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries against an unreachable server end after the timeout."""
    monkeypatch.setattr(alert_signal, "SEND_TIMEOUT_SECONDS", 0.2)
    server = FakeTemporalServer(RPCStatusCode.UNAVAILABLE)
    with pytest.raises(Unreachable, match=r"within 0\.2 s"):
        await server.send(ALERT_BATCH)
    assert len(server.requests) > 1
