"""The signal that tells a loop of alerts, and starts its intake if it does not run."""

import asyncio
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from activities.model.alert import AlertBatch
from activities.model.errors import Unreachable
from activities.model.intake import LoopState
from worker.alerts.handover import Send
from worker.http.metrics import Metrics
from workflows import names
from workflows.attributes import attributes

SEND_SECONDS = 4.0
"""The SDK tries again by itself, as when the intake is just being continued as new; then the sender has to."""


def to_intake(client: Client, intake: LoopState, metrics: Metrics) -> Send:
    """Return what signals the intake of a loop, with start: it returns once Temporal has accepted the batch."""

    async def send(batch: AlertBatch) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await client.start_workflow(
                    "MapekLoop",
                    intake,
                    id=names.intake_id(intake.loop),
                    task_queue=names.QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal="alerts",
                    start_signal_args=[batch],
                    search_attributes=attributes({names.LOOP: intake.loop}),
                    rpc_timeout=timedelta(seconds=SEND_SECONDS),
                )
        except RPCError as error:
            # Whatever it is, among it the engine's limit of signals to one run: the sender comes again.
            raise Unreachable(f"Temporal did not take {len(batch.alerts)} alerts: {error.status.name}") from error
        except TimeoutError:
            raise Unreachable(f"Temporal did not take {len(batch.alerts)} alerts in {SEND_SECONDS:g} s") from None
        metrics.alert_signals.labels(intake.loop).inc()

    return send
