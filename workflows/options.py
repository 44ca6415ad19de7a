"""Every time-out and retry policy, each with its reason.

All activities are bounded. Those that may run above 10 s heartbeat (time-out 5 s), so that a dead worker is noticed
within seconds and not after the whole time-out.
"""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy


class Options(TypedDict, total=False):
    """The keyword arguments of `workflow.execute_activity` that are fixed per activity."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


def seconds(value: float) -> timedelta:
    """Return a duration."""
    return timedelta(seconds=value)


HEARTBEAT_TIMEOUT = seconds(5)

# A remote that fails is a result of Monitor, and the next tick is the retry. The attempts here are for a worker that
# died: the second one still fits into the cycle's minute.
MONITOR = Options(
    start_to_close_timeout=seconds(8),
    schedule_to_close_timeout=seconds(25),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3),
)

# Range data of all components, compressed and stored.
ANALYZE = Options(
    start_to_close_timeout=seconds(10),
    schedule_to_close_timeout=seconds(25),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3),
)

# Reads and writes the store, and asks Prometheus for the error budget if there is one. A store that is down is a result
# (`blocked`).
PLAN = Options(
    start_to_close_timeout=seconds(8),
    schedule_to_close_timeout=seconds(20),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3),
)

# Observes again and validates at Charter. Nothing is changed yet, so giving up is harmless.
PREPARE = Options(
    start_to_close_timeout=seconds(30),
    schedule_to_close_timeout=seconds(120),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(10), maximum_attempts=5),
)


def apply_options(timeout: float, retries: int) -> Options:
    """Return the options of an apply: Charter's own time-out and a margin for reading back; `retries` after the first.

    A dead worker costs an attempt too, so at least two retries are kept; each attempt after the first reads back.
    """
    return Options(
        start_to_close_timeout=seconds(timeout + 30),
        schedule_to_close_timeout=seconds((timeout + 30) * (retries + 3)),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(
            initial_interval=seconds(1), maximum_interval=seconds(15), maximum_attempts=max(retries, 2) + 1
        ),
    )


def verify_options(duration: float) -> Options:
    """Return the options of a verification that takes samples for `span` seconds, its extension included.

    Bounded by time and not by attempts: a deploy in the middle starts another attempt, never an inconclusive verdict.
    """
    return Options(
        start_to_close_timeout=seconds(2 * duration + 60),
        schedule_to_close_timeout=seconds(4 * duration + 300),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(10)),
    )


# What was applied must be undone, however long Charter is away: an hour, then a person is needed.
UNDO = Options(
    start_to_close_timeout=seconds(90),
    schedule_to_close_timeout=seconds(3600),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(15)),
)

# The outcome is recorded exactly once. Until it is, the knob stays locked, which is the safe side: so for days.
RECORD = Options(
    start_to_close_timeout=seconds(10),
    schedule_to_close_timeout=timedelta(days=7),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(15)),
)

# Leftovers, quiet incidents, retention: the next run is the retry.
UPKEEP = Options(
    start_to_close_timeout=seconds(20),
    schedule_to_close_timeout=seconds(45),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=2),
)

CYCLE_EXECUTION_TIMEOUT = seconds(60)
"""A cycle that hangs would silence the schedule (overlap SKIP): it is timed out with the second tick after it."""
