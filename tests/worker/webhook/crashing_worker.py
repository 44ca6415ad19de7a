"""A worker that kills itself with SIGKILL while it receives an alert.

`python -m tests.worker.webhook.crashing_worker POINT`
"""

import os
import signal
import sys

from starlette.requests import Request
from starlette.responses import Response
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest
from temporalio.client import Client

from worker.cli.main import run
from worker.webhook import alert_signal
from worker.webhook.handler import AlertWebhook

CRASH_POINTS = ("before the signal", "after the signal", "before the answer")
"""Read and not sent; accepted by Temporal, which the service does not know yet; known and not answered."""


def kill_process() -> None:
    """End the process like a power failure."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm_crash(point: str) -> None:
    """Make this process die at the crash point of the first alert."""
    send, post = alert_signal.send_until_accepted, AlertWebhook.handle_post

    async def dying_send(client: Client, request: SignalWithStartWorkflowExecutionRequest) -> str:
        if point == "before the signal":
            kill_process()
        run = await send(client, request)
        if point == "after the signal":
            kill_process()
        return run

    async def dying_post(self: AlertWebhook, request: Request) -> Response:
        answer = await post(self, request)
        if point == "before the answer":
            kill_process()
        return answer

    alert_signal.send_until_accepted = dying_send
    AlertWebhook.handle_post = dying_post  # type: ignore[method-assign]  # in this process only


if __name__ == "__main__":
    assert sys.argv[1] in CRASH_POINTS
    arm_crash(sys.argv[1])
    sys.exit(run(["worker"]))
