"""Where our error family becomes what Temporal understands, and where every activity is counted and timed."""

import time
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.model.errors import Blocked, MapekError, RetryableError
from activities.model.types import clipped
from worker.observability.activity_metrics import LastRun, count
from worker.observability.metrics import Metrics

MESSAGE_LIMIT = 400
"""Characters of an error that may enter a history."""


class MapekInterceptor(Interceptor):
    """Wraps every activity of a worker."""

    def __init__(self, metrics: Metrics, last_run: LastRun) -> None:
        self.metrics = metrics
        self.last_run = last_run

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the wrapper."""
        return _Inbound(next, self)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, outer: MapekInterceptor) -> None:
        super().__init__(following)
        self.metrics, self.last_run = outer.metrics, outer.last_run

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        name, started = info.activity_type, time.monotonic()
        try:
            result = await super().execute_activity(input)
            self.last_run.note(name)
            count(self.metrics, info.workflow_id or "", input.args, result)
            return result
        except MapekError as error:
            self.metrics.activity_errors.labels(name, type(error).__name__).inc()
            if isinstance(error, Blocked):
                self.metrics.blocked.labels(error.loop, error.rule).inc()
            activity.logger.warning("%s: %s", type(error).__name__, clipped(str(error), MESSAGE_LIMIT))
            raise as_application_error(error) from None
        finally:
            self.metrics.activity_seconds.labels(name).observe(time.monotonic() - started)


def as_application_error(error: MapekError) -> ApplicationError:
    """Return the error as Temporal takes it: its class name as type, retried only if a retry can help.

    The cause is left behind on purpose: its text was not written to be read in a history.
    """
    delay = error.retry_after if isinstance(error, RetryableError) else None
    return ApplicationError(
        clipped(str(error), MESSAGE_LIMIT),
        type=type(error).__name__,
        non_retryable=not isinstance(error, RetryableError),
        next_retry_delay=None if delay is None else timedelta(seconds=delay),
    )
