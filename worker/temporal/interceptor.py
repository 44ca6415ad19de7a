"""Conversion of errors to Temporal failures, and metrics of every activity."""

import time
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.model.errors import Blocked, MapekError, RetryableError
from activities.model.types import truncate
from worker.observability.activity_metrics import LastRun, record_result
from worker.observability.metrics import Metrics

MAX_MESSAGE_CHARS = 400
"""Maximum characters of an error message in a history."""


class MapekInterceptor(Interceptor):
    """The interceptor of all activities of a worker."""

    def __init__(self, metrics: Metrics, last_run: LastRun) -> None:
        self.metrics = metrics
        self.last_run = last_run

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the interceptor of one activity."""
        return _ActivityInbound(next, self)


class _ActivityInbound(ActivityInboundInterceptor):
    def __init__(self, next_interceptor: ActivityInboundInterceptor, owner: MapekInterceptor) -> None:
        super().__init__(next_interceptor)
        self.metrics, self.last_run = owner.metrics, owner.last_run

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        name, started = info.activity_type, time.monotonic()
        try:
            result = await super().execute_activity(input)
            self.last_run.mark(name)
            record_result(self.metrics, info.workflow_id or "", input.args, result)
            return result
        except MapekError as error:
            self.metrics.activity_errors.labels(name, type(error).__name__).inc()
            if isinstance(error, Blocked):
                self.metrics.blocked.labels(error.loop, error.rule).inc()
            activity.logger.warning("%s: %s", type(error).__name__, truncate(str(error), MAX_MESSAGE_CHARS))
            raise to_application_error(error) from None
        finally:
            self.metrics.activity_duration.labels(name).observe(time.monotonic() - started)


def to_application_error(error: MapekError) -> ApplicationError:
    """Return the error for Temporal: its type is the class name, and only a RetryableError is retried.

    The cause is dropped, since its text may contain what must not enter a history.
    """
    delay = error.retry_after if isinstance(error, RetryableError) else None
    return ApplicationError(
        truncate(str(error), MAX_MESSAGE_CHARS),
        type=type(error).__name__,
        non_retryable=not isinstance(error, RetryableError),
        next_retry_delay=None if delay is None else timedelta(seconds=delay),
    )
