"""Every timeout and retry policy, each with its reason.

Every activity has a timeout. Activities that can run longer than 10 s send heartbeats (timeout 5 s), so that a dead
worker is noticed within seconds and not after the whole timeout.
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

# A failed remote is a result of Monitor, and the next tick is its retry. These attempts are for a dead worker: the
# second one still fits into the minute of the cycle.
MONITOR_OPTIONS = Options(
    start_to_close_timeout=seconds(8),
    schedule_to_close_timeout=seconds(25),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3),
)

# Reads range data of all components, compresses and stores it.
ANALYZE_OPTIONS = Options(
    start_to_close_timeout=seconds(10),
    schedule_to_close_timeout=seconds(25),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3),
)

# Reads and writes the store, and queries Prometheus for the error budget if one is configured. An unavailable store is
# a result (`blocked`).
PLAN_OPTIONS = Options(
    start_to_close_timeout=seconds(8),
    schedule_to_close_timeout=seconds(20),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3),
)

# Observes again and validates at Charter. Nothing is changed yet, so a final failure is harmless.
PREPARE_OPTIONS = Options(
    start_to_close_timeout=seconds(30),
    schedule_to_close_timeout=seconds(120),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(10), maximum_attempts=5),
)


def apply_options(timeout: float, retries: int) -> Options:
    """Return the options of an apply: Charter's own timeout plus a margin to read back, and `retries` retries.

    A dead worker uses up an attempt too, so there are at least two retries. Every retry first reads back.
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
    """Return the options of a verification that takes samples for `duration` seconds, its extension included.

    Bounded by time, not by attempts: a deploy meanwhile starts another attempt and causes no inconclusive verdict.
    """
    return Options(
        start_to_close_timeout=seconds(2 * duration + 60),
        schedule_to_close_timeout=seconds(4 * duration + 300),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(10)),
    )


# An applied change must be undone even if Charter is unavailable for long: after an hour, an operator is needed.
UNDO_OPTIONS = Options(
    start_to_close_timeout=seconds(90),
    schedule_to_close_timeout=seconds(3600),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(15)),
)

# The outcome is recorded exactly once. Until then the knob stays locked, which is safe, so the attempts last for days.
RECORD_OPTIONS = Options(
    start_to_close_timeout=seconds(10),
    schedule_to_close_timeout=timedelta(days=7),
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_interval=seconds(15)),
)

# The next round of upkeep is the retry.
UPKEEP_OPTIONS = Options(
    start_to_close_timeout=seconds(20),
    schedule_to_close_timeout=seconds(45),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=2),
)

CYCLE_EXECUTION_TIMEOUT = seconds(60)
"""A hanging cycle would stop the schedule (overlap SKIP), so it times out with the second tick after its start."""
