"""The signal that tells a loop of alerts, and starts its intake if it does not run.

A run of the intake continues as new after so many signals, and one more that comes in at that very moment spoils it:
the worker has to replay the whole run, a second or several, and the server takes no signal meanwhile. So a run that has
had its number is left alone for a moment. Where that does not help, because others signal too, the request is repeated
here at once: the SDK's own `start_workflow` would try again only after a second, then two more.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from activities.model.alert import AlertBatch
from activities.model.errors import Unreachable
from activities.model.intake import LoopState
from worker.observability.metrics import Metrics
from worker.webhook.batcher import SendBatch
from workflows import names
from workflows.loop import MAX_REQUESTS_PER_RUN
from workflows.search_attributes import build_search_attributes

SEND_TIMEOUT_SECONDS = 3.0
"""For one batch with all its attempts; then the sender has to come again."""
INITIAL_BACKOFF_SECONDS = 0.025
"""Before the second attempt, and twice as long before each one after it: the intake is back within a task or two."""
MAX_BACKOFF_SECONDS = 0.5
ROLLOVER_PAUSE_SECONDS = 0.25
"""How long a run that has had its signals is left alone: a few workflow tasks."""
RETRYABLE_STATUSES = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE})
"""The server is busy, the intake is closing, or nobody is there: nothing was taken."""


@dataclass
class _IntakeRun:
    """The run of the intake that took the last signal, and how many it took from this process; `at` is monotonic."""

    run_id: str = ""
    signal_count: int = 0
    last_signal_at: float = 0.0

    def record_signal(self, run_id: str, now: float) -> None:
        """Count a signal that this run took."""
        self.signal_count = self.signal_count + 1 if run_id == self.run_id else 1
        self.run_id, self.last_signal_at = run_id, now

    def rollover_delay(self, now: float) -> float:
        """Return for how many seconds the run should not be signalled."""
        return (
            max(0.0, self.last_signal_at + ROLLOVER_PAUSE_SECONDS - now)
            if self.signal_count >= MAX_REQUESTS_PER_RUN
            else 0.0
        )


def intake_sender(client: Client, intake: LoopState, metrics: Metrics) -> SendBatch:
    """Return what signals the intake of a loop, with start: it returns once Temporal has accepted the batch."""

    present = _IntakeRun()

    async def send(batch: AlertBatch) -> None:
        await asyncio.sleep(present.rollover_delay(time.monotonic()))
        told = f"Temporal did not take {len(batch.alerts)} alerts"
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                present.record_signal(
                    await send_until_accepted(client, await build_request(client, intake, batch)), time.monotonic()
                )
        except RPCError as error:
            # Whatever it is, among it the engine's limit of signals to one run: the sender comes again.
            raise Unreachable(f"{told}: {error.status.name}") from error
        except TimeoutError:
            raise Unreachable(f"{told} in {SEND_TIMEOUT_SECONDS:g} s") from None
        metrics.alert_signals.labels(intake.loop).inc()

    return send


async def build_request(
    client: Client, intake: LoopState, batch: AlertBatch
) -> SignalWithStartWorkflowExecutionRequest:
    """Return the request. Its id makes a second attempt at it the same signal, should the first have been taken."""
    convert = client.data_converter.encode
    request = SignalWithStartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=names.loop_workflow_id(intake.loop),
        workflow_type=WorkflowType(name="MapekLoop"),
        task_queue=TaskQueue(name=names.TASK_QUEUE),
        input=Payloads(payloads=await convert([intake])),
        identity=client.identity,
        request_id=str(uuid.uuid4()),
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        signal_name="alerts",
        signal_input=Payloads(payloads=await convert([batch])),
    )
    encode_search_attributes(build_search_attributes({names.LOOP: intake.loop}), request.search_attributes)
    return request


async def send_until_accepted(client: Client, request: SignalWithStartWorkflowExecutionRequest) -> str:
    """Return the run that took it, once one has, however often it has to be sent; the caller sets the bound."""
    pause, whole = INITIAL_BACKOFF_SECONDS, timedelta(seconds=SEND_TIMEOUT_SECONDS)
    while True:
        try:
            return (await client.workflow_service.signal_with_start_workflow_execution(request, timeout=whole)).run_id
        except RPCError as error:
            if error.status not in RETRYABLE_STATUSES:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_BACKOFF_SECONDS)
