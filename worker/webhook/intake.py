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
from worker.webhook.batcher import Send
from workflows import names
from workflows.loop import ASKED_PER_RUN
from workflows.search_attributes import attributes

SEND_SECONDS = 3.0
"""For one batch with all its attempts; then the sender has to come again."""
PAUSE_SECONDS = 0.025
"""Before the second attempt, and twice as long before each one after it: the intake is back within a task or two."""
LONGEST_PAUSE = 0.5
ALONE_SECONDS = 0.25
"""How long a run that has had its signals is left alone: a few workflow tasks."""
AGAIN = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE})
"""The server is busy, the intake is closing, or nobody is there: nothing was taken."""


@dataclass
class _Run:
    """The run of the intake that took the last signal, and how many it took from this process; `at` is monotonic."""

    run_id: str = ""
    signals: int = 0
    at: float = 0.0

    def note(self, run_id: str, now: float) -> None:
        """Count a signal that this run took."""
        self.signals = self.signals + 1 if run_id == self.run_id else 1
        self.run_id, self.at = run_id, now

    def rest(self, now: float) -> float:
        """Return for how many seconds the run should not be signalled."""
        return max(0.0, self.at + ALONE_SECONDS - now) if self.signals >= ASKED_PER_RUN else 0.0


def to_intake(client: Client, intake: LoopState, metrics: Metrics) -> Send:
    """Return what signals the intake of a loop, with start: it returns once Temporal has accepted the batch."""

    present = _Run()

    async def send(batch: AlertBatch) -> None:
        await asyncio.sleep(present.rest(time.monotonic()))
        told = f"Temporal did not take {len(batch.alerts)} alerts"
        try:
            async with asyncio.timeout(SEND_SECONDS):
                present.note(await accepted(client, await request_of(client, intake, batch)), time.monotonic())
        except RPCError as error:
            # Whatever it is, among it the engine's limit of signals to one run: the sender comes again.
            raise Unreachable(f"{told}: {error.status.name}") from error
        except TimeoutError:
            raise Unreachable(f"{told} in {SEND_SECONDS:g} s") from None
        metrics.alert_signals.labels(intake.loop).inc()

    return send


async def request_of(client: Client, intake: LoopState, batch: AlertBatch) -> SignalWithStartWorkflowExecutionRequest:
    """Return the request. Its id makes a second attempt at it the same signal, should the first have been taken."""
    convert = client.data_converter.encode
    request = SignalWithStartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=names.intake_id(intake.loop),
        workflow_type=WorkflowType(name="MapekLoop"),
        task_queue=TaskQueue(name=names.QUEUE),
        input=Payloads(payloads=await convert([intake])),
        identity=client.identity,
        request_id=str(uuid.uuid4()),
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        signal_name="alerts",
        signal_input=Payloads(payloads=await convert([batch])),
    )
    encode_search_attributes(attributes({names.LOOP: intake.loop}), request.search_attributes)
    return request


async def accepted(client: Client, request: SignalWithStartWorkflowExecutionRequest) -> str:
    """Return the run that took it, once one has, however often it has to be sent; the caller sets the bound."""
    pause, whole = PAUSE_SECONDS, timedelta(seconds=SEND_SECONDS)
    while True:
        try:
            return (await client.workflow_service.signal_with_start_workflow_execution(request, timeout=whole)).run_id
        except RPCError as error:
            if error.status not in AGAIN:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
