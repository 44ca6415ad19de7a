"""The signal that tells a loop of alerts, and starts its intake if it does not run.

By the bare call, and not by the SDK's own `start_workflow`: for a moment, while the intake is being continued as new,
the server takes no signal, and the SDK tries again only after a second, then two more. Here it is tried again at once.
"""

import asyncio
import uuid
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
from worker.alerts.handover import Send
from worker.http.metrics import Metrics
from workflows import names
from workflows.attributes import attributes

SEND_SECONDS = 3.0
"""For one batch with all its attempts; then the sender has to come again."""
PAUSE_SECONDS = 0.025
"""Before the second attempt, and twice as long before each one after it: the intake is back within a task or two."""
LONGEST_PAUSE = 0.5
AGAIN = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE})
"""The server is busy, the intake is closing, or nobody is there: nothing was taken."""


def to_intake(client: Client, intake: LoopState, metrics: Metrics) -> Send:
    """Return what signals the intake of a loop, with start: it returns once Temporal has accepted the batch."""

    async def send(batch: AlertBatch) -> None:
        told = f"Temporal did not take {len(batch.alerts)} alerts"
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await accepted(client, await request_of(client, intake, batch))
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


async def accepted(client: Client, request: SignalWithStartWorkflowExecutionRequest) -> None:
    """Return once Temporal has accepted the request, however often it has to be sent; the caller sets the bound."""
    pause, whole = PAUSE_SECONDS, timedelta(seconds=SEND_SECONDS)
    while True:
        try:
            await client.workflow_service.signal_with_start_workflow_execution(request, timeout=whole)
            return
        except RPCError as error:
            if error.status not in AGAIN:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
