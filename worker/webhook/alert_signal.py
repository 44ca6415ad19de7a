"""The signal that delivers alerts to the intake (the workflow MapekLoop), and starts it if it is not running.

After `MAX_REQUESTS_PER_RUN` signals the intake continues as a new run. A signal that arrives in this step makes the
worker replay the whole run, and the server refuses signals for seconds. So no signal is sent for a short pause then.
Another process may still send one during the pause. Then the server refuses the signal sent here, and it is repeated
after 25 ms. `start_workflow` of the SDK would repeat it only after a second.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from activities.model import identifiers
from activities.model.alert import AlertBatch
from activities.model.errors import Unreachable
from activities.model.loop_state import LoopState
from worker.observability.metrics import Metrics
from worker.temporal.intake import intake_options
from worker.webhook.batcher import SendBatch
from workflows.loop import MAX_REQUESTS_PER_RUN

SEND_TIMEOUT_SECONDS = 3.0
"""For one batch with all attempts; after it the sender must post again."""
INITIAL_BACKOFF_SECONDS = 0.025
"""Before the second attempt, doubled before each later one. The intake is back within a workflow task or two."""
MAX_BACKOFF_SECONDS = 0.5
ROLLOVER_PAUSE_SECONDS = 0.25
"""Pause for a run that had its number of signals: a few workflow tasks."""
RETRYABLE_STATUSES = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE})
"""The server is busy or away, or the intake is closing: the signal was not accepted."""


@dataclass
class _IntakeRun:
    """The run that accepted the last signal, and how many it accepted from this process. Times are monotonic."""

    run_id: str = ""
    signal_count: int = 0
    last_signal_at: float = 0.0

    def record_signal(self, run_id: str, now: float) -> None:
        """Count a signal that the run accepted."""
        self.signal_count = self.signal_count + 1 if run_id == self.run_id else 1
        self.run_id, self.last_signal_at = run_id, now

    def rollover_delay(self, now: float) -> float:
        """Return the seconds until the run should be signalled again."""
        return (
            max(0.0, self.last_signal_at + ROLLOVER_PAUSE_SECONDS - now)
            if self.signal_count >= MAX_REQUESTS_PER_RUN
            else 0.0
        )


def alert_signal_sender(client: Client, loop_state: LoopState, metrics: Metrics) -> SendBatch:
    """Return the function that sends a batch to the intake of a loop and returns once Temporal has accepted it."""
    run = _IntakeRun()

    async def send(batch: AlertBatch) -> None:
        await asyncio.sleep(run.rollover_delay(time.monotonic()))
        failure = f"Temporal did not accept {len(batch.alerts)} alerts"
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                request = await build_request(client, loop_state, batch)
                run.record_signal(await send_until_accepted(client, request), time.monotonic())
        except RPCError as error:
            # Any status, among them the server's limit of signals for one run: the sender posts again.
            raise Unreachable(f"{failure}: {error.status.name}") from error
        except TimeoutError:
            raise Unreachable(f"{failure} within {SEND_TIMEOUT_SECONDS:g} s") from None
        metrics.alert_signals.labels(loop_state.loop).inc()

    return send


async def build_request(
    client: Client, loop_state: LoopState, batch: AlertBatch
) -> SignalWithStartWorkflowExecutionRequest:
    """Return the request. Its id makes a repeated attempt the same signal if the first was accepted."""
    encode, options = client.data_converter.encode, intake_options(loop_state.loop)
    request = SignalWithStartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=options["id"],
        workflow_type=WorkflowType(name=identifiers.WorkflowName.LOOP),
        task_queue=TaskQueue(name=options["task_queue"]),
        input=Payloads(payloads=await encode([loop_state])),
        identity=client.identity,
        request_id=str(uuid.uuid4()),
        workflow_id_conflict_policy=options["id_conflict_policy"],
        signal_name="alerts",
        signal_input=Payloads(payloads=await encode([batch])),
    )
    encode_search_attributes(options["search_attributes"], request.search_attributes)
    return request


async def send_until_accepted(client: Client, request: SignalWithStartWorkflowExecutionRequest) -> str:
    """Send the request until a run accepts it, and return the id of that run. The caller sets the timeout."""
    pause, timeout = INITIAL_BACKOFF_SECONDS, timedelta(seconds=SEND_TIMEOUT_SECONDS)
    while True:
        try:
            return (await client.workflow_service.signal_with_start_workflow_execution(request, timeout=timeout)).run_id
        except RPCError as error:
            if error.status not in RETRYABLE_STATUSES:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_BACKOFF_SECONDS)
