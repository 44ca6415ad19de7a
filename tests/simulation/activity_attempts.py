"""Activities as Temporal runs them: attempts under a retry policy. An abandoned attempt may still run."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import ScheduleActivity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.model.errors import MapekError
from tests.simulation.workflow_run import FAILURE_CONVERTER, PAYLOAD_CONVERTER, EngineServer, WorkflowRun
from worker.temporal.interceptor import to_application_error

FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 1.0, 100.0
"""Seconds between attempts without a retry policy: the first delay and the limit."""
TIMED_OUT_MESSAGE = "activity task timed out"


class WorkerKilled(BaseException):
    """The worker of the attempt was killed: the attempt has no further effect."""


@dataclass(eq=False)
class Attempt:
    """One attempt. `is_abandoned`: the server no longer waits for it. `is_dead`: its worker was killed."""

    activity: "ScheduledActivity"
    number: int
    is_abandoned: bool = False
    is_dead: bool = False
    task: "asyncio.Task[None] | None" = None

    def schedule_timeout(self, seconds: float) -> None:
        """Let the server time the attempt out after so many seconds."""
        asyncio.get_running_loop().call_later(seconds, self.activity.time_out_attempt, self)


CURRENT_ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""The attempt that runs now; None outside of activities."""


class ScheduledActivity:
    """One activity that a workflow scheduled, until it is resolved."""

    def __init__(self, server: EngineServer, run: WorkflowRun, command: ScheduleActivity) -> None:
        self.server, self.run, self.seq = server, run, command.seq
        self.name, self.id = command.activity_type, command.activity_id
        self.payloads = list(command.arguments)
        self.policy = RetryPolicy.from_proto(command.retry_policy)
        self.timeout_seconds = command.start_to_close_timeout.ToNanoseconds() / 1e9
        self.heartbeat_seconds = command.heartbeat_timeout.ToNanoseconds() / 1e9 or None
        self.deadline = server.now + command.schedule_to_close_timeout.ToNanoseconds() / 1e9
        (request,) = PAYLOAD_CONVERTER.from_payloads(self.payloads, [dict])
        self.event_fields = {"request": request, "rollback": request.get("rollback", False)}
        self.attempt: Attempt | None = None
        self.resolved = False
        self.start_attempt()

    def start_attempt(self, number: int = 1) -> None:
        """Start an attempt."""
        if self.resolved:
            return
        attempt = self.attempt = Attempt(self, number)
        self.server.register_attempt(attempt)
        attempt.task = asyncio.get_running_loop().create_task(self.execute_attempt(attempt))
        attempt.schedule_timeout(min(self.timeout_seconds, self.deadline - self.server.now))

    async def execute_attempt(self, attempt: Attempt) -> None:
        """Run the product's activity as a worker does."""
        CURRENT_ATTEMPT.set(attempt)
        method = self.server.activities[self.name]
        hint = next(kind for name, kind in method.__annotations__.items() if name != "return")
        (argument,) = PAYLOAD_CONVERTER.from_payloads(self.payloads, [hint])
        try:
            result = await cast(Any, ActivityEnvironment().run(method, argument))
        except MapekError as error:
            self.fail_attempt(attempt, to_application_error(error))
        except (asyncio.CancelledError, WorkerKilled):
            return
        except Exception as error:
            self.server.record_event(self.run, "crash", activity=self.name, text=repr(error))
            self.fail_attempt(attempt, ApplicationError(str(error), type=type(error).__name__))
        else:
            self.complete_attempt(attempt, result)

    def complete_attempt(self, attempt: Attempt, result: Any) -> None:
        """Resolve the activity with the attempt's result, unless the server no longer waits for it."""
        if attempt.is_abandoned or attempt.is_dead or self.resolved:
            return
        job = self.make_resolution()
        job.resolve_activity.result.completed.result.CopyFrom(PAYLOAD_CONVERTER.to_payloads([result])[0] or Payload())
        self.server.record_event(
            self.run, "activity", name=self.name, attempt=attempt.number, result=to_plain(result), **self.event_fields
        )
        self.resolve(job)

    def fail_attempt(self, attempt: Attempt, error: ApplicationError) -> None:
        """Retry after the attempt's failure if the policy permits it, else fail the activity."""
        if attempt.is_abandoned or attempt.is_dead or self.resolved:
            return
        final = error.non_retryable or error.type in (self.policy.non_retryable_error_types or ())
        delay = (
            self.retry_delay(attempt.number)
            if error.next_retry_delay is None
            else error.next_retry_delay.total_seconds()
        )
        cause = Failure()
        FAILURE_CONVERTER.to_failure(error, PAYLOAD_CONVERTER, cause)
        self.retry_or_fail(attempt, cause, delay, final)

    def time_out_attempt(self, attempt: Attempt) -> None:
        """Abandon an attempt that did not answer in time."""
        if attempt.is_abandoned or self.resolved or attempt is not self.attempt:
            return
        cause = Failure(message=TIMED_OUT_MESSAGE)
        cause.timeout_failure_info.SetInParent()
        self.retry_or_fail(attempt, cause, self.retry_delay(attempt.number), is_final=False)

    def retry_or_fail(self, attempt: Attempt, cause: Failure, delay: float, is_final: bool) -> None:
        """Start the next attempt after the delay, or resolve the activity as failed."""
        attempt.is_abandoned = True
        spent = bool(self.policy.maximum_attempts) and attempt.number >= self.policy.maximum_attempts
        if not is_final and not spent and self.server.now + delay < self.deadline:
            asyncio.get_running_loop().call_later(max(delay, self.server.lag()), self.start_attempt, attempt.number + 1)
            return
        job = self.make_resolution()
        failure = job.resolve_activity.result.failed.failure
        failure.message = "Activity task failed"
        self.fill_failure(failure, cause)
        fields = {"name": self.name, "attempt": attempt.number, "text": cause.message, **self.event_fields}
        self.server.record_event(self.run, "activity_failed", **fields)
        self.resolve(job)

    def cancel(self) -> None:
        """Resolve it as cancelled immediately (TRY_CANCEL); the attempt is cancelled at its next heartbeat."""
        if self.resolved:
            return
        job = self.make_resolution()
        cause = Failure(message="cancelled")
        cause.canceled_failure_info.SetInParent()
        self.fill_failure(job.resolve_activity.result.cancelled.failure, cause)
        self.server.record_event(self.run, "activity_cancelled", name=self.name, **self.event_fields)
        self.abandon()
        self.server.add_job(self.run, job)

    def abandon(self) -> None:
        """Stop waiting for it. An attempt with heartbeats is cancelled within one second."""
        self.resolved = True
        self.run.activities.pop(self.seq, None)
        attempt = self.attempt
        if attempt and attempt.task and self.heartbeat_seconds and not attempt.is_dead:
            asyncio.get_running_loop().call_later(1.0, attempt.task.cancel)

    def retry_delay(self, number: int) -> float:
        """Return the seconds between attempt `number` and the next one."""
        first = self.policy.initial_interval.total_seconds()
        maximum = self.policy.maximum_interval.total_seconds() if self.policy.maximum_interval else MAX_DELAY_SECONDS
        return float(min(maximum, first * self.policy.backoff_coefficient ** min(number - 1, 16)))

    def make_resolution(self) -> WorkflowActivationJob:
        """Return the event that resolves this activity, without a result."""
        job = WorkflowActivationJob()
        job.resolve_activity.seq = self.seq
        return job

    def resolve(self, job: WorkflowActivationJob) -> None:
        """Send the resolution to the workflow."""
        self.resolved = True
        self.run.activities.pop(self.seq, None)
        self.server.add_job(self.run, job)

    def fill_failure(self, failure: Failure, cause: Failure) -> None:
        """Write an activity's failure around its cause."""
        failure.activity_failure_info.activity_type.name = self.name
        failure.activity_failure_info.activity_id = self.id
        failure.cause.CopyFrom(cause)


def to_plain(result: Any) -> Any:
    """Return a result as plain JSON values."""
    return result.model_dump(mode="json") if hasattr(result, "model_dump") else result
