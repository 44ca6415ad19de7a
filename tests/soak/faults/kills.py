"""Kills and freezes: workers at every failpoint and in every wait, the server, and both, with many in flight."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from tests.soak.faults.coverage import FREQUENT_STEPS, WAITING_STEPS, list_points
from tests.soak.faults.failpoints import KILL
from tests.soak.harness.fleet import Fleet, skewed_clock_environment, wait_until_serving
from tests.soak.harness.in_flight import distinct_steps, list_in_flight

MIN_IN_FLIGHT = 4
"""Remediations in flight, in as many different steps, that a kill waits for."""
WORKER_LIFE_SECONDS = 6.0
"""Minimum seconds of a worker's life, so that remediations progress between two kills."""
GATHER_TIMEOUT_SECONDS = 40.0
"""Seconds for which a kill waits for them."""
POINT_TIMEOUT_SECONDS = 12.0
"""Seconds for which a kill waits for an armed point before it arms others."""
FREEZE_SECONDS = 8.0
"""Seconds of a freeze: longer than the heartbeat time-out of 5."""
SECOND_CRASH_STEPS = ("undo-1", "verify-undo", "record")
"""Steps of the second crash, if the first one was in a compensation."""


@dataclass(frozen=True)
class KillRecord:
    """One kill: the target, the point, and the remediations in flight with their steps."""

    target: str
    point: str
    in_flight: int
    steps: tuple[str, ...]

    @property
    def is_busy_enough(self) -> bool:
        """Whether enough was in flight, in enough different steps."""
        return self.in_flight >= MIN_IN_FLIGHT and len(self.steps) >= MIN_IN_FLIGHT


@dataclass
class KillScheduler:
    """The kills of one soak.

    `targets` are killed in random order, each as often as it is named, and then again from the start. A kill waits
    until `min_in_flight` remediations are in flight, in as many steps, for at most `gather_timeout_seconds`.
    `open_points` are the points without a kill; `wait_counts` are the kills by waiting step.
    """

    fleet: Fleet
    random: Random
    counts: Counter[str]
    report_line: Callable[[str], None]
    targets: Sequence[str]
    min_in_flight: int = MIN_IN_FLIGHT
    gather_timeout_seconds: float = GATHER_TIMEOUT_SECONDS
    records: list[KillRecord] = field(default_factory=list)
    open_points: list[str] = field(default_factory=list_points)
    wait_counts: Counter[str] = field(default_factory=Counter)
    next_targets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random.shuffle(self.open_points)

    async def kill_next(self) -> None:
        """Kill the next target."""
        self.next_targets = self.next_targets or self.random.sample(self.targets, len(self.targets))
        await getattr(self, self.next_targets.pop())()

    async def kill_worker(self) -> None:
        """Kill the worker at an open point, or in a wait, and start another one."""
        rare = [point for point in self.open_points if point.partition(".")[0] not in FREQUENT_STEPS]
        # Rare points are armed during the whole wait.
        point = await self.wait_for_strike(rare, self.wait_until_busy())
        if not point:
            point = await self.kill_at_point(rare)
        if not point:
            point = await self.kill_in_wait()
        await self.record_kill("worker", point)
        await self.ensure_worker()
        if point.startswith(("undo", "verify-undo")):
            await self.kill_during_rollback()

    async def kill_at_point(self, rare_points: list[str]) -> str:
        """Arm open points and return the one that struck; empty if none did."""
        frequent = [point for point in self.open_points if point.partition(".")[0] in FREQUENT_STEPS]
        if point := await self.wait_for_strike(rare_points, asyncio.sleep(POINT_TIMEOUT_SECONDS / 2)):
            return point
        return await self.wait_for_strike(
            [*rare_points, *(frequent or self.pick_repeat_points())], asyncio.sleep(POINT_TIMEOUT_SECONDS)
        )

    def pick_repeat_points(self) -> list[str]:
        """Return ten points that have struck already."""
        return self.random.sample([point for point in list_points() if point not in self.open_points], 10)

    async def ensure_worker(self) -> None:
        """Start a worker if none runs."""
        if "first" not in self.fleet.live_workers:
            await self.fleet.start_worker()

    async def wait_for_strike(self, points: list[str], work: Awaitable[None]) -> str:
        """Arm points until the work is done or a point strikes. Return the point that struck, empty if none did."""
        await self.ensure_worker()
        child, before = self.fleet.workers["first"].child, len(self.fleet.failpoints.list_fired(KILL))
        for point in points:
            self.fleet.failpoints.arm(point)
        work_task = asyncio.ensure_future(work)
        exit_task = asyncio.create_task(child.wait())
        await asyncio.wait({work_task, exit_task}, return_when=asyncio.FIRST_COMPLETED)
        for point in points:
            self.fleet.failpoints.disarm(point)
        for task in (work_task, exit_task):
            task.cancel()
        await asyncio.gather(work_task, exit_task, return_exceptions=True)
        struck = [point for point in self.fleet.failpoints.list_fired(KILL)[before:] if point in points]
        self.open_points[:] = [point for point in self.open_points if point not in struck]
        if struck:
            await child.wait()
            self.fleet.mark_down()
            return struck[0]
        # Not a kill: a worker refuses to start while a required server does not answer.
        await self.ensure_worker()
        if work_task.done() and not work_task.cancelled():
            work_task.result()
        return ""

    async def kill_in_wait(self) -> str:
        """Kill the worker in the waiting step with the fewest kills so far."""
        remediations = await list_in_flight(self.fleet.client)
        steps = [run.step for run in remediations if run.step in WAITING_STEPS] or ["idle"]
        step = min(steps, key=lambda name: self.wait_counts[name])
        await self.fleet.kill_worker()
        self.wait_counts[step] += 1
        return step

    async def kill_during_rollback(self) -> None:
        """Kill the next worker too, once it continues the compensation."""
        points = [point for point in list_points() if point.partition(".")[0] in SECOND_CRASH_STEPS]
        point = await self.wait_for_strike(self.random.sample(points, 8), asyncio.sleep(POINT_TIMEOUT_SECONDS))
        if point:
            await self.record_kill("worker, second crash", point)
            await self.ensure_worker()

    async def kill_server(self) -> None:
        """Kill the Temporal server and start it again with its file."""
        await self.wait_until_busy()
        await self.record_kill("server", "")
        await self.fleet.kill_server()
        await self.fleet.start_server()

    async def kill_server_and_worker(self) -> None:
        """Kill the server and, while it is down, the worker; start both again."""
        await self.wait_until_busy()
        await self.record_kill("server", "with the worker")
        await self.record_kill("worker", "without a server")
        await self.fleet.kill_server()
        await self.fleet.kill_worker()
        await self.fleet.start_server()
        await self.fleet.start_worker()

    async def freeze_worker(self) -> None:
        """Freeze the worker beyond its heartbeat time-out, start a second one, and unfreeze the first."""
        await self.wait_until_busy()
        self.fleet.freeze()
        self.counts["worker frozen"] += 1
        await self.fleet.start_worker("second")
        await asyncio.sleep(FREEZE_SECONDS)
        self.fleet.unfreeze()
        # Both serve the same queues for a while.
        await asyncio.sleep(FREEZE_SECONDS / 2)
        self.counts["two workers on one queue"] += 1
        await self.fleet.kill_worker("second")
        await self.record_kill("worker", "of two")

    async def step_clock(self) -> None:
        """Step the worker's clock by an hour while remediations are in flight, and back after a while."""
        environment, file = await skewed_clock_environment(self.fleet)
        await self.wait_until_busy()
        await self.record_kill("worker", "before a step of its clock")
        await self.fleet.kill_worker()
        await self.fleet.start_worker("first", **environment)
        await self.wait_until_busy()
        hour = self.random.choice(("+3600", "-3600"))
        file.write_text(hour)
        self.counts[f"clock stepped {hour[0]}1 h"] += 1
        await asyncio.sleep(FREEZE_SECONDS)
        file.write_text("+0")
        # Reading this clock is expensive: the next worker uses the real clock.
        await self.record_kill("worker", "after a step of its clock")
        await self.fleet.kill_worker()
        await self.fleet.start_worker()

    async def wait_until_busy(self) -> None:
        """Wait until the worker serves, the next one is loaded and enough is in flight, with a time limit."""
        await self.ensure_worker()
        await wait_until_serving(self.fleet)
        await asyncio.sleep(WORKER_LIFE_SECONDS)
        await self.fleet.preload_worker()
        until = time.monotonic() + self.gather_timeout_seconds
        while time.monotonic() < until:
            remediations = await list_in_flight(self.fleet.client)
            if len(remediations) >= self.min_in_flight and len(distinct_steps(remediations)) >= self.min_in_flight:
                return
            await asyncio.sleep(0.3)

    async def record_kill(self, target: str, point: str) -> None:
        """Record the target and the remediations in flight, which do not progress without a worker."""
        remediations = await list_in_flight(self.fleet.client)
        steps = tuple(sorted(distinct_steps(remediations)))
        self.records.append(KillRecord(target, point, len(remediations), steps))
        self.counts[f"{target.partition(',')[0]} killed"] += 1
        self.report_line(
            f"kill {len(self.records)}: {target} {point}, {len(remediations)} in flight: {', '.join(steps)}"
        )

    def list_records(self) -> list[dict[str, Any]]:
        """Return all kills as plain values."""
        return [asdict(kill) for kill in self.records]
