"""Where our error family becomes what Temporal understands, and where every activity is counted and timed."""

import time
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.model.base import clipped
from activities.model.errors import MapekError, RetryableError
from worker.http.metrics import Metrics

MESSAGE_LIMIT = 400
"""Characters of an error that may enter a history."""


class MapekInterceptor(Interceptor):
    """Wraps every activity of a worker."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the wrapper."""
        return _Inbound(next, self.metrics)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, metrics: Metrics) -> None:
        super().__init__(following)
        self.metrics = metrics

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        name = activity.info().activity_type
        started = time.monotonic()
        try:
            return await super().execute_activity(input)
        except MapekError as error:
            self.metrics.activity_errors.labels(name, type(error).__name__).inc()
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
