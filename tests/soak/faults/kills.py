"""Killing and freezing: workers at every failpoint and in every wait, the server, and both, with much in flight."""

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
"""Remediations in flight, in as many different steps, that a kill wants to meet."""
WORKER_LIFE_SECONDS = 6.0
"""Seconds a worker lives at least, so that remediations get anywhere between two kills."""
GATHER_TIMEOUT_SECONDS = 40.0
"""Seconds that is waited for them."""
POINT_TIMEOUT_SECONDS = 12.0
"""Seconds an armed point is waited for before the others have their turn."""
FREEZE_SECONDS = 8.0
"""Seconds a frozen worker stands still: longer than its heartbeat time-out of 5."""
SECOND_CRASH_STEPS = ("undo-1", "verify-undo", "record")
"""Steps in which a second crash comes, when the first one was in a compensation."""


@dataclass(frozen=True)
class KillRecord:
    """One kill: of what, where, and what was in flight."""

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
    """The killing of one soak. `open` are the points nobody was killed in yet; `waits` the same for steps that wait.

    `what` is killed, each as often as it is named, in the order of the dice; once all had their turn, anew. A kill is
    waited for until `much` remediations are in flight, in as many steps, at most `gathers` seconds.
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
        """Kill what has its turn."""
        self.next_targets = self.next_targets or self.random.sample(self.targets, len(self.targets))
        await getattr(self, self.next_targets.pop())()

    async def kill_worker(self) -> None:
        """Kill the worker at a point that is still open, or in a wait, and start another one."""
        rare = [point for point in self.open_points if point.partition(".")[0] not in FREQUENT_STEPS]
        # A point that is seldom passed is waited for all the time.
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
        """Arm open points and return the one that struck; empty if nobody came by."""
        often = [point for point in self.open_points if point.partition(".")[0] in FREQUENT_STEPS]
        if point := await self.wait_for_strike(rare_points, asyncio.sleep(POINT_TIMEOUT_SECONDS / 2)):
            return point
        return await self.wait_for_strike(
            [*rare_points, *(often or self.pick_repeat_points())], asyncio.sleep(POINT_TIMEOUT_SECONDS)
        )

    def pick_repeat_points(self) -> list[str]:
        """Return some points for another time, once every one had its turn."""
        return self.random.sample([point for point in list_points() if point not in self.open_points], 10)

    async def ensure_worker(self) -> None:
        """Let a worker begin if none runs."""
        if "first" not in self.fleet.live_workers:
            await self.fleet.start_worker()

    async def wait_for_strike(self, points: list[str], work: Awaitable[None]) -> str:
        """Arm points until the work is done or one of them strikes. Return which; empty if none did."""
        await self.ensure_worker()
        child, before = self.fleet.workers["first"].child, len(self.fleet.failpoints.list_fired(KILL))
        for point in points:
            self.fleet.failpoints.arm(point)
        working = asyncio.ensure_future(work)
        dying = asyncio.create_task(child.wait())
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        for point in points:
            self.fleet.failpoints.disarm(point)
        for task in (working, dying):
            task.cancel()
        await asyncio.gather(working, dying, return_exceptions=True)
        struck = [point for point in self.fleet.failpoints.list_fired(KILL)[before:] if point in points]
        self.open_points[:] = [point for point in self.open_points if point not in struck]
        if struck:
            await child.wait()
            self.fleet.mark_down()
            return struck[0]
        # Nobody killed it: it refuses to begin while what it needs does not answer.
        await self.ensure_worker()
        if working.done() and not working.cancelled():
            working.result()
        return ""

    async def kill_in_wait(self) -> str:
        """Kill the worker in the wait that had its turn least often of those that are there."""
        held = await list_in_flight(self.fleet.client)
        there = [one.step for one in held if one.step in WAITING_STEPS] or ["idle"]
        step = min(there, key=lambda name: self.wait_counts[name])
        await self.fleet.kill_worker()
        self.wait_counts[step] += 1
        return step

    async def kill_during_rollback(self) -> None:
        """Kill the next worker as well, as soon as it goes on with the compensation."""
        points = [point for point in list_points() if point.partition(".")[0] in SECOND_CRASH_STEPS]
        point = await self.wait_for_strike(self.random.sample(points, 8), asyncio.sleep(POINT_TIMEOUT_SECONDS))
        if point:
            await self.record_kill("worker, second crash", point)
            await self.ensure_worker()

    async def kill_server(self) -> None:
        """Kill the Temporal server and start it again upon its file."""
        await self.wait_until_busy()
        await self.record_kill("server", "")
        await self.fleet.kill_server()
        await self.fleet.start_server()

    async def kill_server_and_worker(self) -> None:
        """Kill the server and, while it is away, the worker; start both again."""
        await self.wait_until_busy()
        await self.record_kill("server", "with the worker")
        await self.record_kill("worker", "without a server")
        await self.fleet.kill_server()
        await self.fleet.kill_worker()
        await self.fleet.start_server()
        await self.fleet.start_worker()

    async def freeze_worker(self) -> None:
        """Freeze the worker beyond its heartbeat time-out, let another take over, and let it go on as a zombie."""
        await self.wait_until_busy()
        self.fleet.freeze()
        self.counts["worker frozen"] += 1
        await self.fleet.start_worker("second")
        await asyncio.sleep(FREEZE_SECONDS)
        self.fleet.unfreeze()
        # For a while both serve the same queues.
        await asyncio.sleep(FREEZE_SECONDS / 2)
        self.counts["two workers on one queue"] += 1
        await self.fleet.kill_worker("second")
        await self.record_kill("worker", "of two")

    async def step_clock(self) -> None:
        """Step the worker's clock by an hour while much is in flight, and back after a while."""
        environment, file = await skewed_clock_environment(self.fleet)
        await self.wait_until_busy()
        await self.record_kill("worker", "for one whose clock will step")
        await self.fleet.kill_worker()
        await self.fleet.start_worker("first", **environment)
        await self.wait_until_busy()
        hour = self.random.choice(("+3600", "-3600"))
        file.write_text(hour)
        self.counts[f"clock stepped {hour[0]}1 h"] += 1
        await asyncio.sleep(FREEZE_SECONDS)
        file.write_text("+0")
        # Every look at such a clock is dear: the next worker has one of its own.
        await self.record_kill("worker", "whose clock stepped")
        await self.fleet.kill_worker()
        await self.fleet.start_worker()

    async def wait_until_busy(self) -> None:
        """Wait until the worker serves, the next is loaded and much is in flight, at most so long."""
        await self.ensure_worker()
        await wait_until_serving(self.fleet)
        await asyncio.sleep(WORKER_LIFE_SECONDS)
        await self.fleet.preload_worker()
        until = time.monotonic() + self.gather_timeout_seconds
        while time.monotonic() < until:
            held = await list_in_flight(self.fleet.client)
            if len(held) >= self.min_in_flight and len(distinct_steps(held)) >= self.min_in_flight:
                return
            await asyncio.sleep(0.3)

    async def record_kill(self, target: str, point: str) -> None:
        """Write down what is killed and what is in flight: nothing moves while no worker lives."""
        held = await list_in_flight(self.fleet.client)
        self.records.append(KillRecord(target, point, len(held), tuple(sorted(distinct_steps(held)))))
        self.counts[f"{target.partition(',')[0]} killed"] += 1
        self.report_line(
            f"kill {len(self.records)}: {target} {point}, {len(held)} in flight: {', '.join(sorted(distinct_steps(held)))}"
        )

    def list_records(self) -> list[dict[str, Any]]:
        """Return all kills as plain values."""
        return [asdict(kill) for kill in self.records]
