"""Count the results of activities. Workflows count nothing, because replay would count again."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

from temporalio.client import Client
from temporalio.service import RPCError

from activities.model import identifiers
from activities.model.cycle import DecisionSummary, DiagnosisSummary, Trigger
from activities.model.observation import Observation
from activities.model.remediation import PrepareResult, RecordResult, UndoResult
from worker.observability.metrics import Metrics
from worker.temporal.attribute_registration import RPC_TIMEOUT

log = logging.getLogger("mapek.worker")

SCHEDULE_POLL_SECONDS = 15.0
"""Seconds between two reads of the schedules' counters; Temporal has no metric for skipped cycles."""


def record_result(metrics: Metrics, workflow_id: str, arguments: Sequence[object], result: object) -> None:
    """Count the result of one activity. The activity that ends a cycle counts it; `busy` counts as planned."""
    match result:
        case RecordResult():
            metrics.remediations.labels(result.loop, result.outcome).inc()
        case PrepareResult(blocked_by=str(rule)) if rule:
            metrics.blocked.labels(result.loop, rule).inc()
        case UndoResult():
            rollback = "failed" if result.failed else "done" if result.changed else "nothing"
            metrics.rollbacks.labels(result.loop, rollback).inc()
        case Observation() | DiagnosisSummary() | DecisionSummary():
            loop = str(getattr(arguments[0], "loop", ""))
            record_cycle_step(metrics, loop, parse_trigger(loop, workflow_id), result)
        case _:
            pass


def record_cycle_step(
    metrics: Metrics, loop: str, trigger: str, result: Observation | DiagnosisSummary | DecisionSummary
) -> None:
    """Count one step of a cycle, and the cycle if this step ends it."""
    if isinstance(result, Observation):
        metrics.violations.labels(loop).set(result.violation_count)
        metrics.blind_spots.labels(loop).set(result.blind_count)
        metrics.last_cycle.labels(loop).set(result.at)
        if result.alerts is not None:
            metrics.alerts_active.labels(loop).set(result.alerts)
    if isinstance(result, DecisionSummary):
        for rule in result.blocked_by:
            metrics.blocked.labels(loop, rule).inc()
    if result.outcome:
        metrics.cycles.labels(loop, trigger, result.outcome).inc()


def parse_trigger(loop: str, workflow_id: str) -> str:
    """Return what started the cycle with this id: schedule, alert or manual."""
    request = workflow_id.removeprefix(f"{identifiers.cycle_prefix(loop)}:")
    return Trigger.SCHEDULE if request == workflow_id else request.split("-", 1)[0]


async def poll_schedules(client: Client, loops: Iterable[str], metrics: Metrics) -> None:
    """Keep the counters of skipped and missed cycles up to date, for ever."""
    loops = tuple(loops)
    while True:
        for loop in loops:
            try:
                info = (
                    await client.get_schedule_handle(identifiers.schedule_id(loop)).describe(rpc_timeout=RPC_TIMEOUT)
                ).info
            except RPCError as error:
                log.warning("cannot describe the schedule of loop %s: %s", loop, error.status.name)
                continue
            metrics.schedule_skipped.labels(loop).mirror(info.num_actions_skipped_overlap)
            metrics.schedule_missed.labels(loop).mirror(info.num_actions_missed_catchup_window)
        await asyncio.sleep(SCHEDULE_POLL_SECONDS)


class LastRun:
    """When each kind of activity last succeeded in this process."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Record that an activity of this kind has just succeeded."""
        self._at[name] = time.monotonic()

    def describe(self, name: str) -> str:
        """Return one line for operators."""
        if name not in self._at:
            return "has not run yet"
        return f"last success {time.monotonic() - self._at[name]:.0f} s ago"
